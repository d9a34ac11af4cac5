import { perAdmission, weigh } from '../../core/admission.ts'
import type { Decision, Facts } from '../../core/guard.ts'
import { ASSERTION_HEADER } from '../../core/model/assertion.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Route } from '../../core/model/route.ts'
import { partsOf } from '../../core/model/well-known.ts'
import type { Address } from '../../core/request.ts'
import { foldedName } from '../../core/text.ts'
import { setMcpHeaders, stripMcpHeaders } from '../../mcp/answer/headers.ts'
import { grantHeaders, grantName, identityHeaders, stripInbound } from './headers.ts'

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

/** Whether the gate reads answers: to mask secrets, or to filter MCP lists. */
export function isRead({ secrets, mcp }: Route): boolean {
  return secrets.length > 0 || mcp !== undefined
}

/** Headers for an origin, and the names that the gate has set, in lower case. */
interface Made {
  readonly headers: Headers
  readonly own: ReadonlySet<string>
}

/** The latest headers of an admission, and the request headers behind them. */
interface Last extends Made, Pick<Address, 'scheme' | 'authority'> {
  readonly names: readonly string[]
  readonly values: readonly string[]
}

/**
 * The headers for an origin. The runtime copies inbound headers, so kept ones are unchanged.
 * Repeated requests of an admission get a copy of the last headers. Names and values are right, but
 * the case of names and the line splits are those of the last request.
 */
export function originHeaders(
  inbound: Headers,
  assertion: string | undefined,
  context: OriginContext,
): Headers {
  const { policy, route, decision, requestId, clientIp } = context
  const headers = likeLast(inbound, context) ?? made(inbound, context).headers
  if (clientIp !== undefined) headers.set('X-Forwarded-For', clientIp)
  headers.set('X-Request-Id', requestId)
  if (decision.outcome === 'passed') {
    if (route.mcp) tellOperation(headers, decision.known)
    if (assertion !== undefined) {
      headers.set(policy.gate.identityPrefix + ASSERTION_HEADER, assertion)
    }
  }
  return headers
}

/** All headers for an origin but those set per request. */
const made = (inbound: Headers, { policy, route, address, decision }: OriginContext): Made => {
  const headers = new Headers(inbound)
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy, route)
  headers.delete('host')
  if (route.mcp && decision.outcome === 'passed') stripMcpHeaders(headers)
  const own = new Set<string>()
  const set = (name: string, value: string) => {
    headers.set(name, value)
    own.add(name.toLowerCase())
  }
  if (upgrade?.toLowerCase() === 'websocket' && !route.mcp) set('Upgrade', 'websocket')
  if (route.target.service) set('Host', partsOf(route.target.url).host)
  set('X-Forwarded-Proto', address.scheme)
  set('X-Forwarded-Host', address.authority)
  set('Via', '1.1 edgewarden')
  // Caches at the origin see no token, so this header forbids storing.
  if (route.access !== 'public') set('Cache-Control', 'no-cache, no-store')
  if (decision.outcome === 'passed') {
    for (const [name, value] of route.inject) set(name, value)
    // Only the gate sets an MCP server's session.
    if (route.mcp) stripMcpHeaders(headers)
    if (isRead(route)) {
      askWhole(headers)
      own.add('accept-encoding')
    }
    for (const [name, value] of identityHeaders(decision.known)) set(name, value)
  }
  return { headers, own }
}

/**
 * Copies the admission's last headers, with this request's values. Names must be equal; values may
 * differ where they are passed on or removed. Headers are kept from the second request on.
 * `undefined` if they must be built again.
 */
const likeLast = (inbound: Headers, context: OriginContext): Headers | undefined => {
  const { decision, address } = context
  // Many tokens are sent once: nothing is kept for them.
  if (decision.outcome !== 'passed' || !decision.known.admission.counted) return undefined
  const { admission } = decision.known
  const place = lastOf(admission, undefined)
  if (!place.isMet) {
    place.isMet = true
    return undefined
  }
  const names: string[] = []
  const values: string[] = []
  inbound.forEach((value, name) => {
    // All requests of an admission have the same token.
    if (name === 'authorization') return
    names.push(name)
    values.push(value)
  })
  const copy = place.last && copied(place.last, address, names, values)
  if (copy) return copy
  if (!values.every((value) => ASCII.test(value))) return undefined
  const { scheme, authority } = address
  const last = { ...made(inbound, context), scheme, authority, names, values }
  weigh(admission, weightOf(last) - (place.last ? weightOf(place.last) : 0))
  place.last = last
  return new Headers(last.headers)
}

const lastOf = perAdmission(
  (): { isMet: boolean; last?: Last } => ({ isMet: false }),
  () => 0,
)

const copied = (
  last: Last,
  { scheme, authority }: Address,
  names: readonly string[],
  values: readonly string[],
): Headers | undefined => {
  if (last.scheme !== scheme || last.authority !== authority) return undefined
  if (last.names.length !== names.length) return undefined
  const headers = new Headers(last.headers)
  for (let i = 0; i < names.length; i++) {
    const [name, value] = [names[i] as string, values[i] as string]
    if (last.names[i] !== name) return undefined
    if (last.values[i] === value) continue
    // A comma may join several lines, which would be lost.
    if (RULING.has(name) || value.includes(',') || !ASCII.test(value)) return undefined
    if (headers.has(name) && !last.own.has(name)) headers.set(name, value)
  }
  return headers
}

/**
 * A changed value of these needs new headers: the first two control which headers stay,
 * subprotocols may hold a token, and `Set-Cookie` has several lines.
 */
const RULING: ReadonlySet<string> = new Set([
  'connection',
  'upgrade',
  'sec-websocket-protocol',
  'set-cookie',
])

/** Other bytes may decode to equal text, so such values are not compared. */
const ASCII = /^[\t\x20-\x7e]*$/

/** Bytes of kept headers, on the heap and in the runtime. */
const weightOf = ({ names, values, headers }: Last): number =>
  [...headers].reduce(
    (sum, [name, value]) => sum + name.length + value.length + 128,
    names.reduce((sum, name, i) => sum + 2 * (name.length + (values[i] ?? '').length) + 64, 512),
  )

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
  if (known.grant === known.routeGrant) return
  headers.delete(grantName(known))
  for (const [name, value] of grantHeaders(known)) headers.set(name, value)
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
