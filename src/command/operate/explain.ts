import { chainDenials } from '../../gate/base/chain.ts'
import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { GUARD } from '../../gate/guard/guard.ts'
import {
  type CommandRow,
  collect,
  optionName,
  type Process,
  type Surroundings,
  TOKEN_VARIABLE,
  withAccess,
} from '../base/command.ts'
import { explainOffline, readKeySet } from '../base/explain-offline.ts'
import { type AskedRequest, type RequestOptions, readRequest } from '../base/explain-request.ts'
import { readFilePolicy } from '../base/file-policy.ts'
import { cannotTell, EXIT, type ExitCode, type Outcome, present } from '../base/output.ts'
import { operandLines, stepLines } from '../base/steps.ts'
import { instant, utc } from '../base/times.ts'
import { callAs, type GateOptions } from './access.ts'

export interface ExplainOptions extends RequestOptions, Partial<GateOptions> {
  /** The wrangler.toml to judge by. */
  readonly config?: string
  readonly env?: string
  /** File with the JWK set of the token's issuer. */
  readonly jwks?: string
  /** Seconds since the epoch, or a date with time and zone. */
  readonly at?: string
}

export const explainCommand: CommandRow<ExplainOptions> = {
  usage: 'explain METHOD URL',
  description:
    'Show how a request is decided, stage by stage: by wrangler.toml, or by a running gate.',
  example: 'explain GET https://api.my-company.com/v1/documents/7 --token @token.txt',
  help: `
Other users of this machine can see a token that is written on the command line: prefer @FILE or -.
Without --gate the command fetches nothing: it takes the issuer's keys from the policy or --jwks FILE, and
no revocation is known. --gate asks a running gate, which forwards nothing; the token of the call
itself is --key, --token-file, --token-env or ${TOKEN_VARIABLE}.
Exit status: 0 allowed, 1 denied (even if shadow mode would forward it), 2 cannot tell.`,
  options: (command) =>
    withAccess(
      command
        .argument('<method>', 'method of the request')
        .argument('<url>', 'URL of the request, exactly as it is sent')
        .option('--token <token>', 'the token to explain: itself, @FILE, or - for standard input')
        .option(
          '--header <name: value>',
          'a further header of the request; may be repeated',
          collect,
        )
        .option('--mcp <json>', 'the call to an MCP server: method, name, arguments, revision')
        .option(
          '--connection <json>',
          'where the request comes from: ip, country, asn, colo, tls, bot_score, certificate',
        )
        .optionsGroup('To decide by wrangler.toml:')
        .option('--config <file>', 'the file with the policy (default: wrangler.toml)')
        .option('--env <name>', 'decide by this environment of the file')
        .option('--jwks <file>', "file with the JWK set of the token's issuer")
        .option(
          '--at <time>',
          'decide as at this time: seconds since the epoch, or 2026-11-01T12:00:00Z',
        )
        .optionsGroup('To ask a running gate:')
        .option('--gate <url>', 'scheme and host of the gate'),
      SCOPE,
    ),
  run: ([method = '', url = ''], options, process) => explain(method, url, options, process),
}

const SCOPE = 'edgewarden:read'

/** Options for a decision on this machine, and options for a decision by a running gate. */
const HERE = ['config', 'env', 'jwks', 'at'] as const
const THERE = ['prefix', 'tokenEnv', 'tokenFile', 'key', 'audience'] as const

/**
 * Tells how a request is decided, stage by stage: by a file, fetching nothing, or by a running
 * gate. Nothing is forwarded. Yes is allowed, no is denied, also where shadow mode lets it pass.
 */
export async function explain(
  method: string,
  url: string,
  options: ExplainOptions,
  around: Omit<Process, 'waiting' | 'print'>,
): Promise<Outcome> {
  const { gate } = options
  const stray = (gate === undefined ? THERE : HERE).find((name) => options[name] !== undefined)
  if (stray !== undefined) {
    const why =
      gate === undefined
        ? 'is for a call of a gate (--gate URL); give the token to explain with --token.'
        : 'is for decisions by a file; with --gate the running gate decides.'
    return cannotTell(`${optionName(stray)} ${why}`)
  }
  const asked = await readRequest(method, url, options, around.stdin)
  if (!asked.ok) return cannotTell(asked.reason)
  return gate === undefined
    ? explainHere(asked.value, options, around)
    : explainThere(asked.value, { ...options, gate }, around)
}

const explainHere = async (
  asked: AskedRequest,
  { config = 'wrangler.toml', env, jwks, at }: ExplainOptions,
  { now }: Surroundings,
): Promise<Outcome> => {
  const moment = at === undefined ? undefined : instant(at)
  if (moment && !moment.ok) return cannotTell(`--at: ${moment.reason}`)
  const keys = jwks === undefined ? undefined : await readKeySet(jwks)
  if (keys && !keys.ok) return cannotTell(`--jwks: ${keys.reason}`)
  const read = await readFilePolicy({ file: config, env })
  if (!read.ok) return read.reason
  const judged = { at: moment?.value ?? now(), keys: keys?.value }
  const { explanation, inlineKeys } = await explainOffline(read.value.policy, asked, judged)
  const exitCode = verdictOf(explanation)
  return {
    exitCode,
    json: {
      ...explanation,
      ...errorOf(exitCode),
      revocations: 'unknown',
      at: Math.floor(judged.at),
    },
    out: present([
      ...explanationLines(explanation),
      moment && `Judged as at ${utc(moment.value)}.`,
      stepsOf(explanation).some((step) => own(step, 'stage') === 'revocation') &&
        'Revocations are not known here: judged as if nothing were revoked.',
    ]),
    err:
      keys && inlineKeys ? ['--jwks was not used: the keys of that issuer are in the policy.'] : [],
  }
}

