import { waitUntil } from 'cloudflare:workers'
import { type ApprovalsOptions, createApprovals } from '../../approvals/client.ts'
import { KEPT_KEYS } from '../../assertion/answers.ts'
import {
  type AssertionMemory,
  createAssertionKeys,
  createAssertionMemory,
} from '../../assertion/keys.ts'
import { EVENT_KEYS_OBJECT, eventKeyRule, KEYS_OBJECT } from '../../assertion/plan.ts'
import { createInFlight } from '../../base/in-flight.ts'
import { LIMITS } from '../../base/limits.ts'
import { createRooms } from '../../base/room.ts'
import { createGuard } from '../../guard/guard.ts'
import { createKeyCache } from '../../keys/cache.ts'
import { createKeyServiceClient, refreshAhead } from '../../keys/key-service-client.ts'
import { createKeySource, type KeySourceOptions } from '../../keys/source.ts'
import { createLimits, type RateLimitBinding } from '../../limit/client.ts'
import { createAddressLimits } from '../../limit/memory.ts'
import type { AgentTerms } from '../../model/agents.ts'
import type { KeyRule } from '../../model/assertion.ts'
import { type AuditRule, actTerms } from '../../model/audit.ts'
import type { Policy } from '../../model/policy.ts'
import type { SigningKeys } from '../../model/ports.ts'
import { createSender } from '../../outbox/sender.ts'
import { readAnswer } from '../../platform/answers.ts'
import { retryOnce } from '../../platform/calls.ts'
import { system } from '../../platform/system.ts'
import { readVars } from '../../policy/reading/vars.ts'
import { showPolicy } from '../../policy/show.ts'
import type { Send } from '../../relay/origin/send.ts'
import { withoutCoding } from '../../relay/streams/without-secrets.ts'
import { createReplays } from '../../replay/client.ts'
import { createRevocations } from '../../revocation/client.ts'
import { variablesOf } from '../../revocation/object/variables.ts'
import { createSnapshotMemory } from '../../revocation/snapshot.ts'
import { explainingPorts } from '../platform/explain-ports.ts'
import { DECODED_IN_WORKERD } from '../platform/fetch-origin.ts'
import type { GatePorts, Opened, PlatformFacts } from '../platform/ports.ts'
import { createReadiness } from '../platform/readiness.ts'
import { createNonces, createSessions } from '../platform/sessions.ts'
import { createTokenMemory } from '../platform/token-memory.ts'
import type { Env } from './env.ts'
import { createPolicyLoader, loadConditions } from './policy.ts'
import { problemsOf, reportInvalid } from './problems.ts'

const { clock, log } = system

/** State of an isolate between requests: plain data and keys, never a stub or a stream. */
const policyOf = createPolicyLoader(log)
const keyCache = createKeyCache(clock, waitUntil)
const tokens = createTokenMemory({ clock })
const readinessOf = createReadiness(clock)
const addresses = createAddressLimits({ clock })
const snapshotMemory = createSnapshotMemory()
const bodies = createRooms(clock)
const dropped = {
  known: createRooms(clock, LIMITS.droppedBodies),
  strangers: createRooms(clock, LIMITS.strangersDroppedBodies),
}
const inFlight = createInFlight(clock)
const assertionMemory = createAssertionMemory(waitUntil)
const eventMemory = createAssertionMemory(waitUntil)
const isolate = { keyCache, snapshotMemory, assertionMemory }
/** The data centre of the first request; all isolates of one data centre use the same shard. */
let colo: string | undefined
let isPlaced = false

type Gate = Omit<Opened, 'cf' | 'colo'>

let opened: { readonly env: Env; readonly gate: Gate } | undefined

/**
 * Runs what needs the policy. The first request of an isolate waits for the compiler of conditions, if the policy has a
 * condition.
 */
export function onceLoaded<Value>(env: Env, run: () => Value): Value | Promise<Awaited<Value>> {
  return opened?.env === env ? run() : (loadConditions(env).then(run) as Promise<Awaited<Value>>)
}

/**
 * The environment of one request. Requests share all of it but `colo` and `cf`. `controlOf` makes what the endpoints that
 * an entry has mounted need.
 */
export function openGate<E extends Env>(
  request: Request,
  env: E,
  controlOf: (env: E, policy: Policy | undefined) => unknown,
): Opened {
  const gate = openAhead(env, controlOf)
  if (!gate.policy) reportInvalid(env, clock.now(), waitUntil)
  const cf = () => (request as { readonly cf?: PlatformFacts }).cf
  if (!isPlaced) {
    colo = cf()?.colo
    isPlaced = true
  }
  return { ...gate, colo, cf }
}

/** The environment of work that no request starts. */
export function openAhead<E extends Env>(
  env: E,
  controlOf: (env: E, policy: Policy | undefined) => unknown,
): Gate {
  if (opened?.env !== env) opened = { env, gate: gateOf(env, controlOf) }
  return opened.gate
}

/** Resolves once the audit has every record of this isolate, before the process ends. */
export async function flushAudit(): Promise<void> {
  await opened?.gate.ports.audit?.flush()
}

/** The cron trigger's task: see {@link refreshAhead}. */
export async function refreshKeys(env: Env): Promise<void> {
  const { policy } = policyOf(env)
  if (policy && env.KEY_SERVICE)
    await refreshAhead(policy, createKeyServiceClient(env.KEY_SERVICE), log)
}

