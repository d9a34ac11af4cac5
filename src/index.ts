/**
 * Edgewarden as a library, for any runtime with Fetch and WebCrypto: the line, the policy, and the
 * answers. Needs neither Workers nor Node.
 */
import { createMemoryKeeping } from './assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from './assertion/keys.ts'
import { type Guard, type GuardPorts, createGuard as guardWith } from './core/guard.ts'
import type { Policy } from './core/model/policy.ts'
import type { Clock, KeySource, SigningKeys } from './core/model/ports.ts'
import type { Result } from './core/result.ts'
import { createRooms } from './core/room.ts'
import { respond } from './gateway/answer/respond.ts'
import { createSessions } from './gateway/platform/sessions.ts'
import { createTokenMemory } from './gateway/platform/token-memory.ts'
import { createKeyCache } from './keys/cache.ts'
import { createMemoryKeepers } from './keys/key-service-client.ts'
import { createKeySource } from './keys/source.ts'
import { createMemoryLimits } from './limit/memory.ts'
import type { PolicyEnv } from './policy/env.ts'
import type { PolicyIssue } from './policy/issues.ts'
import { type PolicyBundle, parsePolicy as parse } from './policy/parse.ts'
import type { PolicyInput } from './policy/tables.ts'
import { warningsOf } from './policy/warnings.ts'
import { createMemoryReplays } from './replay/memory.ts'
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
export type { RequestHead } from './core/request.ts'
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

/** What a policy needs beside its variables. */
export interface PolicySurroundings {
  /** Values of the secrets that `inject` and `decrypt` name. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Names that `origin = "service:NAME"` may have; sending to them is the matter of `Send`. */
  readonly services?: readonly string[]
  /** Names of rate limiting bindings that limits may name; asking them is the matter of `Limits`. */
  readonly rateLimits?: readonly string[]
}

/**
 * Reads a policy: GATE, ISSUERS, ROUTES and SCOPES as in wrangler.toml. Every mistake at once, each
 * with its path, or a frozen policy with what its operator should know. Never throws.
 */
export function parsePolicy(
  vars: PolicyInput,
  { secrets = {}, services = [], rateLimits = [] }: PolicySurroundings = {},
): Result<PolicyBundle, readonly PolicyIssue[]> {
  const secret = (name: string) => (Object.hasOwn(secrets, name) ? secrets[name] : undefined)
  const has: PolicyEnv['has'] = (kind, name) => {
    if (kind === 'secret') return secret(name) !== undefined
    if (kind === 'ratelimit') return rateLimits.includes(name)
    return kind === 'service' || kind === 'fetcher' ? services.includes(name) : true
  }
  return parse(vars, { secret, has }, warningsOf)
}

/**
 * The issuers' keys in the memory of one process: fetched when they are needed, kept as long as the
 * issuer says, renewed in the background, and good through an outage for a day.
 */
export function createMemoryKeys({
  clock = systemClock,
  fetch: load = (url, init) => fetch(url, init),
  log = () => {},
  waitUntil = () => {},
}: {
  readonly clock?: Clock
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** Told of keys that could not be had; never a key or a token. */
  readonly log?: (event: Record<string, unknown>) => void
  /** Keeps the renewal of keys alive after an answer, where a runtime would end it. */
  readonly waitUntil?: (promise: Promise<unknown>) => void
} = {}): KeySource {
  return createKeySource({
    cache: createKeyCache(clock),
    keeper: createMemoryKeepers({ fetch: load, clock, random: Math.random, log, waitUntil }),
    clock,
    log,
    waitUntil,
  })
}

/**
 * The keys that a policy's assertions are signed with: those of the secret `ASSERTION_KEYS`, else one that
 * is made here and gone with the process. Origins verify by `published()`, which is yours to serve.
 */
export function createSigningKeys(
  { gate }: Policy,
  {
    clock = systemClock,
    log = () => {},
    waitUntil = () => {},
  }: {
    readonly clock?: Clock
    /** Told of keys that could not be had; never a key. */
    readonly log?: (event: Record<string, unknown>) => void
    readonly waitUntil?: (promise: Promise<unknown>) => void
  } = {},
): SigningKeys {
  const { assertion: rule } = gate
  if (!rule) return { signing: () => undefined, published: () => [] }
  return createAssertionKeys({
    memory: createAssertionMemory(),
    rule,
    ...(rule.operatorKeys.length === 0 && { keeper: createMemoryKeeping(clock) }),
    clock,
    waitUntil,
    log,
  })
}

/**
 * A guard over a policy. Ports that are not given live in the memory of this process: keys fetched
 * from the issuers, tokens and single uses remembered, limits counted, and a revocation set that is empty.
 * Errors that a stage did not expect deny with `unavailable`, and go to `onError`, or to the console.
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
    bodies: ports.bodies ?? createRooms(clock),
    onError: ports.onError ?? ((stage, error) => console.error('edgewarden', stage, error)),
  })
}
