import type { McpOperation } from './mcp.ts'

/** What is asked of an HTTP API. */
export interface HttpOperation {
  readonly kind: 'http'
  readonly method: string
}

/** What is asked of the resource. */
export type Operation = HttpOperation | McpOperation
