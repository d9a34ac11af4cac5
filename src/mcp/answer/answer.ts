import { contentLength } from '../../core/body.ts'
import { utf8Encode } from '../../core/bytes.ts'
import { chainDenials } from '../../core/chain.ts'
import { denials } from '../../core/denial.ts'
import type { Decision, Facts, Passed } from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import type { McpMessage, McpRule } from '../../core/model/mcp.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Operation } from '../../core/stages/operation.ts'
import { type ForwardFault, forwardDenials } from '../../gateway/relay/forward.ts'
import { BODILESS } from '../../gateway/relay/streams.ts'
import { type HoldTerms, holdAnswer, holdBeginning } from './buffer-body.ts'
import { beginsListless, passesUnread, type Sight, tell } from './lists.ts'
import { sealSession } from './session.ts'
import { toldEvents } from './sse.ts'
import { sightOf } from './visibility.ts'

const deny = denials({
  mcp_answer_invalid: [
    'badOrigin',
    'The MCP server gave an answer that cannot be read where it must be: no JSON, or too much of it',
    'Your request is not at fault; ask for less at a time, or tell the operator the request_id',
  ],
})

export const mcpAnswerDenials = deny

/** Requests whose results hold no list, whatever their server is. */
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
  method === undefined || LISTLESS.has(method) || method.startsWith('notifications/')

/** Whether what was asked can be answered with a list; of a GET, which opens a stream, anything can. */
const mayList = (operation: Operation): boolean =>
  operation.kind !== 'mcp' ||
  operation.messages.length === 0 ||
  !operation.messages.every(isListless)

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json$/
const TYPES = /text\/event-stream|application\/(?:[a-z0-9.+-]+\+)?json/gi

/** Whether some clients, which look for types anywhere in the header, would read what this does not take for events. */
const isAmbiguous = (type: string, isEvents: boolean): boolean => {
  const types = type.match(TYPES) ?? []
  return types.length > 1 || (!isEvents && /event-stream/i.test(type))
}

/** Charsets other than UTF-8, which alone JSON and events have. */
const CHARSET = /;\s*charset\s*=(?!\s*"?(?:utf-?8|us-ascii)"?\s*(?:;|$))/i
/** Charsets in which what is ASCII is not written as it is in UTF-8. */
const FAR_CHARSET =
  /;\s*charset\s*=(?!\s*"?(?:utf-?8|us-ascii|iso-8859-\d+|windows-125\d)"?\s*(?:;|$))/i

/** What of a request its answer goes by. */
export type Asked = Pick<Request, 'method' | 'headers'> & { readonly signal?: AbortSignal }

/**
 * An MCP server's answer as its caller gets it: the session sealed, and in JSON and in events nothing of what
 * the caller may not use. Where a list can be in it all but events is held for that, whatever its status and
 * type, as long as the token stands, and what could hold one but cannot be read is no answer; events pass one
 * by one. Elsewhere JSON is held as far as it takes to see that it is no list, and what is neither JSON nor
 * events passes unread. On rules without `mcp` the answer itself.
 */
export async function mcpAnswer(
  answer: Response,
  request: Asked,
  decision: Decision,
): Promise<Result<Response, ForwardFault>> {
  const rule = decision.known.route?.mcp
  if (!rule) return ok(answer)
  const told =
    decision.outcome === 'passed'
      ? await toldTo(answer, request, decision, rule)
      : fail({ denial: chainDenials('unavailable') })
  if (!told.ok) await answer.body?.cancel().catch(() => {})
  return told
}

const toldTo = async (
  answer: Response,
  request: Asked,
  decision: Passed,
  rule: McpRule,
): Promise<Result<Response, ForwardFault>> => {
  const { headers, body, status } = answer
  const { known, ports } = decision
  const sealed = await sealSession(headers, request.headers, decision)
  if (!sealed.ok) return sealed
  if (!body || request.method === 'HEAD' || BODILESS.has(status)) return ok(answer)
  const type = headers.get('content-type') ?? ''
  const [media = ''] = type.toLowerCase().split(';', 1)
  const isEvents = media.trim() === 'text/event-stream'
  const isJson = JSON_TYPE.test(media.trim())
  if (isAmbiguous(type, isEvents)) return invalid()
  const isListless = !mayList(known.operation)
  if (isListless && !isEvents && !isJson) return ok(answer)
  const isStrict = isEvents || (isJson && !isListless)
  if ((isStrict ? CHARSET : FAR_CHARSET).test(type)) {
    return fail({ denial: forwardDenials('origin_encoding_unsupported', { type }) })
  }
  const sight = sightOf(rule, known)
  if (isEvents) return ok(toldStream(body, answer, sight, isListless))
  const terms = { bytes: LIMITS.mcpAnswerBytes, ports, signal: request.signal }
  if (isListless) return toldCall(body, answer, known, sight, terms)
  // Of an error any text may tell, and of the end of a session; what answers for a list is JSON or empty.
  const isStray = !isJson && answer.ok && request.method !== 'DELETE'
  const held = await holdAnswer(body, known, {
    ...terms,
    ...(isStray && { bytes: 0 }),
    tooLarge: () => deny('mcp_answer_invalid'),
  })
  if (!held.ok) return fail({ denial: held.reason })
  const text = textOf(held.value, isJson)
  return text === undefined ? invalid() : toldText(text, held.value, answer, sight)
}

