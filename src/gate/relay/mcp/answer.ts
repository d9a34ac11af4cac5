import { contentLength } from '../../base/body.ts'
import { utf8Encode } from '../../base/bytes.ts'
import { chainDenials } from '../../base/chain.ts'
import { type Denial, denials } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import type { RequestHead } from '../../base/request.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Decision, Passed } from '../../guard/guard.ts'
import { learnRevisions } from '../../guard/operation/mcp/head.ts'
import { signingDenials } from '../../guard/stages/assertion.ts'
import type { Operation } from '../../guard/stages/operation.ts'
import type { McpMessage, McpRule } from '../../model/mcp.ts'
import { isNotification } from '../../model/mcp-methods.ts'
import { remade } from '../origin/headers.ts'
import { forwardDenials } from '../origin/send.ts'
import { BODILESS } from '../streams/streams.ts'
import { bufferBody } from './buffer-body.ts'
import { privateEdits, sessionEdits } from './headers.ts'
import { beginsListless, type Filtered, filterText, passesUnread, visibilityOf } from './lists.ts'
import { filterEvents } from './sse.ts'
import { sealTasks } from './tasks.ts'

const deny = denials({
  mcp_answer_invalid: [
    'badOrigin',
    "The gate cannot read the MCP server's answer, and has to: it is not JSON, is too large, or has a task without a valid id",
    'Your request is not at fault; ask for less at a time, or tell the operator the request_id',
  ],
})

export const mcpAnswerDenials = deny

/** Requests whose results contain no list. */
const LISTLESS: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'tools/call',
  'prompts/get',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
  'logging/setLevel',
])

const isListless = ({ method }: McpMessage): boolean =>
  method === undefined || LISTLESS.has(method) || isNotification(method)

/** Whether the answer may contain a list. The stream of a GET may contain anything. */
const mayList = (operation: Operation): boolean =>
  operation.kind !== 'mcp' ||
  operation.messages.length === 0 ||
  !operation.messages.every(isListless)

const isDiscovery = (operation: Operation): boolean =>
  operation.kind === 'mcp' && operation.messages[0]?.method === 'server/discover'

/** Bytes of an answer within which a list would begin: only an id and a cursor precede it. */
const BEGINNING_BYTES = 64 * 1024

/** The parts of the request that its answer depends on. */
export type Asked = Pick<RequestHead, 'method' | 'headers'> & { readonly signal?: AbortSignal }

/** The answer that an MCP caller gets. */
export interface McpAnswer {
  readonly response: Response
  /**
   * Its body: `own` is the body that the server sent; `moved` is copied by a script; `whole` is in memory, so nothing
   * has to end it.
   */
  readonly body: 'own' | 'moved' | 'whole'
  /** For an event stream: the ids of the request's messages that have no response among the events so far. */
  readonly openRequests?: () => readonly Id[]
}

type Id = NonNullable<McpMessage['id']>

/**
 * Prepares an MCP server's answer for its caller. It seals the session id and the ids of tasks, and removes from JSON and events
 * all that the caller may not use. Where the answer may contain a list, everything but events is buffered, whatever its status
 * and type; if it cannot be read it is denied. Other JSON is buffered only until it is clear that it is not a list; other
 * types are not read. Events are filtered one by one. An answer without changes is returned as the same object. A
 * denied answer is cancelled. Call it only for rules with `mcp`.
 */
export async function mcpAnswer(
  answer: Response,
  request: Asked,
  decision: Decision,
): Promise<Result<McpAnswer, Denial>> {
  const rule = decision.known.route?.mcp
  const filtered =
    rule && decision.outcome === 'passed'
      ? await filteredAnswer(answer, request, decision, rule)
      : fail(chainDenials('unavailable'))
  if (!filtered.ok) await answer.body?.cancel().catch(() => {})
  return filtered
}

