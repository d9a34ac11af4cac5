/**
 * Edgewarden as a library for any runtime with Fetch and WebCrypto, without Workers or Node: guard,
 * policy and answers.
 */
import { createMemoryAssertionKeys } from './assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from './assertion/keys.ts'
import { AUDIT_BINDING } from './audit/options.ts'
import { type Guard, type GuardPorts, createGuard as guardWith } from './core/guard.ts'
import { createInFlight } from './core/in-flight.ts'
import { createMemoryReplays } from './core/model/memory-replays.ts'
import type { Policy } from './core/model/policy.ts'
import type { Clock, KeySource, SigningKeys } from './core/model/ports.ts'
import type { Result } from './core/result.ts'
import { createRooms } from './core/room.ts'
import { respond } from './gateway/answer/respond.ts'
import { createNonces, createSessions } from './gateway/platform/sessions.ts'
import { createTokenMemory } from './gateway/platform/token-memory.ts'
import { createKeyCache } from './keys/cache.ts'
import { createMemoryKeyServices } from './keys/key-service-client.ts'
import { createKeySource } from './keys/source.ts'
import { createMemoryLimits } from './limit/memory.ts'
import type { PolicyEnv } from './policy/env.ts'
import type { PolicyIssue } from './policy/issues.ts'
import { type PolicyBundle, parsePolicy as parse } from './policy/parse.ts'
import type { PolicyInput } from './policy/tables.ts'
import { warningsOf } from './policy/warnings.ts'
import { createMemoryRevocations } from './revocation/memory.ts'

export type { Step } from './core/chain.ts'
export type { Denial } from './core/denial.ts'
export {
  type Decision,
  type Facts,
  GUARD,
  type Guard,
  type GuardPorts,
  refusalOf,
} from './core/guard.ts'
export type { Condition, ConditionFacts, Operand } from './core/model/condition.ts'
export type { Connection } from './core/model/connection.ts'
export type { Issuer } from './core/model/issuer.ts'
export type { SessionHolder, Sessions } from './core/model/mcp.ts'
export type { Policy } from './core/model/policy.ts'
export type * from './core/model/ports.ts'
export {
  type Revocation,
  type RevocationSubject,
  revocationId,
  subjectKey,
} from './core/model/revocation.ts'
export type { Route } from './core/model/route.ts'
export type { AccessToken, AgentIdentity } from './core/model/token.ts'
export type { HeaderReader, RequestHead } from './core/request.ts'
export type { Result } from './core/result.ts'
export { type ForwardOptions, forward } from './gateway/apps/forwarding.ts'
export type { Outbound, Send } from './gateway/relay/forward.ts'
export type { PolicyIssue } from './policy/issues.ts'
export type { PolicyBundle } from './policy/parse.ts'
export type { PolicyInput } from './policy/tables.ts'
export type { PolicyVars } from './policy/vars.ts'
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
    keeper: createMemoryKeyServices({ fetch: load, clock, random: Math.random, log, waitUntil }),
    clock,
    log,
    waitUntil,
  })
}

/**
 * The signing keys of a policy's assertions: from the secret `ASSERTION_KEYS`, else a generated key
 * that lasts as long as the process. Serve `published()` to origins, which verify with it.
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
    ...(rule.operatorKeys.length === 0 && { keeper: createMemoryAssertionKeys(clock) }),
    clock,
    waitUntil,
    log,
  })
}

/**
 * A guard for a policy. Default ports use the memory of this process: keys, remembered tokens,
 * single uses, limits, and an empty revocation set. Unexpected errors deny with `unavailable`; they
 * go to `onError`, by default the console.
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
    signingKeys,
    sessions: ports.sessions ?? createSessions({ keys: signingKeys, clock }),
    nonces: ports.nonces ?? createNonces({ keys: signingKeys, clock }),
    bodies: ports.bodies ?? createRooms(clock),
    inFlight: ports.inFlight ?? createInFlight(clock),
    onError: ports.onError ?? ((stage, error) => console.error('edgewarden', stage, error)),
  })
}
