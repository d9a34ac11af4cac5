import type { Readiness } from '../apps/context.ts'
import type { Policy } from '../model/policy.ts'
import type { Clock, Revocations } from '../model/ports.ts'
import { type KeyCache, type KeyStatus, keyStatus } from './keys/cache.ts'

/** Milliseconds one answer is given again. */
const KEPT_MS = 5_000

/** `unknown`: nobody has asked for the keys in this isolate yet, and asking has not failed. */
const stateOf = ({ keys, error }: KeyStatus): 'held' | 'unknown' | 'failed' =>
  keys > 0 ? 'held' : error === undefined ? 'unknown' : 'failed'

/**
 * Whether keys or revocations are known to be missing, asked at most every five seconds per
 * isolate. `keys` is false where asking for an issuer's keys failed and none are left. It is true
 * where they are not known yet, as in every new isolate: nothing is fetched to find out, and the
 * issuer's `state` says so.
 */
export const createReadiness = (cache: KeyCache, clock: Clock) => {
  let kept: { policy: Policy; at: number; readiness: Readiness } | undefined
  return async (policy: Policy | undefined, revocations: Revocations): Promise<Readiness> => {
    const now = clock.now()
    if (!policy) return { keys: false, revocations: false, issuers: [] }
    if (kept?.policy === policy && now - kept.at < KEPT_MS) return kept.readiness
    const statuses = [...policy.issuers.values()].map((issuer) => {
      const status = keyStatus(cache, issuer, now)
      return { issuer: issuer.issuer, state: stateOf(status), ...status }
    })
    const reachable = await revocations.lookup([{ kind: 'issuer', issuer: '', value: '' }]).then(
      () => true,
      () => false,
    )
    const readiness: Readiness = {
      keys: statuses.every(({ state }) => state !== 'failed'),
      revocations: reachable,
      issuers: statuses,
    }
    kept = { policy, at: now, readiness }
    return readiness
  }
}
