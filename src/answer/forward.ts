import { type Denial, denials } from '../base/denial.ts'
import type { Address } from '../base/request.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Decision } from '../guard.ts'
import type { Policy } from '../model/policy.ts'
import type { Route, Target } from '../model/route.ts'
import { identityHeaders, stripInbound } from './headers.ts'
import { patience, streamed } from './upload.ts'

const deny = denials({
  body_unexpected: [
    'badRequest',
    'A GET or HEAD request with a body cannot be forwarded',
    'Send the request without a body, or with a method whose body has a meaning (RFC 9110 §9.3.1)',
  ],
  origin_unreachable: [
    'badOrigin',
    'The origin behind the gate could not be reached, or its answer is no HTTP answer',
    'Try again; if it lasts, tell the operator the request_id',
  ],
  origin_timeout: [
    'originTimeout',
    'The origin behind the gate did not answer in time',
    'Try again later, or ask for less in one request',
  ],
  origin_credential_refused: [
    'badOrigin',
    "The origin refused the gate's own credential",
    'Your token is not at fault; tell the operator the request_id',
  ],
})

export const forwardDenials = deny

/** Sends a request to an origin: the network, or a named service binding. */
export type Send = (target: Target, request: Request) => Promise<Response>

/** What forwarding needs to know beside the request. */
export interface ForwardContext {
  readonly policy: Policy
  readonly route: Route
  readonly address: Address
  readonly decision: Decision
  readonly requestId: string
  /** The caller's address, where it is known. */
  readonly clientIp?: string | undefined
  readonly send: Send
}

/** Why there is no answer to hand back, and the origin's status where it gave one. */
export interface ForwardFault {
  readonly denial: Denial
  readonly status?: number
}

/**
 * Sends an allowed request to its origin: inbound identity and forwarding headers removed, the
 * verified ones set, the path as it was matched, bodies streaming both ways, redirects handed
 * back. Decides nothing: the line has. Gives the origin's response untouched, or a denial.
 */
export const forward = async (
  request: Request,
  context: ForwardContext,
): Promise<Result<Response, ForwardFault>> => {
  const { route, send } = context
  if (isBodiless(request.method) && hasBody(request)) {
    return fail({ denial: deny('body_unexpected') })
  }
  const wait = patience(route.target.timeout)
  const body = isBodiless(request.method) ? null : request.body
  const abort = body || !ENDS_WITH_REQUEST ? new AbortController() : undefined
  const overNetwork = route.target.service === undefined
  const outbound = new Request(originUrl(context), {
    method: request.method,
    headers: request.headers,
    redirect: 'manual',
    // An answer for one agent is never another's.
    cache: 'no-store',
    ...(abort && { signal: abort.signal }),
    ...(body &&
      abort && { body: streamed(body, request, { wait, abort, overNetwork }), duplex: 'half' }),
  } as RequestInit)
  setOriginHeaders(outbound.headers, context)
  if (!body) wait.begin()
  try {
    const sending = send(route.target, outbound)
    const response = await Promise.race([sending, wait.timeout])
    if (!response) {
      abort?.abort()
      void sending.then((late) => late.body?.cancel()).catch(() => {})
      return fail({ denial: deny('origin_timeout', { timeout: route.target.timeout }) })
    }
    const { status } = response
    if (!isAnswer(response)) return fail({ denial: deny('origin_unreachable', { status }), status })
    if (route.inject.length === 0 || status !== 401) return ok(response)
    await response.body?.cancel()
    return fail({ denial: deny('origin_credential_refused'), status })
  } catch (error) {
    return fail({ denial: deny('origin_unreachable', { error: String(error) }) })
  } finally {
    wait.over()
  }
}

/** workerd, told by a stream of its own, ends what a request has started when the request is over. */
const ENDS_WITH_REQUEST = 'FixedLengthStream' in globalThis

/** A final status (RFC 9110 §15), or a WebSocket that was agreed on. */
const isAnswer = (response: Response): boolean =>
  (response.status >= 200 && response.status <= 599) ||
  Boolean((response as { webSocket?: unknown }).webSocket)

/** Methods whose body no request of the platform can carry. */
const isBodiless = (method: string): boolean => method === 'GET' || method === 'HEAD'

const hasBody = (request: Request): boolean =>
  request.body !== null && request.headers.get('content-length') !== '0'

/** Where the request goes: the origin's own path in front, `strip_prefix` taken away. */
const originUrl = ({ route, address }: ForwardContext): string => {
  const { url, stripPrefix } = route.target
  const base = url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')
  const path = address.path.slice(stripPrefix.length)
  return url.origin + base + (path.startsWith('/') ? path : `/${path}`) + address.query
}

/** Turns the headers a request came with into those the origin is told, in place. */
const setOriginHeaders = (headers: Headers, context: ForwardContext): void => {
  const { policy, route, address, decision, requestId, clientIp } = context
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy.gate, route)
  if (upgrade?.toLowerCase() === 'websocket') headers.set('Upgrade', 'websocket')
  if (route.target.service) headers.set('Host', route.target.url.host)
  else headers.delete('host')
  if (clientIp !== undefined) headers.set('X-Forwarded-For', clientIp)
  headers.set('X-Forwarded-Proto', address.scheme)
  headers.set('X-Forwarded-Host', address.authority)
  headers.set('Via', '1.1 edgewarden')
  headers.set('X-Request-Id', requestId)
  if (decision.outcome === 'passed') {
    for (const [name, value] of route.inject) headers.set(name, value)
    for (const [name, value] of identityHeaders(decision.known)) {
      headers.set(policy.gate.identityPrefix + name, value)
    }
  }
}
