import { LIMITS } from '../../core/limits.ts'
import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Clock, Revocations, SigningKeys } from '../../core/model/ports.ts'
import { type KeyStatus, keyStatus } from '../../keys/cache.ts'
import { type KeySourceOptions, look } from '../../keys/source.ts'
import { inTime } from '../../platform/calls.ts'
import { type InFlight, share } from '../../platform/single-flight.ts'
import type { Readiness } from '../ports.ts'

/** Milliseconds one answer is given again. */
const KEPT_MS = 5_000

/** `unknown`: nobody has asked for the keys yet, and asking has not failed. */
const stateOf = ({ keys, stale, error }: KeyStatus): 'held' | 'stale' | 'unknown' | 'failed' =>
  keys > 0 ? (stale ? 'stale' : 'held') : error === undefined ? 'unknown' : 'failed'

/**
 * Milliseconds after which what does not answer counts as missing: enough for a shard that is lost, and for
 * the primary that is asked in its place.
 */
const PATIENCE_MS = LIMITS.revocationReadMs + 1_000

/** What is known of one policy. */
interface Known {
  readonly policy: Policy
  readonly inFlight: InFlight
  /** The last answer, and when it was there. */
  kept?: { readonly at: number; readonly readiness: Readiness }
}

const NOT_READY: Readiness = { keys: false, revocations: false, issuers: [] }

/**
 * Whether keys or revocations are known to be missing, asked once for all who wait, and again when the
 * answer is five seconds old. `keys` is false where asking for an issuer's keys failed and none are
 * left, and where there is none to sign assertions with. It is true where nobody has asked for them
 * yet: an isolate that knows nothing asks the issuer's keeper what it knows, but nothing is fetched to
 * find out. Nothing is waited for longer than {@link PATIENCE_MS}.
 */
export function createReadiness(clock: Clock) {
  let known: Known | undefined
  return async (
    policy: Policy | undefined,
    keys: KeySourceOptions,
    revocations: Revocations,
    signing: SigningKeys,
  ): Promise<Readiness> => {
    if (!policy) return NOT_READY
    if (known?.policy !== policy) known = { policy, inFlight: new Map() }
    const own = known
    const kept = () =>
      own.kept && clock.now() - own.kept.at < KEPT_MS ? own.kept.readiness : undefined
    const terms = { clock, waitUntil: keys.waitUntil, maxAgeMs: PATIENCE_MS + 1_000 }
    if (!kept()) {
      await share(own.inFlight, 'ask', terms, async () => {
        const readiness = await ask(policy, keys, revocations, signing)
        own.kept = { at: clock.now(), readiness }
      })
    }
    return kept() ?? NOT_READY
  }
}

const ask = async (
  policy: Policy,
  keys: KeySourceOptions,
  revocations: Revocations,
  signing: SigningKeys,
): Promise<Readiness> => {
  const [issuers, reachable, canSign] = await Promise.all([
    Promise.all([...policy.issuers.values()].map((issuer) => statusOf(issuer, keys))),
    isThere(() => revocations.lookup([{ kind: 'issuer', issuer: '', value: '' }])),
    isThere(() => signing.published()),
  ])
  return {
    keys: canSign && issuers.every(({ state }) => state !== 'failed'),
    revocations: reachable,
    issuers,
  }
}

const statusOf = async (issuer: Issuer, keys: KeySourceOptions) => {
  if (issuer.keys.kind !== 'inline') await isThere(() => look(issuer, keys))
  const { stale, ...status } = keyStatus(keys.cache, issuer, keys.clock.now())
  return { issuer: issuer.issuer, state: stateOf({ stale, ...status }), ...status }
}

/** Whether something answers in time. */
const isThere = async (call: () => unknown): Promise<boolean> => {
  try {
    await inTime(call, PATIENCE_MS)
    return true
  } catch {
    return false
  }
}