const invalid = () => fail({ denial: deny('mcp_answer_invalid') })

const toldStream = (
  body: ReadableStream<Uint8Array>,
  answer: Response,
  sight: Sight,
  isListless: boolean,
): Response => {
  const most = LIMITS.mcpAnswerBytes
  const told = toldEvents({ tell: (data) => tell(data, sight), most, isListless })
  setPrivate(answer.headers)
  answer.headers.delete('content-length')
  return new Response(body.pipeThrough(told), answer)
}

/** Bytes of one answer in which it has begun its list, if there is one: before it stand an id and a cursor. */
const BEGINNING_BYTES = 64 * 1024

/**
 * JSON in answer to requests whose results hold no list. One can be there all the same, since servers mistake
 * requests that have the same id. An answer that is longer than what is held passes if it begins without one.
 */
const toldCall = async (
  body: ReadableStream<Uint8Array>,
  answer: Response,
  known: Facts,
  sight: Sight,
  terms: HoldTerms,
): Promise<Result<Response, ForwardFault>> => {
  // Of several answers a later one can hold it.
  const isBatch = known.operation.kind === 'mcp' && known.operation.isBatch
  const bytes = isBatch ? terms.bytes : BEGINNING_BYTES
  const { service, via } = known.route.target
  // Over a service binding the header frames nothing.
  const length = (service ?? via) === undefined ? contentLength(answer.headers) : undefined
  const begun = await holdBeginning(body, known, { ...terms, bytes, length })
  if (!begun.ok) return fail({ denial: begun.reason })
  const { bytes: held, whole } = begun.value
  const text = textOf(held, false)
  if (text !== undefined && !whole) return toldText(text, held, answer, sight, passesUnread)
  if (text !== undefined && beginsListless(text)) return ok(new Response(whole, answer))
  whole?.cancel().catch(() => {})
  return invalid()
}

const [strict, lenient] = [true, false].map(
  (fatal) => new TextDecoder('utf-8', { fatal, ignoreBOM: false }),
)

/**
 * What is held as its reader decodes it. JSON is UTF-8 (RFC 8259 §8.1), but some readers guess: in UTF-16 and
 * UTF-32 whatever is ASCII has NUL bytes. An error page may be in another charset that is like ASCII.
 */
const textOf = (held: Uint8Array, isStrict: boolean): string | undefined => {
  if (held.includes(0)) return undefined
  try {
    return (isStrict ? strict : lenient)?.decode(held)
  } catch {
    return undefined
  }
}

const wholeAnswers = new WeakSet<Response>()

/** Whether nothing of an answer is on its way any more, so that it needs no end. */
export function isWhole(answer: Response): boolean {
  return wholeAnswers.has(answer)
}

const toldText = (
  text: string,
  held: Uint8Array<ArrayBuffer>,
  answer: Response,
  sight: Sight,
  passes: (unread: string) => boolean = () => false,
): Result<Response, ForwardFault> => {
  const read = tell(text, sight)
  if (read.outcome === 'gone' || (read.outcome === 'unreadable' && !passes(text))) return invalid()
  const bytes = read.outcome === 'changed' ? utf8Encode(read.text) : held
  const { status, statusText, headers } = answer
  setPrivate(headers)
  headers.set('Content-Length', String(bytes.length))
  const told = new Response(bytes, { status, statusText, headers })
  wholeAnswers.add(told)
  return ok(told)
}

/** What says of a body which one it is. */
const VALIDATORS = ['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest']

/** One caller's own view is for nobody to keep, and no other body's validators are its. */
const setPrivate = (headers: Headers): void => {
  for (const name of VALIDATORS) headers.delete(name)
  const control = headers.get('cache-control')
  if (control === null) headers.set('Cache-Control', 'no-store')
  else if (!/(?:^|,)\s*no-store\s*(?:,|$)/i.test(control))
    headers.append('Cache-Control', 'no-store')
}
