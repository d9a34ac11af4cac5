import { ok } from '../../result.ts'
import { bodyDenials, heldBody, ownerOf } from '../body.ts'
import { type AnyOperation, reader } from './operation-types.ts'

/** An operation of an HTTP API. */
export interface HttpOperation extends AnyOperation {
  readonly kind: 'http'
}

/**
 * The reader for all rules: the operation is the method. It reads the body only if the origin gets its digest, and
 * never in shadow mode.
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
