/** Step-up: how and when the user was authenticated (docs/configuration/routes.md, "Step-up"; RFC 9470). */
import type { Identity } from './identity.ts'
import type { Rule } from './rule.ts'
import { isTime } from './token.ts'
import { refuse } from './types.ts'

/** Checks `acr_values` and `max_age`. `now` and `tolerance` are in seconds. */
export function checkAuthentication(
  rule: Rule,
  identity: Identity,
  now: number,
  tolerance: number,
): void {
  const { acrValues, maxAge } = rule
  if (acrValues === undefined && maxAge === undefined) return
  const { acr, auth_time: time, sub } = identity.claims
  if (acr !== undefined && typeof acr !== 'string') refuse('authentication_malformed')
  const isPast = isTime(identity.claims, 'auth_time') && Number(time) <= now + tolerance
  if (time !== undefined && !isPast) refuse('authentication_malformed')
  const { client } = identity
  const hasUser = sub !== undefined && sub !== client && sub !== `${client}@clients`
  if (acr === undefined && time === undefined && !hasUser) refuse('user_missing')
  const isStrong = acrValues === undefined || (acr !== undefined && acrValues.includes(acr))
  const isRecent = maxAge === undefined || (isPast && now - Number(time) <= maxAge + tolerance)
  if (!isStrong || !isRecent) refuse('authentication_insufficient')
}
