import { isObject, type JsonObject, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { isLoopback, parseUrl } from '../../gate/base/url.ts'
import { metadataPath } from '../../gate/model/well-known.ts'
import { DEFAULT_PREFIX } from '../../gate/policy/keys/gate.ts'
import { given, type Surroundings, TOKEN_VARIABLE } from '../base/command.ts'
import { textIn } from '../base/decision-lines.ts'
import { readText } from '../base/files.ts'
import {
  callGate,
  type GateAddress,
  type GateAnswer,
  type GateCall,
  type GateFault,
  gateAddress,
} from '../base/gate-client.ts'
import { accessTokenClaims, readKeyFile, signToken } from '../base/key-file.ts'
import { cannotTell, type Outcome } from '../base/output.ts'

/** Where the token of a call comes from: at most one source, else `EDGEWARDEN_TOKEN`. */
export interface TokenOptions {
  readonly tokenEnv?: string
  readonly tokenFile?: string
  readonly key?: string
  readonly audience?: string
}

/** What every call of a gate needs. */
export interface GateOptions extends TokenOptions {
  readonly gate: string
  readonly prefix?: string
}

/** What a token needs to read decisions. */
export const AUDIT_SCOPE = 'edgewarden:audit:read'

/** What a token needs for the registry of agents. */
export const AGENTS_SCOPE = 'edgewarden:agents'

/** What a token needs to read calls that wait for a person. */
export const APPROVE_SCOPE = 'edgewarden:approve'

/**
 * Lifetimes, in seconds, of tokens that a command signs: for one call, and for reading decisions, which may be a
 * stream.
 */
const LIFETIME = 60
const AUDIT_LIFETIME = 300
/** RFC 9110 §11.2 `token68`: what can follow `Bearer`. */
const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/

/**
 * The token to call a gate with, read or signed for the scope given. Does not check that the gate
 * will take it. No reason of a failure contains any part of a token or key.
 */
export async function tokenFor(
  gate: GateAddress,
  options: TokenOptions,
  scope: string,
  around: Surroundings,
): Promise<Result<string, string>> {
  const { env } = around
  const { tokenEnv, tokenFile, key, audience } = options
  if ([tokenEnv, tokenFile, key].filter((one) => one !== undefined).length > 1) {
    return fail('Give one of --token-env, --token-file and --key, not several.')
  }
  if (audience !== undefined && key === undefined) {
    return fail('--audience is for a token that is signed with --key.')
  }
  if (key !== undefined) return signed(gate, key, audience, scope, around)
  if (tokenFile !== undefined) {
    const text = await readText(tokenFile)
    return text.ok ? plain(text.value, tokenFile) : text
  }
  const name = tokenEnv ?? TOKEN_VARIABLE
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value !== undefined && value !== '') return plain(value, name)
  return fail(
    tokenEnv === undefined
      ? `No token: give --key FILE (from keygen), --token-file FILE or --token-env NAME, or set ${TOKEN_VARIABLE}.`
      : `The environment variable ${name} is not set.`,
  )
}

/** What is sent in addition to the path and the token. Members of `query` without a value are left out. */
export interface CallOptions extends Omit<GateCall, 'path' | 'token'> {
  readonly query?: Readonly<Record<string, string | number | undefined>>
}

/**
 * Calls an endpoint of a gate once, with the address and the token of the options; the token must have the scope. The
 * path is below the gate's prefix.
 */
export async function callAs(
  options: GateOptions,
  scope: string,
  around: Surroundings,
  path: string,
  { query = {}, ...call }: CallOptions = {},
): Promise<Result<GateAnswer, GateFault>> {
  const gate = gateAddress(options.gate, options.prefix ?? DEFAULT_PREFIX)
  if (!gate.ok) return fail(cannotTell(gate.reason))
  const token = await tokenFor(gate.value, options, scope, around)
  if (!token.ok) return fail(cannotTell(token.reason))
  const search = new URLSearchParams(given(query) as Record<string, string>)
  const whole = `${gate.value.prefix}${path}${search.size > 0 ? `?${search}` : ''}`
  const answer = await callGate(gate.value, { ...call, path: whole, token: token.value })
  const code = answer.ok ? undefined : own(answer.reason.refused?.problem ?? {}, 'code')
  if (answer.ok || options.key === undefined || !UNDEPLOYED.has(code)) return answer
  return fail({ ...answer.reason, err: [...answer.reason.err, adviceFor(options.key)] })
}

