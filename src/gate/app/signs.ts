import { withCors } from '../answer/cors.ts'
import { isEventStream } from '../answer/dialects.ts'
import { rpcErrorOf } from '../answer/mcp-refusal.ts'
import { readBody } from '../base/body.ts'
import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { own, parseJsonObject } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import type { HeaderReader, IncomingRequest } from '../base/request.ts'
import type { Waiting } from '../guard/stages/approval.ts'
import { mcpAnswerDenials } from '../relay/mcp/answer.ts'

/** Milliseconds between two signs of life. */
const EVERY_MS = 5_000

/** A comment of an event stream: clients ignore it. */
const SIGN = utf8Encode(': waiting for an approval\n\n')

const STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // Nginx would keep the signs until the end.
  'x-accel-buffering': 'no',
}

/** Takes note that a request begins to wait for a person. */
export type OnWait = (waiting: Waiting, requestId: string) => void

/**
 * Answers a request of an MCP client that waits for a person: after five seconds with an event stream, which has a comment
 * every five seconds, and then what `answered` gives, as a message. Without a wait, with a shorter one, and for a client
 * that accepts no event stream, the answer is unchanged. If the client leaves the stream, the request's signal aborts.
 */
export function withSigns(
  request: IncomingRequest,
  answered: (onWait?: OnWait) => Promise<Response>,
): Promise<Response> {
  if (request.method !== 'POST' || !acceptsEvents(request.headers)) return answered()
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const onWait: OnWait = (waiting, requestId) => {
      const id = answerableId(waiting)
      if (id === undefined) return
      const gone = new AbortController()
      request.leavesWith(gone.signal)
      timer = setTimeout(() => {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
        void speak(writable, { answer, id }).catch((error) => gone.abort(error))
        const stream = new Response(readable, {
          headers: { ...STREAM, 'x-request-id': requestId },
        })
        const { cors } = waiting.route
        resolve(cors ? withCors(request.original, cors, stream) : stream)
      }, EVERY_MS)
    }
    const answer = answered(onWait).finally(() => {
      if (timer !== undefined) clearTimeout(timer)
    })
    answer.then(resolve, reject)
  })
}

const acceptsEvents = (headers: HeaderReader): boolean =>
  /(?:^|,)[ \t]*text\/event-stream[ \t]*(?:,|$|;(?![ \t]*q=0(?:\.0*)?[ \t]*(?:,|$)))/i.test(
    headers.get('accept') ?? '',
  )

type Id = string | number

/** The id to answer in a stream. A batch, and a rule whose refusals have their own status, wait in silence. */
const answerableId = ({ route, operation }: Waiting): Id | undefined => {
  if (!route.mcp || route.mcp.refusals === 'http' || operation.kind !== 'mcp') return undefined
  const { messages, isBatch } = operation
  return isBatch || messages.length !== 1 ? undefined : messages[0]?.id
}

interface Spoken {
  readonly answer: Promise<Response>
  readonly id: Id
}

/** Writes signs until the answer is there, and then the answer. Rejects once the client has gone. */
const speak = async (stream: WritableStream<Uint8Array>, { answer, id }: Spoken): Promise<void> => {
  const writer = stream.getWriter()
  const sign = () => void writer.write(SIGN).catch(() => {})
  sign()
  const timer = setInterval(sign, EVERY_MS)
  const gone = writer.closed.then(() => Promise.reject(new Error('the stream has ended')))
  const told = await Promise.race([answer, gone]).finally(() => clearInterval(timer))
  writer.releaseLock()
  await (await eventsOf(told, id)).pipeTo(stream)
}

type Body = ReadableStream<Uint8Array>

/**
 * An answer as events: a stream as it is, JSON as a message. A status other than 2xx is lost, so there the body must be a
 * message of JSON-RPC. In place of all else there is an error, since the client would wait for an answer.
 */
const eventsOf = async ({ ok, body, headers }: Response, id: Id): Promise<Body> => {
  if (ok && body && isEventStream(headers)) return body
  const context = { requestId: headers.get('x-request-id') ?? '' }
  const error = rpcErrorOf(mcpAnswerDenials('mcp_answer_invalid'), context)
  const otherwise = JSON.stringify({ jsonrpc: '2.0', id, error })
  if (ok && body && JSON_TYPE.test(headers.get('content-type') ?? '')) {
    return body.pipeThrough(asMessage(otherwise))
  }
  const read = await readBody(body, { bytes: LIMITS.documentBytes, ms: LIMITS.mcpAnswerMs })
  const text = (read.ok && utf8Decode(read.value)) || ''
  const isRpc = own(parseJsonObject(text) ?? {}, 'jsonrpc') === '2.0'
  const told = new Response(isRpc ? text : otherwise).body as Body
  return told.pipeThrough(asMessage(otherwise))
}

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i

/** Makes one event of JSON, whose line breaks are white space. `otherwise`: the JSON in place of none. */
const asMessage = (otherwise: string) => {
  let isBegun = false
  const begin = (events: TransformStreamDefaultController<Uint8Array>, text: string) => {
    if (!isBegun) events.enqueue(utf8Encode(`event: message\ndata: ${text}`))
    isBegun = true
  }
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(part, events) {
      begin(events, '')
      events.enqueue(part.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte)))
    },
    flush(events) {
      begin(events, otherwise)
      events.enqueue(utf8Encode('\n\n'))
    },
  })
}
