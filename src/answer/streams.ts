import { utf8Encode } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import type { RequestHead } from '../base/request.ts'
import type { Decision, Facts } from '../guard.ts'
import { IS_NATIVE, type Pipe, piped, pumped, resumed } from './stream-pipe.ts'
import { relay, type Socket } from './stream-socket.ts'
import { joined, start } from './stream-start.ts'
import { type Ending, type WatchPorts, watch } from './stream-watch.ts'

/** What an open stream is watched with. */
export interface StreamContext {
  readonly decision: Decision
  readonly ports: WatchPorts
  /**
   * Whether the platform brought the body, as it came: then it can be moved without a script. Not so what a
   * script makes, or whatever a `send` of an app's own has done.
   */
  readonly isFetched: boolean
}

/** What an answer is sent with in place of what it came with. */
export interface Mortal {
  readonly body: ConstructorParameters<typeof Response>[0]
  readonly webSocket?: Socket
  /** Whether its Content-Length, if it has one, is still that of the body. */
  readonly keepsLength: boolean
}

/**
 * What ends when its token does, in place of what an answer came with: expired, revoked, or nobody knows, see
 * {@link watch}. An event stream gets a last event, a WebSocket a close code, any other body breaks off and never
 * ends as if complete. `undefined` where all stays as it is: bodies that are small by their Content-Length are
 * let be, and answers to requests that passed without a token or in shadow mode.
 */
export const mortal = async (
  response: Response,
  request: RequestHead,
  { decision, ports, isFetched }: StreamContext,
): Promise<Mortal | undefined> => {
  if (decision.outcome !== 'passed' || decision.known.route.mode === 'shadow') return undefined
  const { webSocket } = response as { readonly webSocket?: Socket | null }
  if (webSocket) return mortalSocket(webSocket, decision.known, ports)
  const { body, headers, status } = response
  if (!body || request.method === 'HEAD' || BODILESS.has(status)) return undefined
  // Over a service binding the header is only what a Worker wrote, and frames nothing.
  const { service, via } = decision.known.route.target
  const isFramed = (service ?? via) === undefined
  const length = isFramed ? lengthOf(headers) : undefined
  if (length !== undefined && length <= LIMITS.smallBodyBytes) return undefined
  const isEncoded = encodingOf(headers) !== undefined
  const hasLastEvent = length === undefined && !isEncoded && isEventStream(headers)
  const hasSecrets = decision.known.route.secrets.length > 0
  let pipe: Pipe
  // A native pipe of a body that a script makes cannot be cut while it waits, nor take one of its own kind.
  if (hasLastEvent || hasSecrets || !isFetched) {
    pipe = pumped(body, isEncoded && !isFetched ? undefined : length)
  } else if (length === undefined && IS_NATIVE) {
    const { chunks, rest } = await start(body)
    if (!rest) return { body: joined(chunks), keepsLength: isFramed }
    pipe = resumed(body, { chunks, rest })
  } else pipe = piped(body, length)
  const { readable, over, cut } = pipe
  const stop = watch(decision.known, ports, (ending) =>
    cut(hasLastEvent ? lastEvent(ending) : undefined),
  )
  void over.then(stop)
  return { body: readable, keepsLength: isFramed }
}

const mortalSocket = (origin: Socket, facts: Facts, ports: WatchPorts): Mortal => {
  let stop = () => {}
  const { agent, cut } = relay(origin, () => stop())
  stop = watch(facts, ports, cut)
  return { body: null, webSocket: agent, keepsLength: true }
}

/** A copy of an answer, whose headers can be changed, with what it is sent with where that is another. */
export const answerWith = (response: Response, changed?: Mortal): Response => {
  if (!changed) return new Response(response.body, response)
  const { body, webSocket, keepsLength } = changed
  const { status, headers } = response
  if (webSocket) return new Response(null, { status, headers, webSocket } as ResponseInit)
  const answer = new Response(body, response)
  if (!keepsLength) answer.headers.delete('content-length')
  return answer
}

/** Statuses whose answer has no body (RFC 9110 §6.4.1). */
export const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** Content-Length, where it is one. */
export const lengthOf = (headers: Headers): number | undefined => {
  const length = headers.get('content-length')
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

const encodingOf = (headers: Headers): string | undefined => {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase()
  return encoding === '' || encoding === 'identity' ? undefined : encoding
}

export const isEventStream = (headers: Headers): boolean =>
  /^\s*text\/event-stream\s*(?:;|$)/i.test(headers.get('content-type') ?? '')

/** The blank line first, so that an event which was on its way does not take it in. */
const lastEvent = (code: Ending): Uint8Array =>
  utf8Encode(`\n\nevent: edgewarden.closed\ndata: ${JSON.stringify({ code })}\n\n`)
