/**
 * Edgewarden as a library for any runtime with Fetch and WebCrypto, without Workers or Node: guard,
 * policy and answers.
 */

import { respond } from './gate/answer/respond.ts'
import { createNonces, createSessions } from './gate/app/platform/sessions.ts'
import { createTokenMemory } from './gate/app/platform/token-memory.ts'
import { createMemoryAssertionKeys } from './gate/assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from './gate/assertion/keys.ts'
import { createInFlight } from './gate/base/in-flight.ts'
import type { Result } from './gate/base/result.ts'
import { createRooms } from './gate/base/room.ts'
import { type Guard, type GuardPorts, createGuard as guardWith } from './gate/guard/guard.ts'
import { createKeyCache } from './gate/keys/cache.ts'
import { createMemoryKeyServices } from './gate/keys/key-service-client.ts'
import { createKeySource } from './gate/keys/source.ts'
import { createMemoryLimits } from './gate/limit/memory.ts'
import { createMemoryReplays } from './gate/model/memory-replays.ts'
import type { Policy } from './gate/model/policy.ts'
import type { Clock, KeySource, SigningKeys } from './gate/model/ports.ts'
import { AUDIT_BINDING } from './gate/policy/keys/audit.ts'
import { type PolicyBundle, parsePolicy as parse } from './gate/policy/parse.ts'
import type { PolicyEnv } from './gate/policy/reading/env.ts'
import type { PolicyIssue } from './gate/policy/reading/issues.ts'
import type { PolicyInput } from './gate/policy/tables.ts'
import { warningsOf } from './gate/policy/warnings.ts'
import { createMemoryRevocations } from './gate/revocation/memory.ts'

export { type ForwardOptions, forward } from './gate/app/forwarding.ts'
export type { Step } from './gate/base/chain.ts'
export type { Denial } from './gate/base/denial.ts'
export type { HeaderReader, RequestHead } from './gate/base/request.ts'
export type { Result } from './gate/base/result.ts'
export {
  type Decision,
  type Facts,
  GUARD,
  type Guard,
  type GuardPorts,
  refusalOf,
} from './gate/guard/guard.ts'
export type { Condition, ConditionFacts, Operand } from './gate/model/condition.ts'
export type { Connection } from './gate/model/connection.ts'
export type { Issuer } from './gate/model/issuer.ts'
export type { SessionHolder, Sessions } from './gate/model/mcp.ts'
export type { Policy } from './gate/model/policy.ts'
export type * from './gate/model/ports.ts'
export {
  type Revocation,
  type RevocationSubject,
  revocationId,
  subjectKey,
} from './gate/model/revocation.ts'
export type { Route } from './gate/model/route.ts'
export type { AccessToken, AgentIdentity } from './gate/model/token.ts'
export type { PolicyBundle } from './gate/policy/parse.ts'
export type { PolicyIssue } from './gate/policy/reading/issues.ts'
export type { PolicyVars } from './gate/policy/reading/vars.ts'
export type { PolicyInput } from './gate/policy/tables.ts'
export type { Outbound, Send } from './gate/relay/origin/send.ts'
export {
  createMemoryLimits,
  createMemoryReplays,
  createMemoryRevocations,
  createTokenMemory,
  respond,
}

const systemClock: Clock = { now: () => Date.now() }

/** The environment of a policy. */
export interface PolicySurroundings {
  /** Values of the secrets for `inject` and `decrypt`. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Allowed names in `origin = "service:NAME"`; `Send` must handle them. */
  readonly services?: readonly string[]
  /** Allowed names of rate limiting bindings; `Limits` must handle them. */
  readonly rateLimits?: readonly string[]
}

/**
 * Parses a policy: GATE, ISSUERS, ROUTES, SCOPES and GRANTS as in wrangler.toml. Returns a frozen policy
 * with warnings, or all mistakes with their paths. Never throws.
 * @example
 * ```ts
 * import { parsePolicy } from 'edgewarden'
 *
 * const read = parsePolicy({
 *   GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
 *   ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
 *   ROUTES: [{ match: 'GET /v1/notes', scopes: ['notes:read'] }],
 * })
 * if (!read.ok) throw new Error(read.reason.map(({ path, message }) => `${path} ${message}`).join('\n'))
 * export const { policy, warnings } = read.value
 * ```
 */
