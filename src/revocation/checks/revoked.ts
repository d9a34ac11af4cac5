import { denials } from '../../core/denial.ts'
import { isRevoked, type Revocation } from '../../core/model/revocation.ts'
import { standingCheck } from './check.ts'

/** The denials of this check, also for other users of the revocation set. */
export const revokedDenials = denials({
  token_revoked: [
    'invalidToken',
    'The token, or the agent or key behind it, has been revoked',
    'Stop using this token; a new one helps only if the agent itself was not revoked',
  ],
  revocations_unavailable: [
    'unavailable',
    'The gate cannot find out at the moment whether the token was revoked',
    'Keep the token and try again after Retry-After',
  ],
})

/** Checks that no entry covers the token, except entries the policy lifts. */
export const revoked = standingCheck({
  denials: revokedDenials,
  ask: ({ subjects }, { revocations }, terms) => revocations.lookup(subjects, terms),
  unavailable: (error) => revokedDenials('revocations_unavailable', { error: String(error) }),
  judge(entries: readonly Revocation[], { policy, access }, now) {
    const { clockTolerance: tolerance, lift } = policy.gate
    const token = { issuedAt: access.issuedAt, now: Math.floor(now / 1000), tolerance }
    const entry = entries.find((one) => !lift.has(one.id) && isRevoked(one, token))
    return entry && revokedDenials('token_revoked', { id: entry.id, kind: entry.kind })
  },
})
