/** What is known of a request while it is decided. */
import type { Target } from './address.ts'
import type { Operation } from './mcp-types.ts'
import type { Route } from './route.ts'
import type { Verdict } from './types.ts'

/** What is known of a request while it is decided. */
export interface Progress {
  known: Partial<Verdict>
  host: string
  target: Target
  route: Route | undefined
  operation: Operation | undefined
  /** Whose request in progress it is, if it counts. */
  owner: string | undefined
}
