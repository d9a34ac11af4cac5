import { type Outcome, stage } from '../base/chain.ts'
import type { RequestHead } from '../base/request.ts'
import { ok } from '../base/result.ts'
import type { Operation } from '../model/token.ts'

/** What is asked inside the route. Of an HTTP API the method says it, so no body is read. */
export const operation = stage({
  name: 'operation',
  establishes: 'what is asked inside the route: for an HTTP API, its method',
  found: ({ operation }) => ({ ...operation }),
  denials: [],
  run: ({ request }: { readonly request: RequestHead }): Outcome<{ operation: Operation }, never> =>
    ok({ operation: { kind: 'http', method: request.method } }),
})
