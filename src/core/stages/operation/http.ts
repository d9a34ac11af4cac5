import type { CodeOf } from '../../denial.ts'
import type { HttpOperation } from '../../model/operation.ts'
import { fail, ok } from '../../result.ts'
import { type bodyDenials, heldBody, ownerOf } from '../body.ts'
import { type Asked, type Asking, isHeld } from './operation-types.ts'

type HttpAsked = Asked<CodeOf<typeof bodyDenials>>

/**
 * Of an HTTP API the method says what is asked. The body is read only where the origin is told its
 * digest; a route in shadow mode leaves it alone.
 */
export function readHttp(asking: Asking): HttpAsked | Promise<HttpAsked> {
  const { request, policy, agent, hold } = asking
  const operation: HttpOperation = { kind: 'http', method: request.method }
  const { assertion } = policy.gate
  if (!assertion || !isHeld(asking)) return ok({ operation, held: undefined })
  return heldBody(request, assertion.maxBody, hold(ownerOf(agent))).then((held) =>
    held.ok ? ok({ operation, held: held.value }) : fail(held.reason),
  )
}
