import { stage } from '../core/chain.ts'
import type { Policy } from '../core/model/policy.ts'
import type { RevocationTerms } from '../core/model/revocation.ts'
import type { Route } from '../core/model/route.ts'
import { ok } from '../core/result.ts'
import type { Asking } from '../core/stages/operation/operation-types.ts'
import { holds, isHeld } from '../core/stages/operation.ts'
import type { StandingPorts } from './checks/check.ts'
import { checkStanding, type Needs, type Standing } from './stage.ts'

/**
 * An early look before the first stage that spends something: who holds a token that is revoked takes nothing
 * from the agent it was issued to. On rules that spend nothing it looks at nothing.
 */
export const revocationPrecheck = stage({
  name: 'revocation_precheck',
  establishes: 'no revocation of the token is known, before quota or a single-use token is spent',
  found: ({ route }: Needs) => (spends(route) ? { revocation: 'bounded' } : {}),
  without: ({ route }: Pick<Needs, 'route'>) => (spends(route) ? undefined : {}),
  // They are in the table of the stage whose codes they are.
  denials: [],
  run: (needs: Needs, ports: StandingPorts) => (spends(needs.route) ? early(needs, ports) : ok({})),
})

const spends = ({ singleUse, rateLimit }: Route): boolean =>
  singleUse === true || rateLimit?.kind === 'exact'

/** The same look before a body is read, so that a revoked agent holds none. */
export const holding = stage({
  name: 'holding',
  establishes: 'if the gate has to read the body: no revocation of the token is known yet',
  found: (needs: Needs & Asking) => (isHeld(needs) ? { revocation: 'bounded' } : {}),
  without: (needs: Pick<Needs, 'policy' | 'route'>) => (holds(needs) ? undefined : {}),
  denials: [],
  run: (needs: Needs & Asking, ports: StandingPorts) =>
    isHeld(needs) ? early(needs, ports) : ok({}),
})

/**
 * May only deny, with the codes of `revocation`, which judges last all the same. The revocation set is looked at
 * within a bound, so that a young copy of it costs no wait; what was revoked within the bound may still pass
 * here. A strict rule asks anew before it denies, since what was lifted counts at once there. A set that cannot
 * be asked denies.
 */
const early = (needs: Needs, ports: StandingPorts): Standing | Promise<Standing> => {
  const { policy, route } = needs
  const look = checkStanding(needs, ports, termsOf(policy, route))
  if (route.revocation.consistency === 'bounded') return look
  const again = (may: Standing): Standing | Promise<Standing> =>
    may.ok ? may : checkStanding(needs, ports, route.revocation)
  return look instanceof Promise ? look.then(again) : again(look)
}

/** Those of the rule where it is bounded itself, else the bound that streams of strict rules have. */
const termsOf = ({ gate }: Policy, { revocation }: Route): RevocationTerms =>
  revocation.consistency === 'bounded'
    ? revocation
    : { consistency: 'bounded', maxStaleness: gate.revocation.maxStaleness }
