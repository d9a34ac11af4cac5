import { ok } from '../../result.ts'
import { bodyDenials, heldBody, ownerOf } from '../body.ts'
import { type AnyOperation, reader } from './operation-types.ts'

/** What is asked of an HTTP API. */
export interface HttpOperation extends AnyOperation {
  readonly kind: 'http'
}

/**
 * Any rule: the method says what is asked. The body is read only where the origin is told its digest; a route in
 * shadow mode leaves it alone.
 */
export const http = reader({
  kind: 'http',
  denials: bodyDenials,
  reads: () => true,
  holds: ({ policy, route }) =>
    policy.gate.assertion?.binding === 'body' && !route.endpoint && route.mode !== 'shadow',
  read(asking) {
    const { request, policy, agent, hold } = asking
    const operation: HttpOperation = { kind: 'http', method: request.method }
    const { assertion } = policy.gate
    if (!assertion || !http.holds(asking) || request.body === undefined) {
      return ok({ operation, held: undefined })
    }
    return heldBody(request, assertion.maxBody, hold(ownerOf(agent))).then((held) =>
      held.ok ? ok({ operation, held: held.value }) : held,
    )
  },
})
