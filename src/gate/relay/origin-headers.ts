import { copyOf, type RequestHead } from '../base/request.ts'
import { foldedName } from '../base/text.ts'
import type { Address } from '../base/url.ts'
import type { Decision, Facts } from '../guard/guard.ts'
import { ASSERTION_HEADER } from '../model/assertion.ts'
import type { Policy } from '../model/policy.ts'
import type { Route } from '../model/route.ts'
import { partsOf } from '../model/well-known.ts'
import { setMcpHeaders, stripMcpHeaders } from './mcp/headers.ts'
import { identityHeaders, setGrant, stripInbound } from './origin/headers.ts'

/** The facts behind an origin's headers. */
export interface OriginContext {
  readonly policy: Policy
  readonly route: Route
  readonly address: Address
  readonly decision: Decision
  readonly requestId: string
  /** The caller's address, if known. */
  readonly clientIp?: string | undefined
}

type Asked = Pick<RequestHead, 'method' | 'headers'>

/** Whether the gate reads answers: to mask secrets, or to filter MCP lists. */
export function isRead({ secrets, mcp }: Route): boolean {
  return secrets.length > 0 || mcp !== undefined
}

/** The headers for an origin. */
export function originHeaders(
  asked: Asked,
  assertion: string | undefined,
  { policy, route, address, decision, requestId, clientIp }: OriginContext,
): Headers {
  const headers = copyOf(asked.headers)
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy, route, asked.headers)
  headers.delete('host')
  if (route.mcp && decision.outcome === 'passed') stripMcpHeaders(headers)
  // With this header workerd sends a GET, whatever the method.
  const isHandshake = upgrade?.toLowerCase() === 'websocket' && asked.method === 'GET'
  if (isHandshake && !route.mcp) headers.set('Upgrade', 'websocket')
  if (route.target.service) headers.set('Host', partsOf(route.target.url).host)
  headers.set('X-Forwarded-Proto', address.scheme)
  headers.set('X-Forwarded-Host', address.authority)
  headers.set('Via', '1.1 edgewarden')
  // Caches at the origin see no token, so this header forbids storing.
  if (route.access !== 'public') headers.set('Cache-Control', 'no-cache, no-store')
  if (decision.outcome === 'passed') {
    for (const [name, value] of route.inject) headers.set(name, value)
    // Only the gate sets an MCP server's session.
    if (route.mcp) stripMcpHeaders(headers)
    if (isRead(route)) askWhole(headers)
    for (const [name, value] of identityHeaders(decision.known)) headers.set(name, value)
    if (route.mcp) tellOperation(headers, decision.known)
    if (assertion !== undefined) {
      headers.set(policy.gate.identityPrefix + ASSERTION_HEADER, assertion)
    }
  }
  if (clientIp !== undefined) headers.set('X-Forwarded-For', clientIp)
  headers.set('X-Request-Id', requestId)
  return headers
}

/**
 * The headers for an MCP server in the same process. They are an origin's, with the caller's token
 * and without injected headers.
 */
export function handlerHeaders(inbound: Headers, known: Facts): Headers {
  const headers = new Headers(inbound)
  const token = inbound.get('authorization')
  stripInbound(headers, known.policy, known.route)
  stripMcpHeaders(headers)
  if (token !== null) headers.set('Authorization', token)
  askWhole(headers)
  for (const [name, value] of identityHeaders(known)) headers.set(name, value)
  tellOperation(headers, known)
  return headers
}

/** Sets the headers of a request's operation, in place. */
const tellOperation = (headers: Headers, known: Facts): void => {
  setMcpHeaders(headers, known.operation)
  if (known.grant !== known.routeGrant) setGrant(headers, known)
}

/** Headers that ask for a part of an answer, or for a charset. */
const CHOOSING = ['range', 'if-range', 'request-range', 'a-im', 'accept-charset']

/** Asks for a complete, unencoded answer. */
const askWhole = (headers: Headers): void => {
  for (const name of [...headers.keys()]) {
    if (CHOOSING.includes(foldedName(name))) headers.delete(name)
  }
  headers.set('Accept-Encoding', 'identity')
}