export function parsePolicy(
  vars: PolicyInput,
  { secrets = {}, services = [], rateLimits = [] }: PolicySurroundings = {},
): Result<PolicyBundle, readonly PolicyIssue[]> {
  const secret = (name: string) => (Object.hasOwn(secrets, name) ? secrets[name] : undefined)
  const has: PolicyEnv['has'] = (kind, name) => {
    if (kind === 'secret') return secret(name) !== undefined
    if (kind === 'ratelimit') return rateLimits.includes(name)
    if (kind === 'service' || kind === 'fetcher') return services.includes(name)
    return name !== AUDIT_BINDING
  }
  return parse(vars, { secret, has }, warningsOf)
}

/**
 * The issuers' keys in memory. They are fetched on first use, cached as the issuer allows, and
 * renewed in the background. During an outage they stay usable for a day.
 * @example
 * ```ts
 * import { createGuard, createMemoryKeys, type Policy } from 'edgewarden'
 *
 * export const guardOf = (policy: Policy) =>
 *   createGuard(policy, { keys: createMemoryKeys({ log: (event) => console.warn(event) }) })
 * ```
 */
export function createMemoryKeys({
  clock = systemClock,
  fetch: load = (url, init) => fetch(url, init),
  log = () => {},
  waitUntil = () => {},
}: {
  readonly clock?: Clock
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** Receives failed key fetches; never a key or a token. */
  readonly log?: (event: Record<string, unknown>) => void
  /** Keeps key renewal alive after an answer, on runtimes that would end it. */
  readonly waitUntil?: (promise: Promise<unknown>) => void
} = {}): KeySource {
  return createKeySource({
    cache: createKeyCache(clock),
    service: createMemoryKeyServices({ fetch: load, clock, random: Math.random, log, waitUntil }),
    clock,
    log,
    waitUntil,
  })
}

/**
 * The signing keys of a policy's assertions: from the secret `ASSERTION_KEYS`, else a generated key
 * that lasts as long as the process. Serve `published()` to origins, which verify with it.
 * @example
 * ```ts
 * import { createGuard, createSigningKeys, type Policy } from 'edgewarden'
 *
 * export function open(policy: Policy) {
 *   const signingKeys = createSigningKeys(policy)
 *   const guard = createGuard(policy, { signingKeys })
 *   const jwks = async () => Response.json({ keys: await signingKeys.published() })
 *   return { guard, jwks }
 * }
 * ```
 */
export function createSigningKeys(
  { gate }: Policy,
  {
    clock = systemClock,
    log = () => {},
    waitUntil = () => {},
  }: {
    readonly clock?: Clock
    /** Receives failures to get keys; never a key. */
    readonly log?: (event: Record<string, unknown>) => void
    readonly waitUntil?: (promise: Promise<unknown>) => void
  } = {},
): SigningKeys {
  const { assertion: rule } = gate
  if (!rule) return { signing: () => undefined, published: () => [] }
  return createAssertionKeys({
    memory: createAssertionMemory(),
    rule,
    ...(rule.operatorKeys.length === 0 && { service: createMemoryAssertionKeys(clock) }),
    clock,
    waitUntil,
    log,
  })
}

/**
 * A guard for a policy. Default ports use the memory of this process: keys, remembered tokens,
 * single uses, limits, and an empty revocation set. Unexpected errors deny with `unavailable`; they
 * go to `onError`, by default the console.
 * @example
 * ```ts
 * import { createGuard, forward, type Policy, respond } from 'edgewarden'
 *
 * export function gateOf(policy: Policy) {
 *   const guard = createGuard(policy)
 *   return async (request: Request) => {
 *     const decision = await guard(request, { isFollowed: true })
 *     return respond(request, decision) ?? forward(request, decision)
 *   }
 * }
 * ```
 */
export function createGuard(policy: Policy, ports: Partial<GuardPorts> = {}): Guard {
  const { clock = systemClock } = ports
  const signingKeys = ports.signingKeys ?? createSigningKeys(policy, { clock })
  return guardWith(policy, {
    clock,
    keys: ports.keys ?? createMemoryKeys({ clock }),
    tokens: ports.tokens ?? createTokenMemory({ clock }),
    revocations: ports.revocations ?? createMemoryRevocations({ clock }),
    limits: ports.limits ?? createMemoryLimits({ clock }),
    replays: ports.replays ?? createMemoryReplays({ clock }),
    approvals: ports.approvals,
    signingKeys,
    sessions: ports.sessions ?? createSessions({ keys: signingKeys, clock }),
    nonces: ports.nonces ?? createNonces({ keys: signingKeys, clock }),
    bodies: ports.bodies ?? createRooms(clock),
    inFlight: ports.inFlight ?? createInFlight(clock),
    onError: ports.onError ?? ((stage, error) => console.error('edgewarden', stage, error)),
  })
}
