import { stage } from '../base/chain.ts'
import { ok } from '../base/result.ts'
import type { Policy } from '../model/policy.ts'
import type { RevocationTerms } from '../model/revocation.ts'
import type { Route } from '../model/route.ts'
import { type ReplayPorts, type Unused, unused } from './replay.ts'
import { type Needs, type Ports, type Stands, stands } from './standing.ts'

type May = Stands | Unused

/**
 * An early look before the first stage that spends something: who holds a token that is revoked, or was
 * used where it is good for one use, takes nothing from the agent it was issued to. May only deny, with
 * the codes of `standing` and `replay`, which judge last all the same. The revocation set is looked at within
 * a bound, on strict rules too, so that a young copy of it costs no wait; what was revoked within the bound
 * may still count. A set or store that cannot be asked denies before anything is spent. On rules that spend
 * nothing it looks at nothing.
 */
export const spending = stage({
  name: 'spending',
  establishes:
    'nothing about the token was known to be revoked before the rule counts it exactly, or takes it once',
  found: ({ route }: Needs) => (spends(route) ? { revocation: 'bounded' } : {}),
  // They are in the tables of the stages whose codes they are.
  denials: [],
  run(needs: Needs, ports: Ports & ReplayPorts): May | Promise<May> {
    const { policy, route } = needs
    if (!spends(route)) return ok({})
    const standing = stands(needs, ports, termsOf(policy, route))
    if (!route.singleUse || !isCounted(route)) return standing
    return Promise.resolve(standing).then((may): May | Promise<May> =>
      may.ok ? unused(needs, ports) : may,
    )
  },
})

const isCounted = ({ rateLimit }: Route): boolean => rateLimit?.kind === 'exact'

const spends = (route: Route): boolean => route.singleUse === true || isCounted(route)

/** Those of the rule where it is bounded itself, else the bound that streams of strict rules have. */
const termsOf = ({ gate }: Policy, { revocation }: Route): RevocationTerms =>
  revocation.consistency === 'bounded'
    ? revocation
    : { consistency: 'bounded', maxStaleness: gate.revocation.maxStaleness }
