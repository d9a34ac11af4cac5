import type { JsonObject } from '../json.ts'
import type { Condition } from './condition.ts'
import type { ScopeRule } from './scope.ts'
import type { AgentIdentity } from './token.ts'

/** Revisions of MCP that are spoken over streamable HTTP, oldest first. */
export const MCP_REVISIONS = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const

export type McpRevision = (typeof MCP_REVISIONS)[number]

/** Things of a server that are called by name, as ROUTES.mcp has them; resources are named by their URI. */
export const MCP_KINDS = ['tools', 'prompts', 'resources'] as const

export type McpKind = (typeof MCP_KINDS)[number]

/** What using one named thing needs, beside what its route needs. */
export interface McpUse {
  /** As it is written: a whole name, or text with `*` for any further characters. */
  readonly pattern: string
  /** Templates take `{arguments.path}`: a member of the call's arguments, by its claim path. */
  readonly scopes: ScopeRule
  readonly agentTypes?: ReadonlySet<string>
  /** May read `arguments`. */
  readonly when?: Condition
}

/** Which rule is for a name: the whole name, else the pattern with the longest literal beginning. */
export interface McpNames {
  /** As written, in file order. */
  readonly all: readonly McpUse[]
  find(name: string): McpUse | undefined
  /** All that a template of URIs (RFC 6570) needs, other than of resources nothing; nothing where it may not be used. */
  template(text: string): readonly McpUse[]
}

/** How one call is refused that is no matter of the connection. */
export type McpRefusals = 'auto' | 'http' | 'json-rpc'

/** What an MCP endpoint takes. What is not named is denied. */
export interface McpRule {
  readonly names: Readonly<Record<McpKind, McpNames>>
  /** Further methods of JSON-RPC that may be called; those of the base protocol always may. */
  readonly methods: ReadonlySet<string>
  readonly revisions: ReadonlySet<McpRevision>
  /** Serialised origins (Fetch standard) of pages that may call; absent `Origin` may always. */
  readonly origins: ReadonlySet<string>
  /** Bytes of a message. */
  readonly maxBody: number
  readonly refusals: McpRefusals
  /** Scopes that clients are told of before they have a token, beside those that the rule needs. */
  readonly offeredScopes: readonly string[]
}

/** One thing of a server, and what it is used with. */
export interface McpNamed {
  readonly kind: McpKind
  /** Of a resource, its URI. */
  readonly name: string
  /** None any more once they were judged. */
  arguments: JsonObject
}

/** What a thing is called in logs: of a URI without its query, which may hold a secret. */
export function writtenName({ kind, name }: Pick<McpNamed, 'kind' | 'name'>): string {
  return kind === 'resources' ? name.replace(/[?#].*$/s, '') : name
}

/** One message of JSON-RPC 2.0 that a client sent. */
export interface McpMessage {
  /** A request has one; a notification has none, and neither has the answer of a client (`isAnswer`). */
  readonly id?: string | number
  /** Absent for a client's answer to a request of the server, in revisions before 2026-07-28. */
  readonly method?: string
  readonly params?: JsonObject
  /** What is used: the tool of `tools/call`, the prompt of `prompts/get`, the URI of `resources/read`. */
  readonly use?: McpNamed
  /** What the same message uses besides: the further resources of `subscriptions/listen`. */
  readonly more?: readonly McpNamed[]
}

/** What is asked of an MCP server, read from headers and body alike. */
export interface McpOperation {
  readonly kind: 'mcp'
  /** Of HTTP. */
  readonly method: string
  /** Absent before it is agreed on, and where an old client does not say. */
  readonly revision?: McpRevision
  /** One; several only in a batch of 2025-03-26; none of GET and DELETE. */
  readonly messages: readonly McpMessage[]
  /** Whether they came as a batch, even if of one. */
  readonly isBatch?: boolean
  /** The server's own id of the session, where the client belongs to one and it opened for this caller. */
  readonly session?: string
}

/** The `typ` of a sealed session (RFC 8725 §3.11): nothing else of the gate has it. */
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

/** Whether a text can be the id of a server's session: visible ASCII (MCP, Streamable HTTP), of bounded length. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text)
}

/** Who a session of a server belongs to; nobody else gets it open. */
export interface SessionHolder {
  readonly issuer: string
  /** The issuer's own id for the agent. */
  readonly agent: string
  /** On whose behalf it acts: the token's `sub`. */
  readonly subject?: string
  /** Name of the rule. */
  readonly route: string
  readonly resource: string
}

/** The holder of what a request's server hands out. */
export function sessionHolder(
  { issuer, id, subject }: Pick<AgentIdentity, 'issuer' | 'id' | 'subject'>,
  { name, resource }: { readonly name: string; readonly resource: string },
): SessionHolder {
  return {
    issuer,
    agent: id,
    ...(subject !== undefined && { subject }),
    route: name,
    resource,
  }
}

/**
 * Hands out the session ids of servers so that only whom they were given to can use them: signed by the
 * gate, not hidden. Reject where the gate has no key at the moment.
 */
export interface Sessions {
  seal(session: string, holder: SessionHolder): Promise<string>
  /** The server's own id; `undefined` for what was never sealed for this holder. */
  open(sealed: string, holder: SessionHolder): Promise<string | undefined>
}
