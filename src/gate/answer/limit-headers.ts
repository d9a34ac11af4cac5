import type { Limited } from '../guard/stages/limit.ts'
import { type Left, LIMIT_HEADERS } from '../model/limit.ts'

/** Header names of older drafts, with the same meaning. */
const OLDER = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'] as const

const DAY = 86_400

type Fields = readonly (readonly [name: string, value: string])[]

/**
 * `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, RFC 9651) of an exact
 * limit; empty for other limits. `r`: remaining requests. `t`: seconds until the quota is full
 * again or, at zero, until the next request is allowed.
 */
export function limitHeaders(limited: Limited | undefined): Fields {
  if (limited?.rule.kind !== 'exact') return []
  const { per, quotas } = limited.rule
  const { bucket, day } = limited.allowance
  const counted = [
    ...(quotas.bucket && bucket
      ? [item(per, quotas.bucket.limit, quotas.bucket.period / 1000, bucket)]
      : []),
    ...(quotas.daily !== undefined && day ? [item(`${per}-day`, quotas.daily, DAY, day)] : []),
  ]
  if (counted.length === 0) return []
  const [state, policy] = LIMIT_HEADERS
  return [
    [policy, counted.map(([one]) => one).join(', ')],
    [state, counted.map(([, one]) => one).join(', ')],
  ]
}

const item = (name: string, quota: number, window: number, { left, reset }: Left) =>
  [`"${name}";q=${quota};w=${window}`, `"${name}";r=${left};t=${reset}`] as const

/** {@link limitHeaders}; removes the origin's own limit headers (no value). */
export function limitFields(
  limited: Limited | undefined,
): readonly (readonly [name: string, value?: string])[] {
  const fields = limitHeaders(limited)
  return fields.length === 0 ? fields : [...OLDER.map((name) => [name] as const), ...fields]
}
