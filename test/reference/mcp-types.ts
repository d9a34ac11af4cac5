/** What the table `mcp` of a rule says, and what a request to an MCP server is read as. docs/mcp.md */
import type { Json, JsonObject } from './types.ts'

/** What a name needs, as `mcp.tools`, `mcp.prompts` and `mcp.resources` write it. */
export type Need =
  | string[]
  | { any: string[] }
  | {
      scopes: string[] | { any: string[] }
      agent_types?: string[]
      when?: When
      approval?: ApprovalTable
    }

/** A condition, as the policy writes it. */
export type When = string | { condition: string; headers?: string[]; query?: string[] }

/** What `approval` says, as the policy writes it (docs/approvals.md). */
export interface ApprovalTable {
  by?: 'operators' | 'owners'
  within?: string
  hold?: string
  headers?: string[]
  unless?: When
  /** Only of an entry. */
  shows?: string[]
}

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
  /** Absent for a resource. The very object that `readJson` returned. */
  arguments?: JsonObject
  /** For `completion/complete`: `name` may be a URI template. */
  isTemplate?: boolean
}

/** A message to the server. */
export interface Message {
  /** `undefined` for a notification. */
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
  /** The server's own id of the session that `Mcp-Session-Id` names. */
  session?: string
  /** Why a task that a message names cannot be used. `checkAccess` returns it first. */
  taskCode?: string
  /** The server's own ids of the tasks that messages name, by the sealed ones. */
  tasks: Map<Json | undefined, string>
  /** The body with these ids, if there are any. */
  body?: string
}

/** The revisions of the protocol, from the oldest. Only the first has batches; only the last has no sessions. */
export const REVISIONS = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']

/** The newest revision. */
export const NEWEST = '2026-07-28'

/** Methods that revision 2026-07-28 does not have. */
export const GONE = [
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]
