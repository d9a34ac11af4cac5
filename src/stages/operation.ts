import { type Outcome, stage } from '../base/chain.ts'
import type { CodeOf } from '../base/denial.ts'
import type { RequestHead } from '../base/request.ts'
import { fail, ok } from '../base/result.ts'
import type { Policy } from '../model/policy.ts'
import type { Route } from '../model/route.ts'
import type { Operation } from '../model/token.ts'
import { bodyDenials, type HeldBody, heldBody } from './body.ts'

interface Needs {
  readonly request: RequestHead & { readonly body?: ReadableStream<Uint8Array> | null }
  readonly policy: Policy
  readonly route: Route
}

export interface OperationFacts {
  readonly operation: Operation
  /** Read already, where the origin is to be told its digest. */
  readonly held: HeldBody | undefined
}

type Asked = Outcome<OperationFacts, CodeOf<typeof bodyDenials>>

/**
 * What is asked inside the route. Of an HTTP API the method says it. A body is read only now, of an agent
 * that is known, and only where the origin is told its digest; a route in shadow mode leaves it alone.
 */
export const operation = stage({
  name: 'operation',
  establishes: 'what is asked inside the route: for an HTTP API, its method',
  found: ({ operation, held }: Needs & OperationFacts) => ({
    ...operation,
    ...(held && { body: held.bytes.length }),
  }),
  denials: [bodyDenials],
  run({ request, policy, route }: Needs): Asked | Promise<Asked> {
    const operation: Operation = { kind: 'http', method: request.method }
    const { assertion } = policy.gate
    // Where there is only a head, as in an explanation, nothing is known of the body.
    const isBound = assertion?.binding === 'body' && request.body !== undefined
    if (!isBound || route.endpoint || route.mode === 'shadow') {
      return ok({ operation, held: undefined })
    }
    return heldBody(request, assertion.maxBody).then((held) =>
      held.ok ? ok({ operation, held: held.value }) : fail(held.reason),
    )
  },
})
