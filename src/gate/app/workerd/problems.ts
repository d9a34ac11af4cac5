import type { AssertionMemory } from '../../assertion/keys.ts'
import { isObject, own } from '../../base/json.ts'
import { entryOf, type KeyCache } from '../../keys/cache.ts'
import type { Problems } from '../../model/audit.ts'
import type { Policy } from '../../model/policy.ts'
import type { Background } from '../../platform/system.ts'
import { readVars } from '../../policy/reading/vars.ts'
import type { SnapshotMemory } from '../../revocation/snapshot.ts'
import type { Env } from './env.ts'

/** What an isolate remembers that may fail. */
interface IsolateMemory {
  readonly keyCache: KeyCache
  readonly snapshotMemory: SnapshotMemory
  readonly assertionMemory: AssertionMemory
}

/** Milliseconds for which a failure counts if there is no further attempt. */
const RECENT_MS = 60_000

/** What is wrong in this isolate, as far as its requests have found out. */
export function problemsOf(
  policy: Policy,
  { keyCache, snapshotMemory, assertionMemory }: IsolateMemory,
  now: number,
): Problems {
  const isRecent = (failedAt: number) => now - failedAt < RECENT_MS
  const keys = [...policy.issuers.values()].flatMap((issuer) => {
    const { failure } = entryOf(keyCache, issuer)
    return failure && isRecent(failure.at) ? [`${issuer.name} (${failure.error})`] : []
  })
  const hasFailed = ({ held, failedAt }: SnapshotMemory | AssertionMemory) =>
    isRecent(failedAt) && failedAt > (held?.askedAt ?? 0)
  return {
    ...(keys.length > 0 && { keys: keys.join(', ') }),
    ...(hasFailed(snapshotMemory) && { revocations: 'a copy of the set is not renewed' }),
    ...(hasFailed(assertionMemory) && { assertion_keys: 'no key, or no new key' }),
  }
}

let reportedAt = Number.NEGATIVE_INFINITY

/** Reports to the audit, at most once a minute, that the policy is invalid. Without a policy there are no records. */
export function reportInvalid(env: Env, now: number, waitUntil: Background['waitUntil']): void {
  const { AUDIT_LOG: all } = env
  if (!all || now - reportedAt < RECENT_MS) return
  reportedAt = now
  const { AUDIT } = readVars(env).vars
  const place = isObject(AUDIT) ? own(AUDIT, 'jurisdiction') : undefined
  const report = async () => {
    const objects = place ? all.jurisdiction?.(String(place)) : all
    await objects?.getByName('0').report({ policy: 'policy_invalid' })
  }
  // The variables that are read here may be the ones with mistakes.
  waitUntil(report().catch(() => {}))
}
