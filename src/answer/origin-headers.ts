import { foldedName } from '../base/text.ts'
import type { Facts } from '../guard.ts'
import { ASSERTION_HEADER } from '../model/assertion.ts'
import type { Route } from '../model/route.ts'
import { partsOf } from '../model/well-known.ts'
import type { ForwardContext } from './forward.ts'
import { identityHeaders, stripInbound } from './headers.ts'
import { setMcpHeaders } from './mcp/request.ts'

/** Whether answers are searched: for secrets, or for what a caller of MCP may not know of. */
export const isRead = ({ secrets, mcp }: Route): boolean => secrets.length > 0 || mcp !== undefined

/**
 * The headers an origin is told, from those a request came with: copied by the runtime, so that what stays is
 * byte for byte as it came, in as many lines.
 */
export const originHeaders = (
  inbound: Headers,
  assertion: string | undefined,
  context: ForwardContext,
): Headers => {
  const { policy, route, address, decision, requestId, clientIp } = context
  const headers = new Headers(inbound)
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy.gate, route)
  if (upgrade?.toLowerCase() === 'websocket' && !route.mcp) headers.set('Upgrade', 'websocket')
  if (route.target.service) headers.set('Host', partsOf(route.target.url).host)
  else headers.delete('host')
  if (clientIp !== undefined) headers.set('X-Forwarded-For', clientIp)
  headers.set('X-Forwarded-Proto', address.scheme)
  headers.set('X-Forwarded-Host', address.authority)
  headers.set('Via', '1.1 edgewarden')
  headers.set('X-Request-Id', requestId)
  // The origin sees no credential by which a cache before it would know to keep nothing.
  if (route.access !== 'public') headers.set('Cache-Control', 'no-cache, no-store')
  if (decision.outcome === 'passed') {
    for (const [name, value] of route.inject) headers.set(name, value)
    tell(headers, decision.known)
    if (assertion !== undefined) {
      headers.set(policy.gate.identityPrefix + ASSERTION_HEADER, assertion)
    }
  }
  return headers
}

/**
 * The headers that an MCP server in the same process is told, from those a request came with: as one behind the
 * gate, but that it has the caller's token, and that nothing is injected.
 */
export const handlerHeaders = (inbound: Headers, known: Facts): Headers => {
  const headers = new Headers(inbound)
  const token = inbound.get('authorization')
  stripInbound(headers, known.policy.gate, known.route)
  if (token !== null) headers.set('Authorization', token)
  tell(headers, known)
  return headers
}

/** Sets what is known of a request that passed, in place. */
const tell = (headers: Headers, known: Facts): void => {
  const { route, operation } = known
  if (isRead(route)) askWhole(headers)
  if (route.mcp) setMcpHeaders(headers, operation)
  for (const [name, value] of identityHeaders(known)) headers.set(name, value)
}

/** What an agent could ask for a part by, or for another charset. */
const CHOOSING = ['range', 'if-range', 'request-range', 'a-im', 'accept-charset']

/** A secret cannot be recognised in a coding, in most charsets, or by a part of it. */
const askWhole = (headers: Headers): void => {
  for (const name of [...headers.keys()]) {
    if (CHOOSING.includes(foldedName(name))) headers.delete(name)
  }
  headers.set('Accept-Encoding', 'identity')
}
