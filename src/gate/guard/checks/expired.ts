import { denials } from '../../base/denial.ts'
import { standingCheck } from './check.ts'

/** The denial of this check, also for streams with a timer for expiry. */
export const expiredDenials = denials({
  token_expired_during_request: [
    'invalidToken',
    'The token expired before the request was finished',
    'Get a new token from the authorization server',
  ],
})

/** Checks that the token has not expired during an earlier wait. */
export const expired = standingCheck({
  denials: expiredDenials,
  judge: (_, { policy, access }, now) =>
    access.expires <= Math.floor(now / 1000) - policy.gate.clockTolerance
      ? expiredDenials('token_expired_during_request')
      : undefined,
})
