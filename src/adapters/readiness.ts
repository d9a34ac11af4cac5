import type { Readiness } from '../apps/context.ts'
import type { Policy } from '../model/policy.ts'
import type { Clock, Revocations, SigningKeys } from '../model/ports.ts'
import { type KeyStatus, keyStatus } from './keys/cache.ts'
import { type KeySourceOptions, look } from './keys/source.ts'

/** Milliseconds one answer is given again. */
const KEPT_MS = 5_000

/** `unknown`: nobody has asked for the keys yet, and asking has not failed. */
const stateOf = ({ keys, stale, error }: KeyStatus): 'held' | 'stale' | 'unknown' | 'failed' =>
  keys > 0 ? (stale ? 'stale' : 'held') : error === undefined ? 'unknown' : 'failed'

/**
 * Whether keys or revocations are known to be missing, asked at most every five seconds per
 * isolate. `keys` is false where asking for an issuer's keys failed and none are left, and where there is
 * none to sign assertions with. It is true
 * where nobody has asked for them yet: an isolate that knows nothing asks the issuer's keeper what it
 * knows, but nothing is fetched to find out.
 */
export const createReadiness = (clock: Clock) => {
  let kept: { policy: Policy; at: number; readiness: Readiness } | undefined
  return async (
    policy: Policy | undefined,
    keys: KeySourceOptions,
    revocations: Revocations,
    signing: SigningKeys,
  ): Promise<Readiness> => {
    const now = clock.now()
    if (!policy) return { keys: false, revocations: false, issuers: [] }
    if (kept?.policy === policy && now - kept.at < KEPT_MS) return kept.readiness
    const statuses = await Promise.all(
      [...policy.issuers.values()].map(async (issuer) => {
        if (issuer.keys.kind !== 'inline') await look(issuer, keys)
        const { stale, ...status } = keyStatus(keys.cache, issuer, clock.now())
        return { issuer: issuer.issuer, state: stateOf({ stale, ...status }), ...status }
      }),
    )
    const reachable = await isReachable(revocations)
    const canSign = await isThere(signing)
    const readiness: Readiness = {
      keys: canSign && statuses.every(({ state }) => state !== 'failed'),
      revocations: reachable,
      issuers: statuses,
    }
    kept = { policy, at: now, readiness }
    return readiness
  }
}

const isThere = async (keys: SigningKeys): Promise<boolean> => {
  try {
    await keys.published()
    return true
  } catch {
    return false
  }
}

const isReachable = async (revocations: Revocations): Promise<boolean> => {
  try {
    await revocations.lookup([{ kind: 'issuer', issuer: '', value: '' }])
    return true
  } catch {
    return false
  }
}
