import { isObject, type JsonObject, own } from '../../../src/gate/base/json.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { headerText, isIdentityText } from '../../../src/gate/base/text.ts'
import type { AssertionBinding } from '../../../src/gate/model/assertion.ts'
import { type Actor, POSSESSIONS, type Possession } from '../../../src/gate/model/token.ts'
import { AgentError } from './errors.ts'
import type { Settings } from './options.ts'
import { type AgentRequest, headerValues } from './request.ts'

/** The verified caller. An agent is identified by `id` and `issuer` together. */
export interface VerifiedAgent {
  readonly id: string
  /** The issuer of the agent's token. */
  readonly issuer: string
  /** The subject the agent acts for: the token's `sub`. */
  readonly subject?: string
  readonly clientId?: string
  readonly type?: string
  readonly workflowId?: string
  /** The step of the workflow (Agentic JWT). */
  readonly step?: string
  /** All scopes of the token, in its order. */
  readonly scopes: readonly string[]
  /** The scopes that the gate's rule required for this request. */
  readonly grant: readonly string[]
  /** Outermost (current) actor first; empty without `act` (RFC 8693 §4.1). */
  readonly actors: readonly Actor[]
  /** `jti` of the token. */
  readonly tokenId?: string
  /** The proof of possession that the token's sender gave. */
  readonly possession: Possession
  /** Methods and path pattern of the assertion. */
  readonly route: string
  /** The verified binding of the assertion to the request. */
  readonly binding: AssertionBinding
  /** All claims of the assertion. */
  readonly claims: JsonObject
  /** `exp` of the assertion, in seconds since the epoch. */
  readonly expires: number
}

/** An agent, and the claims checked against the request. */
export interface ReadClaims {
  readonly agent: VerifiedAgent
  readonly jti: string
  readonly htm?: string
  readonly htu?: string
  readonly htq?: string
  readonly bdh?: string
}

/** The longest lifetime of an assertion, in seconds. */
const LONGEST = 60

/**
 * Checks signed claims against gate, audience and clock (RFC 7519 §4.1), and reads the agent.
 * Throws for wrong, missing or malformed claims. Does not check the request.
 */
export function readClaims(claims: JsonObject, settings: Settings): ReadClaims {
  const iss = own(claims, 'iss')
  if (iss !== settings.gate) throw new AgentError('issuer_mismatch', mismatch('iss', iss))
  const aud = own(claims, 'aud')
  if (typeof aud !== 'string' || !settings.audiences.includes(aud)) {
    throw new AgentError('audience_mismatch', mismatch('aud', aud))
  }
  const expires = checkTimes(claims, settings)
  const [id, issuer] = [needed(claims, 'sub'), needed(claims, 'agent_iss')]
  const route = located(claims, 'route')
  if (route === undefined) throw invalid('route')
  const [htm, htu, htq, bdh] = ['htm', 'htu', 'htq', 'bdh'].map((name) => located(claims, name))
  const possession = POSSESSIONS.find((one) => one === own(claims, 'possession'))
  if (!possession) throw invalid('possession')
  if ((htm === undefined) !== (htu === undefined) || ((htq ?? bdh) !== undefined && !htm))
    throw invalid('htm, htu, htq, bdh')
  const agent: VerifiedAgent = Object.freeze({
    id,
    issuer,
    ...as('subject', optional(claims, 'agent_sub')),
    ...as('clientId', optional(claims, 'client_id')),
    ...as('type', optional(claims, 'agent_type')),
    ...as('workflowId', optional(claims, 'workflow_id')),
    ...as('step', optional(claims, 'workflow_step')),
    scopes: scopeList(claims, 'scope'),
    grant: scopeList(claims, 'grant'),
    actors: Object.freeze(actorsOf(own(claims, 'act'))),
    ...as('tokenId', optional(claims, 'token_jti')),
    possession,
    route,
    binding: bdh !== undefined ? 'body' : htm !== undefined ? 'request' : 'identity',
    claims,
    expires,
  })
  const bound = { ...as('htm', htm), ...as('htu', htu), ...as('htq', htq), ...as('bdh', bdh) }
  return { agent, jti: needed(claims, 'jti'), ...bound }
}

/** Checks the times; returns `exp`, in seconds since the epoch. */
const checkTimes = (claims: JsonObject, { clock, clockTolerance }: Settings): number => {
  const now = clock.now() / 1000
  const [iat, exp, nbf = iat] = ['iat', 'exp', 'nbf'].map((name) => own(claims, name))
  if (!isTime(iat) || !isTime(exp) || !isTime(nbf) || exp <= iat) {
    throw invalid('iat, exp, nbf')
  }
  if (now >= exp + clockTolerance) throw new AgentError('assertion_expired')
  if (Math.max(iat, nbf) > now + clockTolerance) throw new AgentError('assertion_early')
  if (exp - iat > LONGEST) throw new AgentError('lifetime_exceeded')
  return exp
}

const isTime = (value: unknown): value is number => Number.isFinite(value)

const invalid = (names: string) => new AgentError('claims_invalid', { detail: names })

/** A claim, cut short for logs. */
const mismatch = (name: string, value: unknown) => ({
  detail: `${name} is ${JSON.stringify(value)?.slice(0, 256)}`,
})

const optional = (claims: JsonObject, name: string): string | undefined => {
  const value = own(claims, name)
  if (value === undefined || isIdentityText(value)) return value
  throw invalid(name)
}

/** Printable ASCII, long enough for a path and more. */
const located = (claims: JsonObject, name: string): string | undefined => {
  const value = own(claims, name)
  const isShort = typeof value === 'string' && value.length <= 2 * LIMITS.pathLength
  if (value === undefined || (isShort && /^[\x20-\x7e]+$/.test(value))) return value as string
  throw invalid(name)
}

const needed = (claims: JsonObject, name: string): string => {
  const value = optional(claims, name)
  if (value === undefined) throw invalid(name)
  return value
}

const as = <Name extends string>(name: Name, value: string | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: string }

const scopeList = (claims: JsonObject, name: string): readonly string[] => {
  const value = own(claims, name)
  if (value === undefined) return Object.freeze([])
  if (typeof value !== 'string') throw invalid(name)
  return Object.freeze(value.split(' ').filter((scope) => scope !== ''))
}

/** Reads the chain from the outside in, as deep as the JSON. */
const actorsOf = (act: unknown): readonly Actor[] => {
  if (act === undefined) return []
  const [sub, issuer] = isObject(act) ? [own(act, 'sub'), own(act, 'iss')] : []
  if (!isObject(act) || !isIdentityText(sub) || !isIdentityText(issuer)) {
    throw invalid('act')
  }
  return [Object.freeze({ sub, issuer }), ...actorsOf(own(act, 'act'))]
}

/**
 * Checks the plain identity headers, if any: they must name the assertion's agent. They prove
 * nothing, but handlers may read them.
 */
export function checkPlainHeaders(
  request: AgentRequest,
  { id, issuer }: VerifiedAgent,
  prefix: string,
): void {
  for (const [name, value] of Object.entries({ id, issuer })) {
    const agree = headerValues(request, prefix + name).every((one) => one === headerText(value))
    if (!agree) throw new AgentError('identity_mismatch', { detail: prefix + name })
  }
}