const gateOf = <E extends Env>(
  env: E,
  controlOf: (env: E, policy: Policy | undefined) => unknown,
): Gate => {
  const { policy, prefix } = policyOf(env)
  const ports = portsOf(env, policy)
  return {
    prefix,
    policy,
    ports,
    guard: policy && createGuard(policy, ports),
    version: env.CF_VERSION_METADATA?.id,
    control: controlOf(env, policy),
  }
}

const portsOf = (env: Env, policy: Opened['policy']): GatePorts => {
  const revocations = createRevocations(env.REVOCATIONS, policy?.gate.placement, {
    memory: snapshotMemory,
    clock,
    waitUntil,
    log,
    place: () => colo ?? '',
  })
  const keyOptions: KeySourceOptions = {
    cache: keyCache,
    ...(env.JWKS_CACHE && { kv: env.JWKS_CACHE }),
    service: env.KEY_SERVICE ? createKeyServiceClient(env.KEY_SERVICE) : unkept,
    clock,
    waitUntil,
    log,
  }
  const { signingKeys, eventKeys } = keysOf(env, policy)
  const sessions = createSessions({ keys: signingKeys, clock })
  const jurisdiction = policy?.gate.placement.jurisdiction
  const limits = createLimits({
    objects: env.RATE_LIMITER,
    jurisdiction,
    binding: (name) => env[name] as RateLimitBinding | undefined,
    addresses,
    waitUntil,
  })
  const replays = createReplays({ objects: env.REPLAYS, jurisdiction, waitUntil })
  const acts = env.AUDIT_LOG && policy?.audit && actTerms(policy.audit)
  const approvals =
    env.APPROVALS &&
    createApprovals({
      objects: env.APPROVALS as ApprovalsOptions['objects'],
      jurisdiction,
      ...(acts && { acts }),
      // As it is written: what is shown of it leaves out which secret a rule injects.
      policyText: () => JSON.stringify(readVars(variablesOf(env)).vars),
      clock,
    })
  const audit =
    env.AUDIT_LOG && policy?.audit
      ? createSender({
          objects: env.AUDIT_LOG,
          rule: policy.audit,
          issuers: Math.max(1, policy.issuers.size),
          agents: env.AGENTS && agentTerms(policy, policy.audit),
          policyText: () => JSON.stringify(showPolicy(policy)),
          version: env.CF_VERSION_METADATA?.id,
          problems: () => problemsOf(policy, isolate, clock.now()),
          clock,
          waitUntil,
          log,
        })
      : undefined
  return {
    clock,
    keys: createKeySource(keyOptions),
    tokens,
    bodies,
    dropped,
    inFlight,
    revocations,
    store: revocations,
    limits,
    replays,
    ...(approvals && { approvals }),
    signingKeys,
    ...(eventKeys && { eventKeys }),
    sessions,
    ...(audit && { audit }),
    nonces: createNonces({ keys: signingKeys, clock }),
    journal: { record: (line) => console.log(line) },
    send: sender(env),
    explaining: explainingPorts(keyOptions, { revocations, limits, replays, signingKeys, bodies }),
    readiness: () => readinessOf(policy, keyOptions, revocations, signingKeys),
    onError: (stage, error) => log({ event: 'unexpected_error', stage, error: String(error) }),
  }
}

const agentTerms = (
  { gate: { prefix, placement }, issuers, watch }: Policy,
  audit: AuditRule,
): AgentTerms => ({
  prefix,
  // The default of the audit leaves a fifth of the free plan's rows for this and for revocations.
  maxRows: audit.maxRows / 8,
  issuers: issuers.size,
  ...(placement.jurisdiction && { jurisdiction: placement.jurisdiction }),
  ...(watch.length > 0 && { watch: { rules: watch, acts: actTerms(audit) } }),
})

/** The keys of assertions, and of events that the gate sends. */
const keysOf = (
  env: Env,
  policy: Opened['policy'],
): Pick<GatePorts, 'signingKeys' | 'eventKeys'> => {
  const rule = policy?.gate.assertion
  const signingKeys = rule ? keysIn(env, policy, rule, KEYS_OBJECT, assertionMemory) : unsigned
  if (!policy?.transmit.length) return { signingKeys }
  const events = eventKeyRule(rule?.withdrawn)
  return { signingKeys, eventKeys: keysIn(env, policy, events, EVENT_KEYS_OBJECT, eventMemory) }
}

const keysIn = (
  { ASSERTION_KEY_SERVICE: objects, AUDIT_LOG }: Env,
  { audit }: Policy,
  rule: KeyRule,
  name: string,
  memory: AssertionMemory,
): SigningKeys => {
  const terms = AUDIT_LOG && audit && actTerms(audit)
  return createAssertionKeys({
    memory,
    rule,
    ...(objects && {
      service: (wanted) =>
        retryOnce(async () =>
          readAnswer(KEPT_KEYS, await objects.getByName(name).keys(wanted, terms)),
        ),
    }),
    clock,
    waitUntil,
    log,
  })
}

/** Never called: a policy without its bindings is invalid. */
const unkept = { ask: () => Promise.reject(new Error('KEY_SERVICE is not bound')) }
const unsigned: GatePorts['signingKeys'] = {
  signing: () => Promise.reject(new Error('assertion is off')),
  published: () => [],
}

const sender =
  (env: Env): Send =>
  ({ service, via }, url, outbound, isRead) => {
    const name = service ?? via
    const sent =
      name === undefined ? fetch(url, outbound) : (env[name] as Fetcher).fetch(url, outbound)
    return isRead ? sent.then((answer) => withoutCoding(answer, DECODED_IN_WORKERD)) : sent
  }
