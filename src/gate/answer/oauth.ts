import { answerRow, type Denial } from '../base/denial.ts'
import { messageOf, type Refused } from './problem.ts'

/** Errors of RFC 6749 §5.2 and §4.1.2.1, by status; of the others, those below 500 are `invalid_request`. */
const ERRORS: Readonly<Record<number, string>> = {
  401: 'invalid_client',
  403: 'unauthorized_client',
  429: 'temporarily_unavailable',
}

/**
 * The body of a refusal as OAuth endpoints answer (RFC 6749 §5.2): a problem whose `error` is a word. A handler may give
 * the word itself.
 */
export function oauthForm(denial: Denial): (problem: object) => Refused {
  const { status, error } = answerRow(denial.answer)
  const word =
    error ?? ERRORS[status] ?? (status < 500 ? 'invalid_request' : 'temporarily_unavailable')
  return (problem) => {
    const given: unknown = Reflect.get(problem, 'error')
    const body = {
      ...problem,
      error: typeof given === 'string' ? given : word,
      error_description: messageOf(denial).replace(/["\\]/g, "'"),
    }
    return { body: JSON.stringify(body), type: 'application/json' }
  }
}
