import { answerRow, type Denial } from '../base/denial.ts'
import { messageOf, type Refused } from './problem.ts'

/** Errors of RFC 8935 §2.4 and SSF 1.0 §8.1.4 by code; those of other codes below 500 are `invalid_request`. */
const ERRORS: Readonly<Record<string, string>> = {
  event_unauthenticated: 'authentication_failed',
  event_issuer: 'invalid_issuer',
  event_key: 'invalid_key',
  event_audience: 'invalid_audience',
  event_refused: 'access_denied',
  event_state: 'invalid_state',
}

/** The body of a refusal as transmitters of security events read it (RFC 8935 §2.3): a problem with `err` and `description`. */
export function eventForm(denial: Denial): ((problem: object) => Refused) | undefined {
  const said = eventError(denial)
  if (!said) return undefined
  return (problem) => ({
    body: JSON.stringify({ ...problem, ...said }),
    type: 'application/json',
    status: 400,
    headers: [['Content-Language', 'en']],
  })
}

/** Why an event is refused for good (RFC 8935 §2.3, RFC 8936 §2.4); `undefined` where it may come again. */
export function eventError(
  denial: Denial,
): { readonly err: string; readonly description: string } | undefined {
  if (answerRow(denial.answer).status >= 500) return undefined
  return { err: ERRORS[denial.code] ?? 'invalid_request', description: messageOf(denial) }
}
