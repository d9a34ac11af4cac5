import { callAs, type GateOptions, type Surroundings } from './access.ts'
import { explainOffline, readKeySet } from './explain-offline.ts'
import { type AskedRequest, type RequestOptions, readRequest } from './explain-request.ts'
import { explanationLines, isExplanation, reached, verdictOf } from './explain-text.ts'
import { fileFaultOutcome, readFilePolicy } from './file-policy.ts'
import { faultOutcome } from './gate-client.ts'
import { cannotTell, EXIT, type ExitCode, type Outcome } from './output.ts'
import { instant, utc } from './times.ts'

export interface ExplainOptions extends RequestOptions, Partial<GateOptions> {
  /** The wrangler.toml to judge by. */
  readonly config?: string
  readonly env?: string
  /** File with the JWK set of the token's issuer. */
  readonly jwks?: string
  /** Seconds since the epoch, or a date with time and zone. */
  readonly at?: string
}

/** The process as `explain` sees it. */
export interface ExplainSurroundings extends Surroundings {
  readonly stdin: () => Promise<string>
}

const SCOPE = 'edgewarden:read'

/** Options that say by what to judge on this machine, and those that say how to reach a gate. */
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
  around: ExplainSurroundings,
): Promise<Outcome> {
  const { gate } = options
  const stray = (gate === undefined ? THERE : HERE).find((name) => options[name] !== undefined)
  if (stray !== undefined) return cannotTell(strayOption(stray, gate !== undefined))
  const asked = await readRequest(method, url, options, around.stdin)
  if (!asked.ok) return cannotTell(asked.reason)
  return gate === undefined
    ? explainHere(asked.value, options, around)
    : explainThere(asked.value, { ...options, gate }, around)
}

const strayOption = (name: string, atGate: boolean): string => {
  const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  return atGate
    ? `${option} is for judging by a file; with --gate the gate judges as it is now.`
    : `${option} is for calling a gate (--gate URL); the token to explain goes to --token.`
}

const explainHere = async (
  asked: AskedRequest,
  { config = 'wrangler.toml', env, jwks, at }: ExplainOptions,
  { now }: ExplainSurroundings,
): Promise<Outcome> => {
  const moment = at === undefined ? undefined : instant(at)
  if (moment && !moment.ok) return cannotTell(`--at: ${moment.reason}`)
  const keys = jwks === undefined ? undefined : await readKeySet(jwks)
  if (keys && !keys.ok) return cannotTell(`--jwks: ${keys.reason}`)
  const read = await readFilePolicy({ file: config, env })
  if (!read.ok) return fileFaultOutcome(read.reason, EXIT.unknown)
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
    out: [
      ...explanationLines(explanation),
      ...(moment ? [`Judged as of ${utc(moment.value)}.`] : []),
      ...(reached(explanation, 'revocation')
        ? ['Revocations are not known here: judged as if nothing were revoked.']
        : []),
    ],
    err:
      keys && inlineKeys ? ['--jwks was not used: the keys of that issuer are in the policy.'] : [],
  }
}

/** Every document of a command that cannot tell has this member. */
const errorOf = (exitCode: ExitCode) =>
  exitCode === EXIT.unknown && { error: 'The line could not decide; denial says why.' }

const explainThere = async (
  { method, url, token, headers, connection, mcp }: AskedRequest,
  options: GateOptions,
  around: ExplainSurroundings,
): Promise<Outcome> => {
  const answer = await callAs(options, SCOPE, around, ({ prefix }) => ({
    method: 'POST',
    path: `${prefix}/explain`,
    body: {
      token,
      method,
      url,
      headers: Object.fromEntries(headers),
      ...(connection && { connection: connection.written }),
      ...(mcp && { mcp: mcp.written }),
    },
  }))
  if (!answer.ok) {
    const outcome = faultOutcome(answer.reason)
    const refused = answer.reason.kind === 'refused'
    const about = refused ? ['No explanation: the gate refused the call that asked for it.'] : []
    return { ...outcome, exitCode: EXIT.unknown, err: [...about, ...outcome.err] }
  }
  const explanation = answer.value.body
  if (!isExplanation(explanation)) {
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
