import { isEventStream } from '../answer/dialects.ts'
import { atMost, contentLength } from '../base/body.ts'
import { chainDenials } from '../base/chain.ts'
import type { Denial } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import type { RequestParts } from '../base/request.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { bodyDenials, ownerOf } from '../guard/operation/body.ts'
import { signingDenials } from '../guard/stages/assertion.ts'
import type { Route } from '../model/route.ts'
import { subprotocolsOf } from '../model/subprotocols.ts'
import { partsOf, pathAtOrigin } from '../model/well-known.ts'
import { assertionFor, UNSIGNED } from './assertion.ts'
import { forwardDenials as deny, type Outbound, type Send } from './origin/send.ts'
import { isRead, type OriginContext, originHeaders } from './origin-headers.ts'
import type { Socket } from './streams/stream-socket.ts'
import {
  abortWith,
  createOriginTimer,
  isWatchedPending,
  streamed,
  watchRequest,
} from './streams/upload.ts'
import { isReadable } from './streams/without-secrets.ts'

export interface ForwardContext extends OriginContext {
  /** Copies the headers before it returns, as `fetch` does: the next request changes them. */
  readonly send: Send
}

/** The denial in place of an answer, and the origin's status if it sent one. */
export interface ForwardFault {
  readonly denial: Denial
  readonly status?: number
}

/**
 * Sends an allowed request to its origin. Removes inbound identity headers, sets verified ones,
 * keeps the matched path, streams bodies and returns redirects. Decides nothing. Returns the
 * origin's response untouched, or a denial. Refuses a body that was already read. Outside workerd,
 * the request's signal aborts it until the response.
 */
export function forward(
  request: RequestParts,
  context: ForwardContext,
): Promise<Result<Response, ForwardFault>> {
  const { held, agent } = context.decision.known
  return held && agent
    ? sendHeld(held.bytes, ownerOf(agent), request, context)
    : sendOn(request, context)
}

/** The body occupies memory until the origin has answered. */
const sendHeld = async (
  { length }: Uint8Array,
  owner: string,
  request: RequestParts,
  context: ForwardContext,
): Promise<Result<Response, ForwardFault>> => {
  const { decision, route } = context
  const ms = Math.min(route.target.timeout ?? LIMITS.originMs, LIMITS.originMs) + LIMITS.heldSlackMs
  const room = decision.ports.bodies.open(owner, ms)
  try {
    return room.take(length)
      ? await sendOn(request, context)
      : fail({ denial: bodyDenials('bodies_full') })
  } finally {
    room.leave()
  }
}

const sendOn = async (
  request: RequestParts,
  context: ForwardContext,
): Promise<Result<Response, ForwardFault>> => {
  const { route, address, decision } = context
  const { method } = request
  const { target } = route
  const held = decision.known.held?.bytes
  if (isBodiless(method) && (held ? held.length > 0 : hasBody(request))) {
    return fail({ denial: deny('body_unexpected') })
  }
  // MCP endpoints get only bodies the gate has read.
  const body = isBodiless(method) || held || route.mcp ? null : request.body
  if (body && (request.bodyUsed || body.locked)) {
    return fail({ denial: chainDenials('unavailable') })
  }
  const url = partsOf(target.url).origin + pathAtOrigin(target, address.path) + address.query
  const signed = assertionFor(method, url, decision)
  const assertion = signed instanceof Promise ? await signed : signed
  if (assertion === UNSIGNED) return fail({ denial: signingDenials('assertion_unavailable') })
  if (assertion !== undefined) decision.assertion = assertion
  const outbound = {
    method,
    headers: originHeaders(request, assertion, context),
    redirect: 'manual',
    // In workerd this forwards a body as it is, still encoded.
    ...(!isRead(route) && { encodeResponseBody: 'manual' }),
    // So that an agent cannot get the cached answer of another agent. Only GET and HEAD are cached.
    ...(isBodiless(method) && { cache: 'no-store' }),
    ...(held && held.length > 0 && { body: held }),
    ...(body && { body }),
  } as Outbound
  // Workerd reads the rest of a shorter body after any answer.
  const isLong = body && (contentLength(request.headers) ?? Infinity) > LIMITS.restBytes
  const isWatched =
    isLong || !ENDS_WITH_REQUEST || target.timeout !== undefined || isWatchedPending(route)
  try {
    const sent = await (isWatched
      ? sendWatched(request, body, { url, outbound }, context)
      : context.send(target, url, outbound, isRead(route)).then(ok))
    if (!sent.ok) return sent
    const { status } = sent.value
    if (!isAnswer(sent.value, status, outbound)) {
      const socket = socketOf(sent.value)
      socket?.accept()
      // A protocol error (RFC 6455 §7.4.1).
      socket?.close(1002)
      return fail({ denial: deny('origin_unreachable', { status }), status })
    }
    const denial = refusedAnswer(sent.value, route)
    if (!denial) return sent
    await sent.value.body?.cancel()
    return fail({ denial, status })
  } catch (error) {
    return fail({ denial: deny('origin_unreachable', { error: String(error) }) })
  }
}

