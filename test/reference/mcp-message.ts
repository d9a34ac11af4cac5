/** One message to an MCP server: its form, the members that the gate reads, and what it uses. docs/mcp.md */
import { isObject } from './json.ts'
import type { Message, Use } from './mcp-types.ts'
import { foldName } from './spelling.ts'
import type { Json, JsonObject } from './types.ts'

/** A request or message that is refused; its text is the code. */
export class Unread extends Error {}

/** Members of `params` that the gate reads, by method. `_meta` is read for every method. */
const READ: Record<string, string[]> = {
  'tools/call': ['name', 'arguments'],
  'prompts/get': ['name', 'arguments'],
  'resources/read': ['uri'],
  'resources/subscribe': ['uri'],
  'resources/unsubscribe': ['uri'],
  'completion/complete': ['ref'],
  'subscriptions/listen': ['notifications'],
  'tasks/get': ['taskId'],
  'tasks/result': ['taskId'],
  'tasks/cancel': ['taskId'],
  'tasks/update': ['taskId'],
}

/** A name without case and underscores, so that `task_id` is `taskId` and `meta` is `_meta`. */
const foldMember = (name: string) => foldName(name).replaceAll('_', '')

/** Refuses members whose names differ only in spelling from one that the gate reads. */
function checkSpelling(object: JsonObject, read: string[]): void {
  for (const name of Object.keys(object)) {
    if (read.includes(name)) continue
    if (read.some((one) => foldMember(one) === foldMember(name)))
      throw new Unread('params_ambiguous')
  }
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Unread('params_invalid')
  return value
}

function objectOf(value: Json | undefined): JsonObject {
  if (!isObject(value)) throw new Unread('params_invalid')
  return value
}

/** The prompt or the resource to which a completion refers. */
function useOfCompletion(ref: JsonObject): Use {
  checkSpelling(ref, ['type', 'name', 'uri'])
  // Docs: unclear — scopes and conditions over arguments, for a completion. Taken here: it has no arguments.
  if (ref.type === 'ref/prompt') return { kind: 'prompts', name: textOf(ref.name), arguments: {} }
  if (ref.type !== 'ref/resource') throw new Unread('params_invalid')
  return { kind: 'resources', name: textOf(ref.uri), isTemplate: true }
}

/** The resources of which a client wants to hear. */
function usesOfListen(notifications: JsonObject): Use[] {
  checkSpelling(notifications, ['resourceSubscriptions'])
  const { resourceSubscriptions: uris } = notifications
  if (uris === undefined) return []
  if (!Array.isArray(uris)) throw new Unread('params_invalid')
  return uris.map((uri): Use => ({ kind: 'resources', name: textOf(uri) }))
}

/** What a message uses. */
function usesOf(method: string, params: JsonObject): Use[] {
  const { name, arguments: args, uri, ref, notifications, taskId } = params
  if (method === 'tools/call' || method === 'prompts/get') {
    const kind = method === 'tools/call' ? 'tools' : 'prompts'
    return [{ kind, name: textOf(name), arguments: args === undefined ? {} : objectOf(args) }]
  }
  if (method === 'completion/complete') return [useOfCompletion(objectOf(ref))]
  // Docs: unclear — where the names are in `subscriptions/listen`. Taken here: as the official SDK writes them.
  if (method === 'subscriptions/listen') {
    return notifications === undefined ? [] : usesOfListen(objectOf(notifications))
  }
  if (method.startsWith('resources/') && READ[method])
    return [{ kind: 'resources', name: textOf(uri) }]
  if (method.startsWith('tasks/') && READ[method]) textOf(taskId)
  return []
}

/** Whether it is a response of the client: revisions before 2026-07-28 have requests of the server. */
// Docs: unclear — responses of clients are not mentioned. Taken here: allowed before 2026-07-28, and they use nothing.
function isResponse(value: JsonObject, revision: string): boolean {
  const hasOne = (value.result === undefined) !== (value.error === undefined)
  return revision !== '2026-07-28' && hasOne && value.method === undefined && value.id !== undefined
}

/** Reads one message. */
export function readMessage(value: Json, revision: string): Message {
  if (!isObject(value)) throw new Unread('message_invalid')
  const known = ['jsonrpc', 'id', 'method', 'params', 'result', 'error']
  const { jsonrpc, id, method, params } = value
  if (jsonrpc !== '2.0' || !Object.keys(value).every((name) => known.includes(name))) {
    throw new Unread('message_invalid')
  }
  // Docs: unclear — which ids are allowed. Taken here: text and whole numbers, as in MCP.
  const isId = typeof id === 'string' || Number.isSafeInteger(id)
  if (id !== undefined && !isId) throw new Unread('message_invalid')
  const withId = typeof id === 'string' || typeof id === 'number' ? { id } : {}
  if (isResponse(value, revision) && params === undefined)
    return { ...withId, params: {}, uses: [] }
  if (value.result !== undefined || value.error !== undefined || typeof method !== 'string') {
    throw new Unread('message_invalid')
  }
  if (params !== undefined && !isObject(params)) throw new Unread('message_invalid')
  // "A request must have an id, and a notification must not": docs/mcp.md, "Methods".
  if ((id === undefined) !== method.startsWith('notifications/'))
    throw new Unread('message_invalid')
  const members = params ?? {}
  const read = Object.hasOwn(READ, method) ? (READ[method] ?? []) : []
  // Docs: unclear — a call that only has the misspelled member. Taken here: params_ambiguous comes before params_invalid.
  checkSpelling(members, ['_meta', ...read])
  if (isObject(members._meta)) {
    checkSpelling(members._meta, ['io.modelcontextprotocol/protocolVersion'])
  }
  return { ...withId, method, params: members, uses: usesOf(method, members) }
}

/** The text of a header that may be in base64: `=?base64?…?=`. `undefined` if that is not UTF-8. */
export function decodeMirror(value: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value)?.[1]
  if (encoded === undefined) return value
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(encoded, 'base64'),
    )
  } catch {
    return undefined
  }
}

/** In 2026-07-28 `Mcp-Method` and `Mcp-Name` have to equal method and name in the body. */
export function checkMirrors(message: Message, methods: string[], names: string[]): void {
  const { id, method = '', params } = message
  const isMissing = methods.length === 0
  // Docs: unclear — whether notifications need these headers. Taken here: not, but they must not differ.
  if (isMissing ? id !== undefined : methods.length > 1 || methods[0] !== method) {
    throw new Unread('header_mismatch')
  }
  const isNamed = /^(tools\/call|prompts\/get)$/.test(method)
  const name = isNamed ? params.name : method === 'resources/read' ? params.uri : undefined
  // Docs: unclear — `Mcp-Name` beside a message that has no name. Taken here: a mismatch.
  const isTask = method.startsWith('tasks/') && names.length > 0
  const expected = isTask ? params.taskId : name
  // "The gate joins a name that is split over several headers."
  const sent = names.length > 0 ? decodeMirror(names.join(', ')) : undefined
  if (names.length > 0 && sent === undefined) throw new Unread('header_mismatch')
  if (sent !== expected) throw new Unread('header_mismatch')
}
