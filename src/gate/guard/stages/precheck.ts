import { stage } from '../../base/chain.ts'
import { ok, onceKnown } from '../../base/result.ts'
import { mayAsk } from '../../model/approval.ts'
import type { Policy } from '../../model/policy.ts'
import type { RevocationTerms } from '../../model/revocation.ts'
import type { Route } from '../../model/route.ts'
import type { StandingPorts } from '../checks/check.ts'
import type { Asking } from '../operation/operation-types.ts'
import { holds, isHeld } from './operation.ts'
import { mayUseProof } from './possession.ts'
import { checkStanding, type Needs, type Standing } from './revocation.ts'

/**
 * Checks revocation before the first stage with an approval, a quota, single use or a proof, so that a stolen,
 * revoked token asks nobody and uses up nothing. Skipped on rules without any.
 */
export const revocationPrecheck = stage({
  name: 'revocation_precheck',
  establishes:
    'no revocation of the token is known, before a person is asked, or quota, a single-use token or a proof is spent',
  found: (needs: Needs) => (spends(needs) ? { revocation: 'bounded' } : {}),
  without: (needs: Pick<Needs, 'route' | 'access'>) => (spends(needs) ? undefined : {}),
  // The `revocation` stage declares these codes.
  denials: [],
  run: (needs: Needs, ports: StandingPorts) => (spends(needs) ? early(needs, ports) : ok({})),
})

const spends = ({ route, access }: Pick<Needs, 'route' | 'access'>): boolean =>
  route.singleUse === true ||
  route.rateLimit?.kind === 'exact' ||
  mayUseProof({ route, access }) ||
  mayAsk(route)

/** The same check before a body is read, so that revoked agents occupy no memory. */
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
 * Denies early, with the codes of `revocation`, which still runs last. Reads the set with bounded
 * staleness, so a fresh copy needs no wait; a recent revocation may be missed. A strict rule checks
 * again before denying, since a lifted entry takes effect at once. Denies if the set is unavailable, and then does not
 * check again.
 */
const early = (needs: Needs, ports: StandingPorts): Standing | Promise<Standing> => {
  const { policy, route } = needs
  const look = checkStanding(needs, ports, termsOf(policy, route))
  if (route.revocation.consistency === 'bounded') return look
  return onceKnown(look, (may) =>
    may.ok || may.reason.code === 'revocations_unavailable'
      ? may
      : checkStanding(needs, ports, route.revocation),
  )
}

/** The rule's own terms if bounded, else GATE's staleness. */
const termsOf = ({ gate }: Policy, { revocation }: Route): RevocationTerms =>
  revocation.consistency === 'bounded'
    ? revocation
    : { consistency: 'bounded', maxStaleness: gate.revocation.maxStaleness }
