import type { CodeOf } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import type { HttpOperation } from '../../model/token.ts'
import { type bodyDenials, heldBody } from '../body.ts'
import type { Asked, Asking } from './asked.ts'

type HttpAsked = Asked<CodeOf<typeof bodyDenials>>

/**
 * Of an HTTP API the method says what is asked. The body is read only where the origin is told its
 * digest; a route in shadow mode leaves it alone.
 */
export const readHttp = ({ request, policy, route }: Asking): HttpAsked | Promise<HttpAsked> => {
  const operation: HttpOperation = { kind: 'http', method: request.method }
  const { assertion } = policy.gate
  const isBound = assertion?.binding === 'body' && request.body !== undefined
  if (!isBound || route.endpoint || route.mode === 'shadow') {
    return ok({ operation, held: undefined })
  }
  return heldBody(request, assertion.maxBody).then((held) =>
    held.ok ? ok({ operation, held: held.value }) : fail(held.reason),
  )
}
