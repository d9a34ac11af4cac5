import { LIMITS } from '../../base/limits.ts'
import { perObject } from '../../base/memo.ts'
import { type InFlight, share } from '../../base/single-flight.ts'
import { type KeyStatus, keyStatus } from '../../keys/cache.ts'
import { type KeySourceOptions, look } from '../../keys/source.ts'
import type { Issuer } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import type { Clock, RevocationStore, Revocations, SigningKeys } from '../../model/ports.ts'
import { inTime } from '../../platform/calls.ts'
import type { Readiness } from './ports.ts'

/** Milliseconds an answer is reused. */
const KEPT_MS = 5_000

/** `unknown`: no keys were requested yet, and no request failed. */
const stateOf = ({ keys, stale, error }: KeyStatus): 'held' | 'stale' | 'unknown' | 'failed' =>
  keys > 0 ? (stale ? 'stale' : 'held') : error === undefined ? 'unknown' : 'failed'

/**
 * Milliseconds until a missing answer counts as a failure: enough for a lost shard and for the
 * primary after it.
 */
const PATIENCE_MS = LIMITS.revocationReadMs + 1_000

interface Known {
  readonly inFlight: InFlight
  /** The last answer, and its time in milliseconds. */
  kept?: { readonly at: number; readonly readiness: Readiness }
}

/** What is checked, in addition to the policy. */
type Asked = readonly [
  keys: KeySourceOptions,
  revocations: Revocations & Pick<RevocationStore, 'status'>,
  signing: SigningKeys,
]

const NOT_READY: Readiness = { keys: false, revocations: false, issuers: [] }

/**
 * Reports whether keys or revocations are missing. Concurrent calls share one check; its result is
 * reused for five seconds. `revocations` is false also if the set can be read but not written. `keys` is false if an issuer's keys failed to load and none are left, or
 * if signing keys are missing. Keys not requested yet do not count as missing: the key service is
 * asked, but no issuer. Each check waits at most {@link PATIENCE_MS}.
 */
export function createReadiness(clock: Clock) {
  const knownOf = perObject((_: Policy): Known => ({ inFlight: new Map() }))
  return async (policy: Policy | undefined, ...asked: Asked): Promise<Readiness> => {
    if (!policy) return NOT_READY
    const own = knownOf(policy)
    const kept = () =>
      own.kept && clock.now() - own.kept.at < KEPT_MS ? own.kept.readiness : undefined
    const terms = { clock, waitUntil: asked[0].waitUntil, maxAgeMs: PATIENCE_MS + 1_000 }
    if (!kept()) {
      await share(own.inFlight, 'ask', terms, async () => {
        const readiness = await ask(policy, ...asked)
        own.kept = { at: clock.now(), readiness }
      })
    }
    return kept() ?? NOT_READY
  }
}

const ask = async (policy: Policy, ...[keys, revocations, signing]: Asked): Promise<Readiness> => {
  const [issuers, isReadable, isWritable, canSign] = await Promise.all([
    Promise.all([...policy.issuers.values()].map((issuer) => statusOf(issuer, keys))),
    isThere(() => revocations.lookup([{ kind: 'issuer', issuer: '', value: '' }])),
    isThere(() => revocations.status()),
    isThere(() => signing.published()),
  ])
  return {
    keys: canSign && issuers.every(({ state }) => state !== 'failed'),
    revocations: isReadable && isWritable,
    issuers,
  }
}

const statusOf = async (issuer: Issuer, keys: KeySourceOptions) => {
  if (issuer.keys.kind !== 'inline') await isThere(() => look(issuer, keys))
  const { stale, ...status } = keyStatus(keys.cache, issuer, keys.clock.now())
  return { issuer: issuer.issuer, state: stateOf({ stale, ...status }), ...status }
}

/** Whether a call succeeds in time. */
const isThere = async (call: () => unknown): Promise<boolean> => {
  try {
    await inTime(call, PATIENCE_MS)
    return true
  } catch {
    return false
  }
}
