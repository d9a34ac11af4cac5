import { denials } from '../../core/denial.ts'
import { standingCheck } from './check.ts'

/** The code of this check, for those who know the end of a token and wait for it. */
export const expiredDenials = denials({
  token_expired_during_request: [
    'invalidToken',
    'The token expired while the request was being decided',
    'Get a new token from the authorization server',
  ],
})

/** The token has not expired while something was waited for. */
export const expired = standingCheck({
  denials: expiredDenials,
  judge: (_, { policy, access }, now) =>
    access.expires <= Math.floor(now / 1000) - policy.gate.clockTolerance
      ? expiredDenials('token_expired_during_request')
      : undefined,
})
