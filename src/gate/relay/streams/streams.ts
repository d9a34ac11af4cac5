import { contentLength, joined } from '../../base/body.ts'
import { LIMITS } from '../../base/limits.ts'
import type { HeaderReader, RequestParts } from '../../base/request.ts'
import type { Decision, Facts, Passed } from '../../guard/guard.ts'
import { RENEWAL, subprotocolsOf } from '../../model/subprotocols.ts'
import { type Edit, remade } from '../origin/headers.ts'
import { lastOf } from './stream-last.ts'
import { IS_NATIVE, type Pipe, piped, pumped, resumed, start } from './stream-pipe.ts'
import { type Renewal, renewing } from './stream-renewal.ts'
import { relay, type Socket } from './stream-socket.ts'
import { watch } from './stream-watch.ts'

export interface StreamContext {
  readonly decision: Decision
  /**
   * Whether the body is unchanged from `fetch`, so that workerd can move it without a script. False
   * if a script made the body, or if the app has a `send` of its own.
   */
  readonly isFetched: boolean
  /** The answer's headers, if they were read before. */
  readonly headers?: HeaderReader
  /** In an event stream to an MCP client: the requests that have no response in the stream yet. */
  readonly openRequests?: (() => readonly (string | number)[]) | undefined
}

type Asked = Pick<RequestParts, 'method' | 'url' | 'headers' | 'body'>

/**
 * Ends an answer with its token: expired, revoked, or its status could not be checked (see
 * {@link watch}). Streams end as {@link lastOf} says, WebSockets with a close code; other bodies
 * break off. Returns the same answer if `on_revocation` excludes it, for small bodies by
 * Content-Length, without a token, and in shadow mode.
 */
export function limitedToToken(
  given: Response,
  request: Asked,
  { decision, isFetched, headers = given.headers, openRequests }: StreamContext,
): Response | Promise<Response> {
  const response = withSubprotocol(given, request)
  if (decision.outcome !== 'passed') return response
  const { method } = request
  const { mode, onRevocation, target, secrets, finishWithin } = decision.known.route
  if (mode === 'shadow' || onRevocation === 'ignore') return response
  const { webSocket } = response as { readonly webSocket?: Socket | null }
  if (webSocket) return withSocket(response, webSocket, request, decision)
  const { status } = response
  if (method === 'HEAD' || BODILESS.has(status)) return response
  // Over a service binding the header is a Worker's claim, and frames nothing.
  const isFramed = (target.service ?? target.via) === undefined
  const length = isFramed ? contentLength(headers) : undefined
  if (length !== undefined && length <= LIMITS.smallBodyBytes) return response
  if (onRevocation === 'end-streams' && !isStream(headers, length)) return response
  const { body } = response
  if (!body) return response
  const isEncoded = hasCoding(headers)
  const last =
    length === undefined && !isEncoded ? lastOf({ request, headers, openRequests }) : undefined
  const edits: readonly Edit[] = isFramed ? [] : [['content-length']]
  const watched = ({ readable, over, cut }: Pipe): Response => {
    const { known, ports, onLate } = decision
    decision.isOpen = true
    const stop = watch(known, ports, (ending) => cut(last?.last(ending)), {
      // An MCP client opens an idle stream again. By then the client should have its next token; two requests at the
      // same time could make it get two tokens.
      mayFinish: (since) =>
        openRequests?.().length === 0
          ? since < finishWithin * (1000 / 2)
          : isReceived(request, decision),
      onLate,
    })
    void over.then(stop).then(decision.leave)
    return remade(response, readable, edits)
  }
  // workerd's pipe cannot cut a script's body while it waits, nor read from another pipe.
  if (secrets.length > 0 || !isFetched || last?.tap) {
    const source = last?.tap ? body.pipeThrough(last.tap) : body
    return watched(pumped(source, isEncoded && !isFetched ? undefined : length))
  }
  // Over HTTP a short text would get another framing than the origin's.
  const isPiped = onRevocation === 'end-streams' && (isFramed || STREAMS.test(typeOf(headers)))
  if (length !== undefined || !IS_NATIVE || isPiped || last) return watched(piped(body, length))
  return start(body).then(({ chunks, rest }) =>
    rest ? watched(resumed(body, { chunks, rest })) : remade(response, joined(chunks), edits),
  )
}

/**
 * Whether the request's body has arrived whole. A body whose progress the gate does not follow counts as arrived if its
 * length was announced.
 */
const isReceived = ({ body, headers }: Asked, { isReceived, known }: Passed): boolean =>
  isReceived
    ? isReceived()
    : !body || known.held !== undefined || contentLength(headers) !== undefined

/** Content types of streams; with several header lines any of them counts. */
const STREAMS =
  /(?:^|,)\s*(?:text\/event-stream|application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-seq|stream\+json|grpc[^;,]*|connect\+[^;,]*|vnd\.amazon\.eventstream)|multipart\/x-mixed-replace|audio\/[^;,]*|video\/[^;,]*)\s*(?:[;,]|$)/i
/** Content types that may be streams if the length is unknown. */
const UNBOUNDED =
  /(?:^|,)\s*(?:application\/octet-stream|text\/plain|multipart\/mixed)?\s*(?:[;,]|$)/i

const typeOf = (headers: HeaderReader): string => headers.get('content-type') ?? ''

const isStream = (headers: HeaderReader, length: number | undefined): boolean => {
  const type = typeOf(headers)
  return STREAMS.test(type) || (length === undefined && UNBOUNDED.test(type))
}

const withSocket = (
  response: Response,
  origin: Socket,
  { headers: asked }: Asked,
  decision: Passed,
): Response => {
  const { known, ports, onLate, renew } = decision
  let stop = () => {}
  let isOver = false
  let renewal: Renewal | undefined
  const over = () => {
    isOver = true
    stop()
    decision.leave?.()
  }
  const { agent, cut, tell } = relay(origin, over, { take: (text) => renewal?.take(text) ?? false })
  const follow = (facts: Facts) => {
    stop()
    // The handshake was received whole.
    if (!isOver) stop = watch(facts, ports, cut, { mayFinish: () => true, onLate })
  }
  decision.isOpen = true
  follow(known)
  const { status, headers } = response
  if (renew && offersRenewal(asked)) {
    renewal = renewing(renew, tell, follow, ports.clock)
    renewal.begin(known)
  }
  return new Response(null, { status, headers, webSocket: agent } as ResponseInit)
}

/** A WebSocket for which the origin chose no subprotocol gets the gate's own, on every rule: clients give up without any. */
const withSubprotocol = (response: Response, { headers: asked }: Asked): Response => {
  const { webSocket } = response as { readonly webSocket?: Socket | null }
  if (!webSocket || response.headers.has(SUBPROTOCOLS) || !offersRenewal(asked)) return response
  const headers = new Headers(response.headers)
  headers.set(SUBPROTOCOLS, RENEWAL)
  return new Response(null, { status: response.status, headers, webSocket } as ResponseInit)
}

const offersRenewal = (asked: HeaderReader): boolean =>
  subprotocolsOf(asked.get(SUBPROTOCOLS)).includes(RENEWAL)

const SUBPROTOCOLS = 'sec-websocket-protocol'

/** Statuses whose answer has no body (RFC 9110 §6.4.1). */
export const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** Whether a body has a content coding. `none` is not registered, but GraphQL Yoga names it for event streams. */
const hasCoding = (headers: HeaderReader): boolean =>
  !/^\s*(?:identity|none)?\s*$/i.test(headers.get('content-encoding') ?? '')
