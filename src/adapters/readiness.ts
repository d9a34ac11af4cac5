import type { Readiness } from '../apps/context.ts'
import type { Policy } from '../model/policy.ts'
import type { Clock, Revocations } from '../model/ports.ts'
import { type KeyCache, keyStatus } from './keys/cache.ts'

/** Milliseconds one answer is given again. */
const KEPT_MS = 5_000

/**
 * Whether keys and revocations are at hand, asked at most every five seconds per isolate. Keys are
 * not at hand where asking for them failed and none are left; nothing is fetched to find out.
 */
export const createReadiness = (cache: KeyCache, clock: Clock) => {
  let kept: { policy: Policy; at: number; readiness: Readiness } | undefined
  return async (policy: Policy | undefined, revocations: Revocations): Promise<Readiness> => {
    const now = clock.now()
    if (!policy) return { keys: false, revocations: false, issuers: [] }
    if (kept?.policy === policy && now - kept.at < KEPT_MS) return kept.readiness
    const statuses = [...policy.issuers.values()].map((issuer) => ({
      issuer: issuer.issuer,
      ...keyStatus(cache, issuer, now),
    }))
    const reachable = await revocations.lookup([{ kind: 'issuer', issuer: '', value: '' }]).then(
      () => true,
      () => false,
    )
    const readiness: Readiness = {
      keys: statuses.every(({ keys, error }) => keys > 0 || error === undefined),
      revocations: reachable,
      issuers: statuses,
    }
    kept = { policy, at: now, readiness }
    return readiness
  }
}
