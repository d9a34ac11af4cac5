import type { JsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { chainHash } from '../../gate/guard/stages/agentic-jwt.ts'
import { isScopeToken } from '../../gate/model/scope.ts'
import { type CommandRow, collect } from '../base/command.ts'
import { accessTokenClaims, agenticClaims, readKeyFile, signToken } from '../base/key-file.ts'
import { cannotTell, EXIT, type Outcome, present } from '../base/output.ts'
import { proofKeyAt } from '../base/proof.ts'
import { durationSeconds, utc } from '../base/times.ts'

export interface MintOptions {
  readonly key: string
  readonly audience: string
  /** Scope tokens separated by spaces (RFC 6749 §3.3). */
  readonly scope?: string
  readonly subject?: string
  readonly client?: string
  readonly lifetime?: string
  /** Key file of a client, to which the token is bound; made where it is not there. */
  readonly dpop?: string
  /** A made-up `agent_checksum`: the token is an Agentic JWT. */
  readonly agentic?: string
  readonly workflow?: string
  /** Ids, separated by commas; the last is the current one. */
  readonly steps?: string
  readonly chain?: string
  /** `name=json`, each. */
  readonly claim?: readonly string[]
}

export const mintCommand: CommandRow<MintOptions> = {
  usage: 'mint --key FILE --audience RESOURCE --scope "…"',
  description: 'Sign an access token for development.',
  example: 'mint --key ops.jwk --audience https://api.my-company.com --scope "chat:write"',
  options: (command) =>
    command
      .requiredOption('--key <file>', 'file with the private key, which keygen made')
      .requiredOption('--audience <resource>', 'resource the token is for (aud)')
      .option('--scope <scopes>', 'scopes, separated by spaces')
      .option('--subject <sub>', 'subject (default: the client)')
      .option('--client <id>', 'client_id', 'edgewarden-cli')
      .option('--lifetime <duration>', 'how long the token is valid, at most 24h', '5m')
      .option(
        '--dpop <file>',
        'bind the token to the DPoP key in this file, which is created if missing',
      )
      .option(
        '--agentic <checksum>',
        'make an Agentic JWT with this agent_checksum; mint does not compute it',
      )
      .option('--workflow <id>', 'workflow of the Agentic JWT')
      .option('--steps <ids>', 'completed steps and the current step, separated by commas')
      .option('--chain <ids>', 'agents that delegated to the client, separated by commas')
      .option('--claim <name=json>', 'a further claim; may be repeated', collect),
  run: (_, options, { now }) => mint(options, now()),
}

const DAY = 86_400
/** Seconds a token of the default profile may live. */
const USUAL_LIFETIME = 900

/** Claims that --claim cannot set, and what sets them. */
const OWN_OPTION: Readonly<Record<string, string>> = {
  iss: 'the key file',
  aud: '--audience',
  sub: '--subject',
  client_id: '--client',
  scope: '--scope',
  iat: 'the clock',
  exp: '--lifetime',
}

/**
 * Signs an access token for development with a key that `keygen` made. Whether a gate takes it is
 * the gate's decision. `now` is in seconds since the epoch.
 */
export async function mint(options: MintOptions, now: number): Promise<Outcome> {
  const lifetime = durationSeconds(options.lifetime ?? '5m')
  if (!lifetime.ok) return cannotTell(`--lifetime: ${lifetime.reason}`)
  if (lifetime.value < 1 || lifetime.value > DAY) {
    return cannotTell('--lifetime: a token lives between 1s and 24h')
  }
  const scopes = (options.scope ?? '').split(' ').filter((scope) => scope !== '')
  const bad = scopes.find((scope) => !isScopeToken(scope))
  if (bad !== undefined) return cannotTell(`--scope: "${bad}" is not a scope (RFC 6749 §3.3)`)
  if (options.audience === '') return cannotTell('--audience is empty; give the resource')
  const claims = readClaims(options.claim ?? [])
  if (!claims.ok) return cannotTell(`--claim: ${claims.reason}`)
  const key = await readKeyFile(options.key)
  if (!key.ok) return cannotTell(key.reason)
  if (options.dpop !== undefined && Object.hasOwn(claims.value, 'cnf')) {
    return cannotTell('cnf comes from --dpop')
  }
  const bound = options.dpop === undefined ? undefined : await proofKeyAt(options.dpop)
  if (bound && !bound.ok) return cannotTell(bound.reason)
  const client = options.client ?? 'edgewarden-cli'
  const subject = options.subject ?? client
  const agentic = await agenticOf(options, subject)
  if (!agentic.ok) return cannotTell(agentic.reason)
  const all = accessTokenClaims(key.value.issuer, {
    audience: options.audience,
    subject,
    client,
    scopes,
    issuedAt: Math.floor(now),
    lifetime: Math.floor(lifetime.value),
    claims: {
      ...agentic.value,
      ...claims.value,
      ...(bound && {
        cnf: agentic.value ? { jwk: bound.value.publicJwk } : { jkt: bound.value.jkt },
      }),
    },
  })
  const token = await signToken(key.value, all)
  const err = present([
    lifetime.value > USUAL_LIFETIME &&
      `It ends ${utc(now + lifetime.value)}. A gate refuses tokens that live longer than max_lifetime (15m unless the issuer's table says otherwise).`,
    bound?.value.isNew &&
      `The client's key is in ${options.dpop}. Send the token with: npx edgewarden curl URL --dpop ${options.dpop}`,
  ])
  return { exitCode: EXIT.yes, json: { token, claims: all }, out: [token], err }
}

/** What is given of an Agentic JWT; `undefined` without a checksum. */
const agenticOf = async (
  { agentic, dpop, workflow, steps, chain }: MintOptions,
  sub: string,
): Promise<Result<JsonObject | undefined, string>> => {
  if (agentic === undefined) {
    return (workflow ?? steps ?? chain) === undefined
      ? ok(undefined)
      : fail('--workflow, --steps and --chain need --agentic')
  }
  if (dpop === undefined) return fail('--agentic needs --dpop, for the key of the agent')
  const ids = steps?.split(',') ?? []
  const intent = {
    ...((workflow ?? steps) !== undefined && { workflow_id: workflow, workflow_step: ids.at(-1) }),
    delegation_chain: await chainHash([...(chain?.split(',') ?? []), sub]),
    step_sequence_hash: await chainHash(ids),
  }
  return ok(agenticClaims({ sub, intent, agent_proof: { agent_checksum: agentic } }))
}

const readClaims = (
  texts: readonly string[],
): Result<Readonly<Record<string, unknown>>, string> => {
  const claims = new Map<string, unknown>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = text.slice(0, at)
    if (at < 1) return fail(`"${text}" is not name=json, such as agent_type='"planner"'`)
    const other = Object.hasOwn(OWN_OPTION, name) ? OWN_OPTION[name] : undefined
    if (other !== undefined) return fail(`${name} comes from ${other}`)
    if (claims.has(name)) return fail(`${name} is given twice`)
    try {
      claims.set(name, JSON.parse(text.slice(at + 1)))
    } catch {
      return fail(`the value of ${name} is not JSON; quote a string twice: ${name}='"text"'`)
    }
  }
  return ok(Object.fromEntries(claims))
}