/** Every document of a command that cannot tell has this member. */
const errorOf = (exitCode: ExitCode) =>
  exitCode === EXIT.unknown && { error: 'The gate could not decide; `denial` says why.' }

const explainThere = async (
  { method, url, token, headers, connection, mcp }: AskedRequest,
  options: GateOptions,
  around: Omit<Process, 'waiting' | 'print'>,
): Promise<Outcome> => {
  const body = {
    ...{ token, method, url, headers: Object.fromEntries(headers) },
    ...{ connection: connection?.written, mcp: mcp?.written },
  }
  const answer = await callAs(options, SCOPE, around, '/explain', { method: 'POST', body })
  if (!answer.ok) {
    const { refused, ...outcome } = answer.reason
    const about = refused ? ['No explanation: the gate refused the call of this command.'] : []
    return { ...outcome, exitCode: EXIT.unknown, err: [...about, ...outcome.err] }
  }
  const explanation = answer.value.body
  if (
    typeof own(explanation, 'allowed') !== 'boolean' ||
    !Array.isArray(own(explanation, 'steps'))
  ) {
    return cannotTell('The gate answered without an explanation; is --gate right?')
  }
  const exitCode = verdictOf(explanation)
  return {
    exitCode,
    json: { ...explanation, ...errorOf(exitCode) },
    out: explanationLines(explanation),
    err: [],
  }
}

/** Codes of denials that mean: the gate could not decide. */
const UNDECIDED: ReadonlySet<string> = new Set(
  [chainDenials, ...GUARD.stages.flatMap(({ denials }) => denials)].flatMap(({ rows }) =>
    Object.entries(rows).flatMap(([code, [answer]]) => (answer === 'unavailable' ? [code] : [])),
  ),
)

/** Members of a step's detail that are shown below the steps. */
const SHOWN_BELOW: ReadonlySet<string> = new Set([
  'required_scopes',
  'any_of',
  'hint',
  'note',
  'operands',
])

/** The exit status of an explanation: allowed, denied, or the gate could not decide. */
const verdictOf = (explanation: JsonObject): ExitCode => {
  if (own(explanation, 'allowed') === true) return EXIT.yes
  const denial = objectOf(own(explanation, 'denial'))
  const status = own(denial, 'status')
  const undecided = UNDECIDED.has(ownText(denial, 'code') ?? '')
  return undecided || (typeof status === 'number' && status >= 500) ? EXIT.unknown : EXIT.no
}

/** An explanation for people: each step, what was decided, what to do. Accepts any answer of a gate. */
const explanationLines = (explanation: JsonObject): readonly string[] => {
  const steps = stepsOf(explanation)
  const shown = steps.map((step) => {
    const { code, ...detail } = objectOf(own(step, 'detail'))
    const rest = Object.entries(detail).filter(([name]) => !SHOWN_BELOW.has(name))
    return { ...step, detail: Object.fromEntries([['code', code], ...rest]) }
  })
  const end = own(explanation, 'allowed') === true ? allowed(explanation) : denied(explanation)
  const isWithheld = steps.length > 0 && steps.every((step) => own(step, 'detail') === undefined)
  const note = ownText(explanation, 'note')
  const lines = stepLines(shown).flatMap((line, i) => [line, ...operandLines(steps[i] ?? {})])
  return present([
    ...lines,
    '',
    ...end,
    note !== undefined && `Note: ${note}`,
    isWithheld && WITHHELD,
  ])
}

const WITHHELD =
  "No more is shown: the token is encrypted, or its issuer is outside the caller's reach."

const allowed = (explanation: JsonObject): readonly string[] => {
  const agent = objectOf(own(explanation, 'agent'))
  const route = objectOf(own(explanation, 'route'))
  const name = ownText(agent, 'name')
  const rule = ownText(route, 'match')
  const by = rule === undefined ? '' : ` by the rule ${JSON.stringify(rule)}`
  if (name !== undefined) return [`Allowed${by}, as ${name} of ${ownText(agent, 'issuer') ?? '?'}`]
  const last = ownText(stepsOf(explanation).at(-1) ?? {}, 'outcome')
  return [`Allowed${by}${last === 'ended' ? ', without an identity' : ''}`]
}

const denied = (explanation: JsonObject): readonly string[] => {
  const denial = objectOf(own(explanation, 'denial'))
  const verdict = verdictOf(explanation) === EXIT.unknown ? 'Cannot tell' : 'Denied'
  const code = ownText(denial, 'code') ?? 'no code'
  const title = ownText(denial, 'title')
  const status = own(denial, 'status')
  const all = own(denial, 'required_scopes')
  const any = own(denial, 'any_of')
  const hint = ownText(denial, 'hint')
  const note = ownText(objectOf(own(stepsOf(explanation).at(-1) ?? {}, 'detail')), 'note')
  return present([
    title === undefined
      ? `${verdict}: ${code}`
      : `${verdict}: ${title} (${code}${typeof status === 'number' ? `, ${status}` : ''})`,
    Array.isArray(all) && `Scopes it needs, all of them: ${all.join(' ')}`,
    Array.isArray(any) && `Scopes it needs, one of them: ${any.join(' ')}`,
    hint !== undefined && `What to do: ${hint}`,
    note !== undefined && `Note: ${note}`,
    own(explanation, 'mode') === 'shadow' &&
      'The rule is in shadow mode: the request is forwarded all the same, without an identity.',
  ])
}

const stepsOf = (explanation: JsonObject): readonly JsonObject[] =>
  listOf(own(explanation, 'steps')).filter(isObject)
