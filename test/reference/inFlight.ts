/** Requests in progress (docs/configuration/rate-limits.md, "Requests in progress"). */
import type { Asked } from './asked.ts'
import type { Rule } from './rule.ts'
import { coveringEntries } from './standing.ts'
import { refuse } from './types.ts'
import type { Verified } from './verification.ts'

/**
 * The stage `in_flight`: whether the agent may have one request more. Returns whose request it is, or `undefined` if it
 * does not count, since its token is known to be covered by an entry.
 */
export function checkInFlight(asked: Asked, rule: Rule, caller: Verified): string | undefined {
  const { policy, world } = asked
  const { issuer, id } = caller.identity
  // "A rule with its own in_flight counts its own requests."
  const own = rule.inFlight === undefined ? [] : [rule.match, rule.host ?? '']
  const owner = [issuer.issuer, id, ...own].join('\n')
  const most = rule.inFlight ?? policy.gate.inFlight
  const count = world.inProgress[owner] ?? 0
  const isKnown = !world.unavailable.revocations && coveringEntries(asked, caller).length > 0
  if (count >= Math.floor(most / 2) && isKnown) return undefined
  if (count >= most) refuse('in_flight_exceeded')
  return owner
}
