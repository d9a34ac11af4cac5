import { LIMITS } from '../../../../src/gate/base/limits.ts'
import { delegation } from '../../../../src/gate/guard/stages/delegation.ts'
import type { DelegationRule, Issuer } from '../../../../src/gate/model/issuer.ts'
import { accessOf, issuerOf, routeOf } from '../../../kit/facts.ts'
import { policy } from '../../policy/support.ts'

export const OTHER = 'https://other.example.com'

/** What a token is held against. */
export interface Rules {
  readonly issuer?: Partial<DelegationRule>
  readonly route?: Partial<DelegationRule>
  readonly entry?: Partial<Issuer>
  /** Those that the gate counts. */
  readonly scopes?: readonly string[]
}

/** What scopes include. */
const POLICY = policy({
  SCOPES: { 'docs:all': ['docs:write'], 'docs:write': ['docs:read'], 'edgewarden:read': ['see'] },
})

/** The longest that can be revoked. */
export const LONGEST = 'x'.repeat(LIMITS.revocationValue)

const rule = (changes: Partial<DelegationRule>): DelegationRule => ({
  maxDepth: 3,
  requireActor: false,
  issuers: new Set(),
  ...changes,
})

/** The stage `delegation`, for a token with these claims. */
export const run = async (
  claims: object | string,
  { issuer = {}, route, entry = {}, scopes = [] }: Rules = {},
) => {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims)
  const own = issuerOf({ delegation: rule(issuer), ...entry })
  const access = accessOf({ claims: JSON.parse(text), entry: own, scopes })
  return delegation.run(
    {
      policy: POLICY,
      route: routeOf('GET /x', route ? { delegation: rule(route) } : {}),
      issuer: own,
      access,
    },
    undefined,
  )
}
