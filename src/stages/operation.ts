import { stage } from '../base/chain.ts'
import { ok } from '../base/result.ts'
import type { Operation } from '../model/token.ts'

/** What is asked inside the route. Of an HTTP API the method says it, so no body is read. */
export const operation = stage({
  name: 'operation',
  establishes: 'what is asked inside the route: for an HTTP API, its method',
  denials: [],
  run: ({ request }: { readonly request: Request }) =>
    ok<{ operation: Operation }>({ operation: { kind: 'http', method: request.method } }),
})
