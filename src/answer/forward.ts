import { type Denial, denials } from '../base/denial.ts'
import type { Address } from '../base/request.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Decision } from '../guard.ts'
import type { Policy } from '../model/policy.ts'
import type { Route, Target } from '../model/route.ts'
import { identityHeaders, stripInbound } from './headers.ts'

const deny = denials({
  origin_unreachable: [
    'badOrigin',
    'The origin behind the gate could not be reached',
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

/**
 * Sends an allowed request to its origin: inbound identity and forwarding headers removed, the
 * verified ones set, the path as it was matched, bodies streaming both ways, redirects handed
 * back. Decides nothing: the line has. Gives the origin's response untouched, or a denial.
 */
export const forward = async (
  request: Request,
  context: ForwardContext,
): Promise<Result<Response, Denial>> => {
  const { route, send } = context
  const deadline = new AbortController()
  const body = requestBody(request)
  let timedOut = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const start = () => {
    timer = setTimeout(() => {
      timedOut = true
      deadline.abort()
    }, route.target.timeout)
  }
  const outbound = new Request(originUrl(context), {
    method: request.method,
    headers: originHeaders(request, context),
    redirect: 'manual',
    signal: deadline.signal,
    ...(body && { body: body.stream, duplex: 'half' }),
  } as RequestInit)
  let answered = false
  if (body)
    body.sent.then(
      () => answered || start(),
      () => answered || start(),
    )
  else start()
  try {
    const response = await send(route.target, outbound)
    if (route.inject.length === 0 || response.status !== 401) return ok(response)
    await response.body?.cancel()
    return fail(deny('origin_credential_refused'))
  } catch (error) {
    return fail(
      timedOut
        ? deny('origin_timeout', { timeout: route.target.timeout })
        : deny('origin_unreachable', { error: String(error) }),
    )
  } finally {
    answered = true
    if (timer !== undefined) clearTimeout(timer)
  }
}

/** A stream type of workerd that keeps Content-Length; absent elsewhere. */
type FixedLength = new (
  length: number,
) => {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** The body, and a promise of the moment its last byte was taken: there the origin's time begins. */
const requestBody = (request: Request) => {
  if (!request.body) return undefined
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  const Fixed = (globalThis as { FixedLengthStream?: FixedLength }).FixedLengthStream
  const pipe =
    Fixed && Number.isSafeInteger(length) ? new Fixed(length) : new TransformStream<Uint8Array>()
  return { stream: pipe.readable, sent: request.body.pipeTo(pipe.writable) }
}

/** Where the request goes: the origin's own path in front, `strip_prefix` taken away. */
const originUrl = ({ route, address }: ForwardContext): string => {
  const { url, stripPrefix } = route.target
  const base = url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')
  const path = address.path.slice(stripPrefix.length)
  return url.origin + base + (path.startsWith('/') ? path : `/${path}`) + address.query
}

const originHeaders = (request: Request, context: ForwardContext): Headers => {
  const { policy, route, address, decision, requestId, clientIp } = context
  const headers = stripInbound(request.headers, policy.gate, route)
  if (request.headers.get('upgrade')?.toLowerCase() === 'websocket') {
    headers.set('Upgrade', 'websocket')
  }
  if (route.target.service) headers.set('Host', route.target.url.host)
  else headers.delete('host')
  if (clientIp !== undefined) headers.set('X-Forwarded-For', clientIp)
  headers.set('X-Forwarded-Proto', address.scheme)
  headers.set('X-Forwarded-Host', address.authority)
  headers.set('Via', '1.1 edgewarden')
  headers.set('X-Request-Id', requestId)
  for (const [name, value] of route.inject) headers.set(name, value)
  if (decision.outcome === 'passed') {
    for (const [name, value] of identityHeaders(decision.known)) {
      headers.set(policy.gate.identityPrefix + name, value)
    }
  }
  return headers
}