/**
 * Sends a request that may have to be aborted: at a time limit, when its token ends, or on runtimes
 * that do not abort it themselves. `body` is copied chunk by chunk.
 */
const sendWatched = async (
  request: RequestParts,
  body: ReadableStream<Uint8Array> | null,
  { url, outbound }: { readonly url: string; readonly outbound: Outbound },
  context: ForwardContext,
): Promise<Result<Response, ForwardFault>> => {
  const { route, decision, send, policy } = context
  const { target } = route
  const wait = createOriginTimer(target.timeout)
  const isAborted = body || !ENDS_WITH_REQUEST || isWatchedPending(route)
  const abort = isAborted ? new AbortController() : undefined
  const overNetwork = (target.service ?? target.via) === undefined
  const { ms, bytes } = policy.gate.unreadBody
  const upload =
    body && abort
      ? streamed(body, request, { wait, abort, overNetwork, dropBytes: bytes })
      : undefined
  if (upload) decision.isReceived = upload.isWhole
  const watched = watchRequest(decision, abort)
  const unfollow = abort && !ENDS_WITH_REQUEST ? abortWith(request.signal, abort) : undefined
  // An origin may answer during the upload. Event streams are watched separately.
  let until: Promise<void> | undefined
  if (!body) wait.begin()
  try {
    const sending = send(
      target,
      url,
      {
        ...outbound,
        ...(abort && { signal: abort.signal }),
        ...(upload && { body: upload.readable, duplex: 'half' }),
      } as Outbound,
      isRead(route),
    )
    const response = await Promise.race([sending, wait.timeout, watched.ended])
    if (!response || 'code' in response) {
      abort?.abort()
      void sending.then((late) => late.body?.cancel()).catch(() => {})
      if (upload) await atMost(ms, upload.through)
      return fail({ denial: response ?? deny('origin_timeout', { timeout: target.timeout }) })
    }
    // Once a refusal has been read, workerd ends the upload, and a client that is still sending may lose it.
    if (upload && response.status >= 300) {
      const rest = atMost(ms, upload.rest())
      const denial = await Promise.race([rest, watched.ended])
      if (denial) {
        // The abort has ended the answer too.
        void response.body?.cancel().catch(() => {})
        await rest
        return fail({ denial, status: response.status })
      }
    }
    if (ENDS_WITH_REQUEST && !isEventStream(response.headers)) until = upload?.through
    return ok(response)
  } catch (error) {
    if (upload?.brokeOff()) return fail({ denial: bodyDenials('body_incomplete') })
    if (upload) await atMost(ms, upload.through)
    throw error
  } finally {
    unfollow?.()
    if (until) void until.then(watched.over)
    else watched.over()
    wait.over()
  }
}

/** The denial of an unusable answer, on rules that inject credentials or guard an MCP server. */
export function refusedAnswer(response: Response, route: Route): Denial | undefined {
  const { inject, mcp } = route
  // The origin refused the gate's credential: the agent's token was not sent.
  if ((inject.length > 0 || mcp) && response.status === 401) {
    return deny('origin_credential_refused')
  }
  if (mcp && 'webSocket' in response && response.webSocket) return deny('origin_unreachable')
  return !isRead(route) || isReadable(response) ? undefined : deny('origin_encoding_unsupported')
}

/** Whether the runtime is workerd, which ends subrequests with their request. */
const ENDS_WITH_REQUEST = 'FixedLengthStream' in globalThis

const socketOf = (response: Response) => (response as { webSocket?: Socket | null }).webSocket

/**
 * Whether the response has a final status (RFC 9110 §15), or is a WebSocket with none of the
 * subprotocols or one that was offered (RFC 6455 §4.1).
 */
const isAnswer = (response: Response, status: number, { headers }: Outbound): boolean => {
  if (status >= 200 && status <= 599) return true
  const name = 'sec-websocket-protocol'
  const chosen = response.headers.get(name)
  const isOffered = chosen === null || subprotocolsOf(headers.get(name)).includes(chosen)
  return isOffered && Boolean(socketOf(response))
}

/** Whether `fetch` allows no body with this method. */
export function isBodiless(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

const hasBody = (request: RequestParts): boolean =>
  request.body !== null && request.headers.get('content-length') !== '0'
