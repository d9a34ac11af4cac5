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

/** What an origin is told of. */
export interface OriginContext {
  readonly policy: Policy
  readonly route: Route
  readonly address: Address
  readonly decision: Decision
  readonly requestId: string
  /** The caller's address, where it is known. */
  readonly clientIp?: string | undefined
}

/** Whether answers are searched: for secrets, or for what a caller of MCP may not know of. */
export function isRead({ secrets, mcp }: Route): boolean {
  return secrets.length > 0 || mcp !== undefined
}

/** Headers made for an origin, and the names in them whose values are those of the request. */
interface Made {
  readonly headers: Headers
  readonly kept: ReadonlySet<string>
}

/** The headers that were made last for an admission, and the request they were made of. */
interface Last extends Made, Pick<Address, 'scheme' | 'authority'> {
  readonly names: readonly string[]
  readonly values: readonly string[]
}

/**
 * The headers an origin is told. The runtime copies those that the request came with, so what stays is byte for byte
 * as it came. An agent sends nearly the same headers with each request. Where it does, the headers that were made
 * before are copied: then names and values are the same, but the case of a name and its lines are the earlier ones.
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

/** All headers for an origin but those that are told of each request. */
const made = (inbound: Headers, { policy, route, address, decision }: OriginContext): Made => {
  const headers = new Headers(inbound)
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy.gate, route)
  headers.delete('host')
  if (route.mcp && decision.outcome === 'passed') stripMcpHeaders(headers)
  const kept = new Set<string>(headers.keys())
  const set = (name: string, value: string) => {
    headers.set(name, value)
    kept.delete(name.toLowerCase())
  }
  if (upgrade?.toLowerCase() === 'websocket' && !route.mcp) set('Upgrade', 'websocket')
  if (route.target.service) set('Host', partsOf(route.target.url).host)
  set('X-Forwarded-Proto', address.scheme)
  set('X-Forwarded-Host', address.authority)
  set('Via', '1.1 edgewarden')
  // The origin sees no credential by which a cache before it would know to keep nothing.
  if (route.access !== 'public') set('Cache-Control', 'no-cache, no-store')
  if (decision.outcome === 'passed') {
    for (const [name, value] of route.inject) set(name, value)
    // Nobody but the gate tells an MCP server its session.
    if (route.mcp) stripMcpHeaders(headers)
    if (isRead(route)) {
      for (const name of askWhole(headers)) kept.delete(name)
    }
    for (const [name, value] of identityHeaders(decision.known)) set(name, value)
  }
  return { headers, kept }
}

/**
 * A copy of the headers that were made before for this admission, with the values of this request. Both requests must
 * have the same names. Values may differ where they are only passed on, or go no further than the gate. From the
 * second request on the headers are kept. `undefined` where they have to be made anew.
 */
const likeLast = (inbound: Headers, context: OriginContext): Headers | undefined => {
  const { decision, address } = context
  // Many tokens are sent once, and nothing is kept for those.
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
    // The same for all requests of an admission.
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
    // A comma may join lines, which are to be passed on as they are.
    if (RULING.has(name) || value.includes(',') || !ASCII.test(value)) return undefined
    if (last.kept.has(name)) headers.set(name, value)
  }
  return headers
}

/**
 * Where the value of one of these differs, all headers are made anew: the first two say which headers stay, and
 * `Set-Cookie` is read line by line.
 */
const RULING: ReadonlySet<string> = new Set(['connection', 'upgrade', 'set-cookie'])

/** Other bytes may be decoded to the same text, so such values are never compared. */
const ASCII = /^[\t\x20-\x7e]*$/

/** Bytes that are kept, on the heap and in the runtime. */
const weightOf = ({ names, values, headers }: Last): number =>
  [...headers].reduce(
    (sum, [name, value]) => sum + name.length + value.length + 128,
    names.reduce((sum, name, i) => sum + 2 * (name.length + (values[i] ?? '').length) + 64, 512),
  )

/**
 * The headers that an MCP server in the same process is told, from those a request came with: as one behind the
 * gate, but that it has the caller's token, and that nothing is injected.
 */
export function handlerHeaders(inbound: Headers, known: Facts): Headers {
  const headers = new Headers(inbound)
  const token = inbound.get('authorization')
  stripInbound(headers, known.policy.gate, known.route)
  stripMcpHeaders(headers)
  if (token !== null) headers.set('Authorization', token)
  askWhole(headers)
  for (const [name, value] of identityHeaders(known)) headers.set(name, value)
  tellOperation(headers, known)
  return headers
}

/** Sets what is known of a request's operation, in place. */
const tellOperation = (headers: Headers, known: Facts): void => {
  setMcpHeaders(headers, known.operation)
  if (known.grant === known.routeGrant) return
  headers.delete(grantName(known))
  for (const [name, value] of grantHeaders(known)) headers.set(name, value)
}

/** What an agent could ask for a part by, or for another charset. */
const CHOOSING = ['range', 'if-range', 'request-range', 'a-im', 'accept-charset']

/** A secret cannot be recognised in a coding, in most charsets, or by a part of it. Returns the names it has changed. */
const askWhole = (headers: Headers): readonly string[] => {
  const choosing = [...headers.keys()].filter((name) => CHOOSING.includes(foldedName(name)))
  for (const name of choosing) headers.delete(name)
  headers.set('Accept-Encoding', 'identity')
  return [...choosing, 'accept-encoding']
}
