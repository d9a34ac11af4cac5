/** One message to an MCP server: its form, the members that the gate reads, and what it uses. docs/mcp.md */
import { isObject } from './json.ts'
import { FREE, TASKS, USING } from './mcp-access.ts'
import { GONE, type Message, NEWEST, type Use } from './mcp-types.ts'
import { foldName } from './spelling.ts'
import { type Json, type JsonObject, refuse } from './types.ts'
import { hasControls, isName } from './values.ts'

/** Members of `params` that the gate reads of the methods of MCP. */
const READ = [
  '_meta',
  'name',
  'uri',
  'arguments',
  'ref',
  'notifications',
  'protocolVersion',
  'taskId',
]

/** The member of `_meta` with the revision. */
export const VERSION = 'io.modelcontextprotocol/protocolVersion'

/** The member of `_meta` with the task that a message belongs to. */
export const RELATED = 'io.modelcontextprotocol/related-task'

const inSnakeCase = (name: string) => name.replace(/[A-Z]/g, '_$&').replace(/^_/, '')

/**
 * Refuses members whose names differ only in spelling from one that the gate reads, or from each other. `others` are
 * spellings that some servers take for one that is read.
 */
function checkSpelling(object: JsonObject, read: string[], others = read.map(inSnakeCase)): void {
  const seen = new Set<string>()
  for (const name of Object.keys(object)) {
    const isOther = [...read, ...others].some((one) => foldName(one) === foldName(name))
    const isAmbiguous = seen.has(foldName(name)) || hasControls(name)
    if (isAmbiguous || (isOther && !read.includes(name))) refuse('params_ambiguous')
    seen.add(foldName(name))
  }
}

function nameOf(value: Json | undefined): string {
  if (!isName(value)) refuse('params_invalid')
  return value
}

function objectOf(value: Json | undefined): JsonObject {
  if (!isObject(value)) refuse('params_invalid')
  return value
}

/** The prompt or the resource to which a completion refers. */
function useOfCompletion(ref: JsonObject): Use {
  checkSpelling(ref, ['type', 'name', 'uri'])
  if (ref.type === 'ref/prompt') return { kind: 'prompts', name: nameOf(ref.name), arguments: {} }
  if (ref.type !== 'ref/resource') refuse('params_invalid')
  return { kind: 'resources', name: nameOf(ref.uri), isTemplate: true }
}

/** The resources of which a client wants to hear. */
function usesOfListen(notifications: JsonObject): Use[] {
  checkSpelling(notifications, ['resourceSubscriptions', 'taskIds'])
  const { resourceSubscriptions: uris = [], taskIds = [] } = notifications
  const isList = (value: Json) => Array.isArray(value) && value.length <= 256
  if (!isList(uris) || !isList(taskIds)) refuse('params_invalid')
  return (uris as Json[]).map((uri): Use => ({ kind: 'resources', name: nameOf(uri) }))
}

/** What a message uses. */
function usesOf(method: string, params: JsonObject): Use[] {
  const { name, arguments: args, uri, ref, notifications } = params
  if (method === 'tools/call' || method === 'prompts/get') {
    const kind = method === 'tools/call' ? 'tools' : 'prompts'
    return [{ kind, name: nameOf(name), arguments: args === undefined ? {} : objectOf(args) }]
  }
  if (method === 'completion/complete') return [useOfCompletion(objectOf(ref))]
  if (method === 'subscriptions/listen') {
    return notifications === undefined ? [] : usesOfListen(objectOf(notifications))
  }
  if (method.startsWith('resources/') && USING.includes(method)) {
    return [{ kind: 'resources', name: nameOf(uri) }]
  }
  const { protocolVersion } = params
  if (method === 'initialize' && typeof protocolVersion !== 'string') {
    refuse('params_invalid')
  }
  return []
}

