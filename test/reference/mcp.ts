/** Requests to an MCP server: reading the message (stage `operation`) and what it needs. docs/mcp.md */
import type { Variables } from './conditions.ts'
import type { JsonObject, Request } from './types.ts'

/** What a name needs, as `mcp.tools`, `mcp.prompts` and `mcp.resources` write it. */
export type Need =
  | string[]
  | { any: string[] }
  | { scopes: string[] | { any: string[] }; agent_types?: string[]; when?: string }

/** The table `mcp` of a rule, as the policy writes it. */
export interface McpTable {
  tools?: Record<string, Need>
  prompts?: Record<string, Need>
  resources?: Record<string, Need>
  methods?: string[]
  revisions?: string[]
  origins?: string[]
  max_body?: number
  offered_scopes?: string[]
  refusals?: 'auto' | 'http' | 'json-rpc'
  list?: 'obtainable' | 'allowed'
}

/** A tool, prompt or resource that a message uses. */
export interface Use {
  kind: 'tools' | 'prompts' | 'resources'
  name: string
  arguments: JsonObject
  /** For `completion/complete`: `name` is a URI template. */
  isTemplate?: boolean
}

/** A message to the server. */
export interface Message {
  /** `undefined` for a notification or a response. */
  id?: string | number
  /** `undefined` for a response of the client. */
  method?: string
  params: JsonObject
  uses: Use[]
}

/** What a request to an MCP server is. */
export interface Operation {
  revision: string
  isBatch: boolean
  /** Empty for GET and DELETE. */
  messages: Message[]
}

/** Says of a sealed id of a session or task whose it is. */
export type Unseal = (kind: 'session' | 'task', id: string) => 'mine' | 'unknown' | 'unavailable'

/** Reads the request: stage `operation`. */
export function readOperation(
  _request: Request,
  _table: McpTable,
  _unseal: Unseal,
): { ok: true; operation: Operation } | { ok: false; code: string } {
  throw new Error('not written yet')
}

/** Stage `mcp_access`: the code, or `undefined` if the rule names every method and use, for this type of agent. */
export function checkAccess(
  _operation: Operation,
  _table: McpTable,
  _agentTypes: string[],
): string | undefined {
  throw new Error('not written yet')
}

/** Stage `use_scope`. `holds` says whether the token has a scope, also by SCOPES. `params` are those of the path. `missing` lists scopes for the challenge: of `any` the one that the token has, or else the first. */
export function checkUseScopes(
  _operation: Operation,
  _table: McpTable,
  _params: Record<string, string>,
  _holds: (scope: string) => boolean,
): { ok: true } | { ok: false; code: string; required: string[] } {
  throw new Error('not written yet')
}

/** Stage `use_condition`: the code, or `undefined`. */
export function checkUseConditions(
  _operation: Operation,
  _table: McpTable,
  _variables: Variables,
): string | undefined {
  throw new Error('not written yet')
}

/** The HTTP status of a refusal: `refusals` and docs/mcp/clients.md, "When a call is refused". */
export function statusOfRefusal(
  _code: string,
  _status: number,
  _operation: Operation | undefined,
  _table: McpTable,
): number {
  throw new Error('not written yet')
}
