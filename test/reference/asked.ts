/** A request that is decided, with what is known of it. */
import type { Target } from './address.ts'
import type { Operation } from './mcp-types.ts'
import type { Policy } from './policy.ts'
import type { Route } from './route.ts'
import type { Request, Verdict, World } from './types.ts'

/** A request that is decided, with what is known of it. */
export interface Asked {
  policy: Policy
  request: Request
  world: World
  target: Target
  known: Partial<Verdict>
  host: string
  route?: Route
  /** What the request is to an MCP server, on a rule with `mcp`. */
  operation?: Operation
  /** The text that only the same call has, if it needs an approval. */
  call?: string
  /** Whose request in progress it is, if it counts. */
  owner?: string
}

/** A header that the origin gets: its name in lower case, and its value. */
export type Header = [name: string, value: string]

/** A value that the reference cannot know: a new request id, a signature. */
export const ANY = '*'