const filteredAnswer = async (
  answer: Response,
  request: Asked,
  decision: Passed,
  rule: McpRule,
): Promise<Result<McpAnswer, Denial>> => {
  const { headers, body, status } = answer
  const { known, ports } = decision
  // Read once, because each access to a header is a call into the runtime.
  const names = [...headers.keys()]
  const session = await sessionEdits(headers, names, request.headers, decision)
  if (!session.ok) return session
  const untouched = (): Result<McpAnswer, never> => {
    const isSame = session.value.length === 0
    return ok({ response: isSame ? answer : remade(answer, body, session.value), body: 'own' })
  }
  if (!body || request.method === 'HEAD' || BODILESS.has(status)) return untouched()

  const type = headers.get('content-type') ?? ''
  const { isEvents, isJson, isAmbiguous } = kindOf(type)
  if (isAmbiguous) return fail(deny('mcp_answer_invalid'))
  const isListless = !mayList(known.operation)
  if (isListless && !isEvents && !isJson) return untouched()
  const isStrict = isEvents || (isJson && !isListless)
  if (isStrict && CHARSET.test(type)) {
    return fail(forwardDenials('origin_encoding_unsupported', { type }))
  }

  const edits = [...session.value, ...privateEdits(headers, names)]
  const visibility = visibilityOf(rule, known, () => ports.clock.now())
  const filter = (data: string) => {
    if (isDiscovery(known.operation)) learnRevisions(rule, data)
    return sealTasks(data, filterText(data, visibility), decision)
  }
  if (isEvents) {
    const open = idsOf(known.operation)
    const filterEvent = (data: string) => {
      if (open.size > 0) removeAnswered(open, data)
      return filter(data)
    }
    const events = body.pipeThrough(
      filterEvents({ filter: filterEvent, most: LIMITS.mcpAnswerBytes, isListless }),
    )
    const response = remade(answer, events, [...edits, ['content-length']])
    return ok({ response, body: 'moved', openRequests: () => [...open] })
  }

  const buffered = await bufferBody(body, known, {
    ...boundsOf(answer, request, known, { isJson, isListless }),
    ports,
    onLate: decision.onLate,
    signal: request.signal,
  })
  if (!buffered.ok) return buffered
  const { bytes, whole } = buffered.value
  const text = textOf(bytes, isJson && !isListless)
  if (text !== undefined && whole && isListless && beginsListless(text)) {
    return ok({ response: remade(answer, whole, session.value), body: 'moved' })
  }
  whole?.cancel().catch(() => {})
  if (text === undefined || whole) return fail(deny('mcp_answer_invalid'))

  let filtered: Filtered
  try {
    filtered = await filter(text)
  } catch (error) {
    if (error instanceof TypeError) return fail(deny('mcp_answer_invalid'))
    return fail(signingDenials('assertion_unavailable', { error: String(error) }))
  }
  const isReadable = filtered.outcome !== 'unreadable' || (isListless && passesUnread(text))
  if (filtered.outcome === 'gone' || !isReadable) return fail(deny('mcp_answer_invalid'))
  const told = filtered.outcome === 'changed' ? utf8Encode(filtered.text) : bytes
  const response = remade(answer, told, [...edits, ['content-length', String(told.length)]])
  return ok({ response, body: 'whole' })
}

/**
 * The ids of the requests in a body whose response a client waits for. A client does not wait for the response to a
 * subscription.
 */
const idsOf = (operation: Operation): Set<Id> => {
  const messages = operation.kind === 'mcp' ? operation.messages : []
  return new Set(
    messages.flatMap(({ id, method }) =>
      method === undefined || method === 'subscriptions/listen' ? [] : (id ?? []),
    ),
  )
}

/** Characters of an event that take longer to parse than to pass on. */
const LONG = 16_384

/** Members of a response (JSON-RPC 2.0 §5). */
const RESPONSE = /"(?:result|error)"/

/** Removes the ids that an event answers. An unread response keeps its id: clients ignore a second one. */
const removeAnswered = (open: Set<Id>, data: string): void => {
  if (!RESPONSE.test(data)) return
  // Long responses are not parsed: text without `method` is a response, and if only one id is open, it has that id.
  if (open.size === 1 && data.length > LONG && !data.includes('"method"')) {
    open.clear()
    return
  }
  try {
    for (const { id, method } of [JSON.parse(data)].flat())
      if (method === undefined) open.delete(id)
  } catch {
    // Not JSON: no response.
  }
}

/** How many bytes of an answer without events are buffered. */
const boundsOf = (
  { headers, ok: isOk }: Response,
  { method }: Asked,
  { operation, route }: Passed['known'],
  { isJson, isListless }: { readonly isJson: boolean; readonly isListless: boolean },
) => {
  if (!isListless) {
    // The answer to an error or to DELETE may be any text; a successful answer with a list is JSON or empty.
    const isStray = !isJson && isOk && method !== 'DELETE'
    return { bytes: isStray ? 0 : LIMITS.mcpAnswerBytes }
  }
  // In a batch a later answer can contain a list.
  const isBatch = operation.kind === 'mcp' && operation.isBatch
  // Over a service binding the header does not frame the body.
  const isFramed = (route.target.service ?? route.target.via) === undefined
  const length = isFramed ? contentLength(headers) : undefined
  return { bytes: isBatch ? LIMITS.mcpAnswerBytes : BEGINNING_BYTES, length }
}

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json$/
const TYPES = /text\/event-stream|application\/(?:[a-z0-9.+-]+\+)?json/gi
/** Charsets other than UTF-8, the only one of JSON and events. `refusedAnswer` refuses those without ASCII. */
const CHARSET = /;\s*charset\s*=(?!\s*"?(?:utf-?8|us-ascii)"?\s*(?:;|$))/i

/** The kind of a Content-Type; `isAmbiguous` where clients that search it for types could find another. */
const kindOf = (type: string) => {
  const [media = ''] = type.toLowerCase().split(';', 1)
  const isEvents = media.trim() === 'text/event-stream'
  const types = type.match(TYPES) ?? []
  return {
    isEvents,
    isJson: JSON_TYPE.test(media.trim()),
    isAmbiguous: types.length > 1 || (!isEvents && /event-stream/i.test(type)),
  }
}

const [strict, lenient] = [true, false].map(
  (fatal) => new TextDecoder('utf-8', { fatal, ignoreBOM: false }),
)

/**
 * Decodes a body as its reader would; `undefined` if unclear. JSON is UTF-8 (RFC 8259 §8.1), but some readers detect
 * UTF-16 and UTF-32, whose ASCII characters have NUL bytes. An error page may be in another charset.
 */
const textOf = (bytes: Uint8Array, isStrict: boolean): string | undefined => {
  if (bytes.includes(0)) return undefined
  try {
    return (isStrict ? strict : lenient)?.decode(bytes)
  } catch {
    return undefined
  }
}