/** Whether it is a response of the client: revisions before 2026-07-28 have requests of the server. */
function isResponse(value: JsonObject, revision: string): boolean {
  const { result, error } = value
  const hasOne = error === undefined ? isObject(result) : result === undefined && isObject(error)
  return revision !== NEWEST && hasOne && value.method === undefined && value.id !== undefined
}

/** Reads one message. */
export function readMessage(value: Json, revision: string): Message {
  if (!isObject(value)) refuse('message_invalid')
  const known = ['jsonrpc', 'id', 'method', 'params', 'result', 'error']
  const { jsonrpc, id, method, params } = value
  if (jsonrpc !== '2.0' || !Object.keys(value).every((name) => known.includes(name))) {
    refuse('message_invalid')
  }
  const isText = typeof id === 'string' && id.length <= 256 && id.isWellFormed()
  const isId = isText || Number.isSafeInteger(id)
  if (id !== undefined && !isId) refuse('message_invalid')
  const withId = typeof id === 'string' || typeof id === 'number' ? { id } : {}
  if (isResponse(value, revision) && params === undefined)
    return { ...withId, params: {}, uses: [] }
  if (value.result !== undefined || value.error !== undefined || !isMethodName(method)) {
    refuse('message_invalid')
  }
  if (params !== undefined && !isObject(params)) refuse('message_invalid')
  // "A request must have an id, and a notification must not": docs/mcp.md, "Methods".
  if ((id === undefined) !== method.startsWith('notifications/')) refuse('message_invalid')
  const members = params ?? {}
  const message = { ...withId, method, params: members, uses: [] }
  if (revision === NEWEST && GONE.includes(method)) return message
  const isOfProtocol =
    [...FREE, ...USING, ...TASKS].includes(method) || method.startsWith('notifications/')
  if (isOfProtocol) checkSpelling(members, READ)
  else checkSpelling(members, ['_meta'], [])
  checkMeta(members._meta, revision === NEWEST && id !== undefined)
  return { ...message, uses: usesOf(method, members) }
}

const isMethodName = (method: Json | undefined): method is string =>
  typeof method === 'string' && /^[A-Za-z0-9_$./-]{1,128}$/.test(method)

/** Checks `_meta`, which has the revision of a request of 2026-07-28. */
function checkMeta(meta: Json | undefined, needsVersion: boolean): void {
  const members = meta === undefined ? {} : objectOf(meta)
  checkSpelling(members, [VERSION, RELATED], [])
  const related = members[RELATED]
  if (isObject(related)) checkSpelling(related, ['taskId'])
  if (needsVersion && members[VERSION] === undefined) refuse('params_invalid')
}

/** The text of a header that may be in base64: `=?base64?…?=`. `undefined` if that is not UTF-8. */
export function decodeMirror(value: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value)?.[1]
  if (encoded === undefined) return value
  if (Buffer.from(encoded, 'base64').toString('base64') !== encoded) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(encoded, 'base64'),
    )
  } catch {
    return undefined
  }
}

/** Methods whose requests need `Mcp-Name`, and the member of params that it has. */
const NAMED: Record<string, string> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** In 2026-07-28 `Mcp-Method` and `Mcp-Name` have to equal method and name in the body. */
export function checkMirrors(message: Message, methods: string[], names: string[]): void {
  const { id, method = '', params } = message
  const isMissing = methods.length === 0
  // Notifications do not need these headers.
  if (isMissing ? id !== undefined : methods.length > 1 || methods[0] !== method) {
    refuse('header_mismatch')
  }
  const named = Object.hasOwn(NAMED, method) ? NAMED[method] : undefined
  if (names.length === 0) {
    if (id !== undefined && named !== undefined) refuse('header_mismatch')
    return
  }
  // "The gate joins a name that is split over several headers."
  const sent = decodeMirror(names.join(', '))
  const members = named === undefined ? ['name', 'uri', 'taskId'] : [named]
  const isSame = sent !== undefined && members.some((member) => params[member] === sent)
  if (!isSame) refuse('header_mismatch')
}
