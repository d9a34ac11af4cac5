import { stage } from '../base/chain.ts'
import { ok } from '../base/result.ts'
import type { Policy } from '../model/policy.ts'
import type { RevocationTerms } from '../model/revocation.ts'
import type { Route } from '../model/route.ts'
import { type Asking, isHeld } from './operation/asked.ts'
import { type Needs, type Ports, type Stands, stands } from './standing.ts'

/**
 * An early look before the first stage that spends something: who holds a token that is revoked takes nothing
 * from the agent it was issued to. May only deny, with the codes of `standing`, which judges last all the same.
 * The revocation set is looked at within a bound, so that a young copy of it costs no wait; what was revoked
 * within the bound may still count. A strict rule asks anew before it denies, since what was lifted counts at
 * once there. A set that cannot be asked denies before anything is spent. On rules that spend nothing it looks
 * at nothing.
 */
export const spending = stage({
  name: 'spending',
  establishes:
    'nothing about the token was known to be revoked before the rule counts it exactly, or takes it once',
  found: ({ route }: Needs) => (spends(route) ? { revocation: 'bounded' } : {}),
  // They are in the table of the stage whose codes they are.
  denials: [],
  run(needs: Needs, ports: Ports): Stands | Promise<Stands> {
    const { policy, route } = needs
    if (!spends(route)) return ok({})
    const early = stands(needs, ports, termsOf(policy, route))
    if (route.revocation.consistency === 'bounded') return early
    const again = (may: Stands): Stands | Promise<Stands> =>
      may.ok ? may : stands(needs, ports, route.revocation)
    return early instanceof Promise ? early.then(again) : again(early)
  },
})

const spends = ({ singleUse, rateLimit }: Route): boolean =>
  singleUse === true || rateLimit?.kind === 'exact'

/**
 * A look at the isolate's copy of the revocation set before a body is read, so that a revoked agent holds none.
 * Only where the rule is bounded, so that it costs no call of its own; may only deny, as {@link spending}.
 */
export const holding = stage({
  name: 'holding',
  establishes:
    'where a body is read and the rule is bounded, nothing about the token was known to be revoked before',
  found: (needs: Needs & Asking) => (looks(needs) ? { revocation: 'bounded' } : {}),
  denials: [],
  run: (needs: Needs & Asking, ports: Ports): Stands | Promise<Stands> =>
    looks(needs) ? stands(needs, ports, needs.route.revocation) : ok({}),
})

const looks = (needs: Asking): boolean =>
  needs.route.revocation.consistency === 'bounded' && isHeld(needs)

/** Those of the rule where it is bounded itself, else the bound that streams of strict rules have. */
const termsOf = ({ gate }: Policy, { revocation }: Route): RevocationTerms =>
  revocation.consistency === 'bounded'
    ? revocation
    : { consistency: 'bounded', maxStaleness: gate.revocation.maxStaleness }
