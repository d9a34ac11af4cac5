import type { JsonObject } from '../base/json.ts'
import type { ApprovalRule } from './approval-rule.ts'
import type { Condition } from './condition.ts'
import type { ScopeRule } from './scope.ts'
import type { AgentIdentity } from './token.ts'

/** MCP revisions with streamable HTTP, oldest first. */
export const MCP_REVISIONS = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const

export type McpRevision = (typeof MCP_REVISIONS)[number]

/** The kinds that ROUTES.mcp lists by name; a resource is named by its URI. */
export const MCP_KINDS = ['tools', 'prompts', 'resources'] as const

export type McpKind = (typeof MCP_KINDS)[number]

/** The requirements for one tool, prompt or resource, beside those of its rule. */
export interface McpUse {
  /** The name as written; `*` matches any further characters. */
  readonly pattern: string
  /** Scope templates; `{arguments.path}` is a member of the call's arguments, by its claim path. */
  readonly scopes: ScopeRule
  readonly agentTypes?: ReadonlySet<string>
  /** May read `arguments`. */
  readonly when?: Condition
  readonly approval?: ApprovalRule
}

/** Finds the entry for a name: the exact name, else the pattern with the longest literal prefix. */
export interface McpNames {
  /** All entries as written, in file order. */
  readonly all: readonly McpUse[]
  find(name: string): McpUse | undefined
  /** The entries that a URI template (RFC 6570) needs; empty for other kinds, and where it may not be used. */
  template(text: string): readonly McpUse[]
}

/** How a refusal of one call is answered, if the refusal does not concern the connection. */
export type McpRefusals = 'auto' | 'http' | 'json-rpc'

/** The settings of an MCP endpoint. Names that are not listed are denied. */
export interface McpRule {
  readonly names: Readonly<Record<McpKind, McpNames>>
  /** Further allowed JSON-RPC methods, beside those of the base protocol. */
  readonly methods: ReadonlySet<string>
  readonly revisions: ReadonlySet<McpRevision>
  /** Serialised origins (Fetch standard) of allowed pages; a request without `Origin` is always allowed. */
  readonly origins: ReadonlySet<string>
  /** Most bytes of a message. */
  readonly maxBody: number
  readonly refusals: McpRefusals
  /** What filtered lists show: what the token may use, and with `obtainable` what a wider token could. */
  readonly list: 'obtainable' | 'allowed'
  /** Scopes that challenge and metadata offer beside those of the rule; absent: the metadata offers those of all names. */
  readonly offeredScopes?: readonly string[]
}

/** A tool, prompt or resource by name, with the arguments of its call. */
export interface McpNamed {
  readonly kind: McpKind
  /** The name; for a resource its URI. */
  readonly name: string
  /** Emptied once the conditions were evaluated. */
  arguments: JsonObject
}

/**
 * The name for logs; a URI without its query and fragment, which may contain a secret.
 * @example writtenName({ kind: 'resources', name: 'file:///a?key=1' }) // 'file:///a'
 */
export function writtenName({ kind, name }: Pick<McpNamed, 'kind' | 'name'>): string {
  return kind === 'resources' ? name.replace(/[?#].*$/s, '') : name
}

/** One JSON-RPC 2.0 message from a client. */
export interface McpMessage {
  /** Present for a request only; absent for notifications and for a client's responses. */
  readonly id?: string | number
  /** Absent for a client's response to a server's request, in revisions before 2026-07-28. */
  readonly method?: string
  readonly params?: JsonObject
  /** The tool of `tools/call`, the prompt of `prompts/get`, or the URI of `resources/read`. */
  readonly use?: McpNamed
  /** Further resources of the same message, for `subscriptions/listen`. */
  readonly more?: readonly McpNamed[]
}

/** A request to an MCP server, as headers and body agree on it. */
export interface McpOperation {
  readonly kind: 'mcp'
  /** The HTTP method. */
  readonly method: string
  /** The MCP revision; absent before it is negotiated, and where an old client does not send it. */
  readonly revision?: McpRevision
  /** One message; several only in a batch of 2025-03-26; none for GET and DELETE. */
  readonly messages: readonly McpMessage[]
  /** Whether the messages were sent as a batch, even of one. */
  readonly isBatch?: boolean
  /** The server's own session id, if the client sent a sealed id of this caller. */
  readonly session?: string
  /** For the tasks that the body names: the server's own id → the sealed id that the client sent. */
  readonly tasks?: ReadonlyMap<string, string>
}

/** The `typ` of a sealed session (RFC 8725 §3.11); no other token of the gate has it. */
export const SESSION_TYP = 'mcp-session+jwt'

/** Names of headers that an MCP server reads (MCP, Streamable HTTP), lower case. */
export const MCP_HEADERS: readonly string[] = [
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'last-event-id',
]

const SESSION_ID = /^[\x21-\x7e]{1,512}$/

/** Whether a text can be a server's session id: visible ASCII (MCP, Streamable HTTP), of bounded length. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text)
}

/** The holder of a session or a task; a sealed id opens only for the same holder. */
export interface SessionHolder {
  /** Absent for a session. */
  readonly kind?: 'task'
  readonly issuer: string
  /** The agent's id within its issuer. */
  readonly agent: string
  /** The `sub` of the token: the subject that the agent acts for. */
  readonly subject?: string
  /** Name of the rule. */
  readonly route: string
  readonly resource: string
}

/** The holder of the sessions that a request starts. */
export function sessionHolder(
  { issuer, id, subject }: Pick<AgentIdentity, 'issuer' | 'id' | 'subject'>,
  { name, resource }: { readonly name: string; readonly resource: string },
): SessionHolder {
  return { issuer, agent: id, ...(subject !== undefined && { subject }), route: name, resource }
}

/** The holder of the tasks that a request starts. */
export function taskHolder(...request: Parameters<typeof sessionHolder>): SessionHolder {
  return { kind: 'task', ...sessionHolder(...request) }
}

/**
 * Seals session ids and task ids of servers, so that only their holder can use them. A sealed id is signed, not
 * encrypted. Both methods reject while the gate has no key; `seal` also for text that is not {@link isSessionId}.
 */
export interface Sessions {
  seal(session: string, holder: SessionHolder): Promise<string>
  /** The server's own id; `undefined` for text that was not sealed for this holder. */
  open(sealed: string, holder: SessionHolder): Promise<string | undefined>
}
