/** Requests in progress (docs/configuration/rate-limits.md, "Requests in progress"). */
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { type Caller, isRevoked } from './standing.ts'
import { refuse, type World } from './types.ts'

/**
 * The stage `in_flight`: whether the agent may have one request more. Returns whose request it is, or `undefined` if it
 * does not count, since its token is known to be revoked. `now` is in seconds.
 */
export function checkInFlight(
  policy: Policy,
  rule: Rule,
  caller: Caller,
  world: World,
  now: number,
): string | undefined {
  const { issuer, id } = caller.identity
  // "A rule with its own in_flight counts its own requests."
  const own = rule.inFlight === undefined ? [] : [rule.match, rule.host ?? '']
  const owner = [issuer.issuer, id, ...own].join('\n')
  const most = rule.inFlight ?? policy.gate.inFlight
  const count = world.inProgress[owner] ?? 0
  const isKnown = !world.unavailable.revocations && isRevoked(policy, caller, world, now)
  if (count >= Math.floor(most / 2) && isKnown) return undefined
  if (count >= most) refuse('in_flight_exceeded')
  return owner
}
