/** What is known of a request that is forwarded to an origin. */
import type { Identity } from './identity.ts'
import type { Operation } from './mcp-types.ts'
import type { Rule } from './rule.ts'
import type { Request } from './types.ts'

/** A header that the origin gets: its name in lower case, and its value. */
export type Header = [name: string, value: string]

/** What is known of a request that is forwarded. */
export interface Forwarded {
  request: Request
  rule: Rule
  host: string
  /** The verified caller; `undefined` if the request is forwarded without an identity. */
  identity: Identity | undefined
  grant: string[]
  possession: 'bearer' | 'dpop' | 'mtls'
  step: string | undefined
  /** What the request is to an MCP server, on a rule with `mcp`. */
  operation: Operation | undefined
}

/** A value that the reference cannot know: a new request id, a signature. */
export const ANY = '*'