/** Codes of a gate that does not have the public half of a key. */
const UNDEPLOYED: ReadonlySet<unknown> = new Set(['issuer_unknown', 'key_unknown'])

const adviceFor = (file: string): string =>
  `The gate does not have the key of ${file}: put the table that keygen printed into wrangler.toml, or the key into the table's jwks.keys, and deploy. If it is deployed, see whether --gate is that gate, and whether somebody removed the key.`

/** What a gate lists. */
export interface Listed {
  readonly found: readonly JsonObject[]
  /** Where the next page begins, if there are more. */
  readonly cursor?: string | undefined
  /** The answer with the first page. */
  readonly first?: JsonObject
  /** Why the list could not be read to its end. */
  readonly fault?: Outcome
}

/**
 * How many items one call asks for, and how many calls there are at most: a gate must not keep a command busy forever.
 */
const PAGE = 1_000
const PAGES = 10_000

/**
 * Reads the list that an endpoint answers as its member `name`: at most `most` items over as many pages as that takes,
 * or without `most` the gate's first page.
 */
export async function listAs(
  options: GateOptions,
  scope: string,
  around: Surroundings,
  [path, name]: readonly [path: string, name: string],
  { query, most, method }: Pick<CallOptions, 'query' | 'method'> & { readonly most?: number },
): Promise<Listed> {
  const found: JsonObject[] = []
  let cursor: string | undefined
  let first: JsonObject | undefined
  for (let page = 0; page < PAGES; page++) {
    const limit = most === undefined ? query?.limit : Math.min(PAGE, most - found.length)
    const asked = { ...query, limit, cursor }
    const answer = await callAs(options, scope, around, path, { method, query: asked })
    if (!answer.ok) return { found, fault: answer.reason }
    const { body } = answer.value
    const items = own(body, name)
    if (!Array.isArray(items)) {
      const why = `The gate answered without a list of ${name}; is --gate right?`
      return { found, fault: cannotTell(why) }
    }
    found.push(...items.filter(isObject))
    first ??= body
    const next = textIn(body, 'cursor')
    if (next === undefined || most === undefined || found.length >= most) {
      return { found, first, cursor: next }
    }
    if (next === cursor) break
    cursor = next
  }
  return { found, fault: cannotTell('The list of the gate does not end: too many pages.') }
}

const plain = (text: string, source: string): Result<string, string> =>
  TOKEN68.test(text.trim()) ? ok(text.trim()) : fail(`${source} does not contain one token.`)

const signed = async (
  gate: GateAddress,
  path: string,
  audience: string | undefined,
  scope: string,
  { env, now }: Surroundings,
): Promise<Result<string, string>> => {
  const key = await readKeyFile(path)
  if (!key.ok) return key
  const resource = audience === undefined ? await resourceOf(gate) : ok(audience)
  if (!resource.ok) return resource
  const claims = accessTokenClaims(key.value.issuer, {
    audience: resource.value,
    // Shown as created_by. Another name in the file proves nothing, because whoever has the key can write it.
    subject: [env.USER, env.USERNAME].find((name) => name) ?? 'edgewarden-cli',
    client: 'edgewarden-cli',
    scopes: [scope],
    issuedAt: Math.floor(now()),
    lifetime: scope === AUDIT_SCOPE ? AUDIT_LIFETIME : LIFETIME,
  })
  return ok(await signToken(key.value, claims))
}

/**
 * The resource a gate says it is (RFC 9728 §3). Accepted only if its origin is that of the gate (§3.3), or if both are on
 * this machine. Otherwise a false answer could make this key sign a token for another gate, such as that in production.
 */
const resourceOf = async (gate: GateAddress): Promise<Result<string, string>> => {
  const answer = await callGate(gate, { path: metadataPath(gate.origin) })
  const advice = 'give the resource of the gate with --audience'
  if (!answer.ok) {
    const { refused, err } = answer.reason
    return refused
      ? fail(`The gate does not publish its resource (${refused.status}); ${advice}.`)
      : fail(`Cannot ask the gate for its resource: ${err[0]}`)
  }
  const resource = own(answer.value.body, 'resource')
  if (typeof resource !== 'string') return fail(`The gate names no resource; ${advice}.`)
  const named = parseUrl(resource)
  const isLocal = gate.loopback && isLoopback(named?.hostname ?? '')
  if (isLocal || named?.origin === gate.origin) return ok(resource)
  return fail(
    `The gate at ${gate.origin} says it is ${resource}. If that is right, ${advice}; otherwise --gate is wrong.`,
  )
}
