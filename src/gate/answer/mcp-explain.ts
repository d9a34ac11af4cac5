import { utf8Encode } from '../base/bytes.ts'
import { isObject, type JsonObject, jsonText, own } from '../base/json.ts'
import { copyOf, type RequestHead } from '../base/request.ts'
import { fail, ok } from '../base/result.ts'
import { mirroredValue } from '../guard/operation/mcp/headers.ts'
import { isNegotiated } from '../guard/operation/mcp/revision.ts'
import { route } from '../guard/stages/route.ts'
import { MCP_REVISIONS, type McpRevision, type McpRule } from '../model/mcp.ts'
import { isNotification, isRemoved, TASK_METHODS } from '../model/mcp-methods.ts'
import type { Policy } from '../model/policy.ts'
import { text, word } from '../policy/reading/fields.ts'
import { type Field, reads, required, table } from '../policy/reading/table.ts'

/** A call of an MCP server, as a request for an explanation describes it. */
export interface AskedOfMcp {
  readonly method: string
  /** The name of the tool or prompt, or the URI of the resource. */
  readonly name?: string | undefined
  readonly arguments?: JsonObject | undefined
  /** Default: the newest revision that the rule accepts. */
  readonly revision?: McpRevision | undefined
}

const some = text((value) => (value === '' ? fail('must not be empty') : ok(value)))

const FIELDS = {
  method: required(some),
  name: some,
  arguments: reads<JsonObject>((value) =>
    isObject(value) ? ok(value) : fail('must be an object'),
  ),
  revision: word(MCP_REVISIONS),
}

/** The field with such a call: `{ "method": "tools/call", "name": "get_weather" }`. */
export const mcpField: Field<AskedOfMcp | undefined> = table(FIELDS, ({ method, ...rest }) =>
  method === undefined ? undefined : { method, ...rest },
)

/** The request that the line decides. */
export interface RequestToExplain {
  readonly request: RequestHead & { readonly body?: ReadableStream<Uint8Array> | null }
  /** A limit of the explanation that its reader could miss. */
  readonly note?: string
}

const UNASKED =
  'Explained for a connection without a message. To see which tools, prompts and resources are allowed, describe the call in mcp'

const UNUSED =
  'The rule has no mcp, so it does not check which tool, prompt or resource a request is for'

/** Whether a revision has no `initialize` to negotiate the revision, so that each message contains it. */
const isStateless = (revision: McpRevision): boolean => !isNegotiated(revision)

/**
 * Adds the body that an MCP client would send, if the matched rule has `mcp`; other requests are unchanged. Headers
 * that are present stay, so that wrong ones are explained too.
 */
export function toExplain(
  policy: Policy,
  request: RequestHead,
  asked: AskedOfMcp | undefined,
): RequestToExplain {
  const found = route.run({ request, policy }, undefined)
  const rule = 'value' in found ? found.value?.route?.mcp : undefined
  if (!rule) return { request, ...(asked && { note: UNUSED }) }
  if (request.method !== 'POST') return { request, ...(!asked && { note: UNASKED }) }
  const revision = asked?.revision ?? newest(rule, asked?.method)
  const told = asked ?? { method: isStateless(revision) ? 'server/discover' : 'ping' }
  const headers = copyOf(request.headers)
  const message = messageOf(told, revision, rule)
  for (const [name, value] of headersOf(message, revision)) {
    if (!headers.has(name)) headers.set(name, value)
  }
  const bytes = utf8Encode(jsonText(message))
  return {
    request: {
      method: request.method,
      url: request.url,
      headers,
      body: new Blob([bytes]).stream(),
    },
    ...(!asked && { note: UNASKED }),
  }
}

/** The newest accepted revision that has the method. */
const newest = ({ revisions }: McpRule, method?: string): McpRevision =>
  MCP_REVISIONS.findLast((one) => revisions.has(one) && !isRemoved(method ?? '', one)) ??
  MCP_REVISIONS[0]

const CLIENT = { name: 'edgewarden-explain', version: '1' }

const messageOf = (asked: AskedOfMcp, revision: McpRevision, rule: McpRule) => {
  const { method } = asked
  const params = paramsOf(asked, revision, rule)
  const meta = isStateless(revision) && {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': revision,
      'io.modelcontextprotocol/clientInfo': CLIENT,
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  }
  return {
    jsonrpc: '2.0',
    ...(!isNotification(method) && { id: 1 }),
    method,
    params: { ...params, ...meta } as JsonObject,
  }
}

const paramsOf = (
  { method, name, arguments: given }: AskedOfMcp,
  revision: McpRevision,
  rule: McpRule,
): JsonObject => {
  switch (method) {
    case 'initialize':
      return { protocolVersion: revision, capabilities: {}, clientInfo: CLIENT }
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return { uri: name }
    case 'subscriptions/listen':
      return { notifications: name === undefined ? {} : { resourceSubscriptions: [name] } }
    case 'completion/complete':
      return { ref: referenceOf(name, rule), argument: { name: 'name', value: '' } }
    default:
      if (TASK_METHODS.has(method)) return { taskId: name }
      return name === undefined ? { ...given } : { name, ...(given && { arguments: given }) }
  }
}

const referenceOf = (name: string | undefined, rule: McpRule) =>
  name === undefined || isPrompt(name, rule)
    ? { type: 'ref/prompt', name }
    : { type: 'ref/resource', uri: name }

/**
 * Whether a name belongs to a prompt: without a colon, or of a prompt entry that has one or no rival resource entry.
 */
const isPrompt = (name: string, { names: { prompts, resources } }: McpRule): boolean => {
  if (!name.includes(':')) return true
  const use = prompts.find(name)
  return use !== undefined && (use.pattern.includes(':') || resources.template(name).length === 0)
}

const headersOf = ({ method, params }: ReturnType<typeof messageOf>, revision: McpRevision) => {
  const name = ['name', 'uri', 'taskId']
    .map((member) => own(params, member))
    .find((value) => typeof value === 'string')
  return Object.entries({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    // `initialize` negotiates the revision, so it has no header for it.
    ...(method !== 'initialize' && { 'mcp-protocol-version': revision }),
    ...(isStateless(revision) && {
      'mcp-method': mirroredValue(method),
      ...(name !== undefined && { 'mcp-name': mirroredValue(name) }),
    }),
  })
}
