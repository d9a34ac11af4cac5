/** Reading a request to an MCP server: stage `operation`. The messages themselves are in `mcp-message.ts`. */
import { isObject, LEVELS_OF_BODY, readJsonBytes } from './json.ts'
import { checkMirrors, readMessage, VERSION } from './mcp-message.ts'
import { openTasks } from './mcp-tasks.ts'
import { type McpTable, NEWEST, type Operation, REVISIONS } from './mcp-types.ts'
import { type Json, type Request, refuse, type Unseal } from './types.ts'

/** What a sealed id has in it for the caller. */
type Open = (id: string) => ReturnType<Unseal>

function valuesOf(request: Request, name: string): string[] {
  return request.headers
    .filter(([header]) => header.toLowerCase() === name)
    .map(([, value]) => value.trim())
}

/** The revision that `MCP-Protocol-Version` names; `undefined` without that header. */
function readRevision(request: Request, accepted: string[]): string | undefined {
  const values = valuesOf(request, 'mcp-protocol-version')
  if (values.length === 0) return undefined
  const [revision = ''] = values
  if (values.length > 1 || !accepted.includes(revision)) refuse('revision_unsupported')
  return revision
}

/** JSON in UTF-8, without a coding. */
function checkType(request: Request): void {
  const [type = '', ...others] = valuesOf(request, 'content-type')
  const isJson = /^application\/json\s*(?:;\s*charset\s*=\s*("?)utf-8\1\s*)?;?$/i.test(type)
  if (!isJson || others.length > 0 || valuesOf(request, 'content-encoding').length > 0) {
    refuse('message_type_unsupported')
  }
}

/** The server's own id of the session that the request names. */
function readSession(request: Request, revision: string, open: Open): string | undefined {
  // "Revision 2026-07-28 has no sessions: the gate removes session ids."
  if (revision === NEWEST) return undefined
  const ids = valuesOf(request, 'mcp-session-id')
  const [id] = ids
  if (id === undefined) {
    if (request.method === 'DELETE') refuse('session_missing')
    return undefined
  }
  const session = ids.length > 1 ? 'unknown' : open(id)
  if (typeof session === 'object') return session.own
  refuse(session === 'unavailable' ? 'session_unavailable' : 'session_unknown')
}

function bytesOf(body: Request['body']): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : (body ?? new Uint8Array())
}

const isInitialize = (value: Json) => isObject(value) && value.method === 'initialize'

/** The messages of a body. `undefined` if it is not one batch that is allowed. */
function listOf(value: Json, revision: string): Json[] {
  if (!Array.isArray(value)) return [value]
  if (revision !== '2025-03-26') refuse('batch_not_allowed')
  if (value.length === 0 || value.length > 50) refuse('message_invalid')
  if (value.some(isInitialize)) refuse('batch_not_allowed')
  const ids = value.flatMap((one) => (isObject(one) && one.method !== undefined ? [one.id] : []))
  const known = ids.filter((id) => id !== undefined)
  if (new Set(known).size < known.length) refuse('message_invalid')
  return value
}

function readBody(
  request: Request,
  table: McpTable,
  header: string | undefined,
  accepted: string[],
  open: Open,
): Operation {
  const revision = header ?? '2025-03-26'
  const bytes = bytesOf(request.body)
  if (bytes.length > (table.max_body ?? 1_048_576)) refuse('body_too_large')
  const body = readJsonBytes(bytes, LEVELS_OF_BODY)
  if (!body.ok) refuse('message_malformed')
  if (header === undefined && !accepted.includes('2025-03-26')) {
    // "`initialize` is allowed if the list has any revision before 2026-07-28."
    const isBefore = accepted.some((one) => one !== NEWEST)
    if (!isBefore || !isInitialize(body.value)) refuse('revision_unsupported')
  }
  const sent = listOf(body.value, revision)
  const messages = sent.map((value) => readMessage(value, revision))
  const isBatch = Array.isArray(body.value)
  const operation: Operation = { revision, isBatch, messages, tasks: new Map() }
  for (const { params } of messages) {
    const meta = isObject(params._meta) ? params._meta : {}
    if (meta[VERSION] !== undefined && meta[VERSION] !== header) {
      refuse('header_mismatch')
    }
  }
  if (revision === NEWEST) {
    for (const message of messages) {
      checkMirrors(message, valuesOf(request, 'mcp-method'), valuesOf(request, 'mcp-name'))
    }
  }
  const text = new TextDecoder().decode(bytes)
  return { ...operation, ...openTasks({ messages: sent, text }, operation, table, open) }
}

/** Reads the request: stage `operation`. Any of its codes may be sent: here what the headers say comes first. */
export function readOperation(request: Request, table: McpTable, open: Open): Operation {
  const accepted = table.revisions ?? REVISIONS
  if (valuesOf(request, 'upgrade').length > 0) refuse('upgrade_refused')
  // Of several the value is all of them, which is no origin.
  const origins = valuesOf(request, 'origin')
  const isAllowed = origins.length === 0 || table.origins?.includes(origins.join(', '))
  if (!isAllowed) refuse('origin_not_allowed')
  const header = readRevision(request, accepted)
  const revision = header ?? '2025-03-26'
  const methods = revision === NEWEST ? ['POST'] : ['POST', 'GET', 'DELETE']
  if (!methods.includes(request.method)) refuse('http_method_not_allowed')
  if (request.method === 'POST') checkType(request)
  else if (!accepted.includes(revision)) refuse('revision_unsupported')
  const session = readSession(request, revision, open)
  const hasBody = bytesOf(request.body).length > 0
  if (request.method !== 'POST' && hasBody) refuse('body_too_large')
  const operation =
    request.method === 'POST'
      ? readBody(request, table, header, accepted, open)
      : { revision, isBatch: false, messages: [], tasks: new Map() }
  return { ...operation, ...(session !== undefined && { session }) }
}
