import { type Admission, perAdmission, weigh } from '../base/admission.ts'
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

/** Headers for an origin, and the names that the gate has set, in lower case. */
interface Made {
  readonly headers: Headers
  readonly own: ReadonlySet<string>
}

/** The kept headers of an admission, and what its last request asked with. */
interface Kept {
  readonly headers: Headers
  readonly names: readonly string[]
  readonly values: string[]
  /** Whether the origin gets the value that the request has, by name. */
  readonly passes: readonly boolean[]
}

/**
 * Headers for one request. Once `fetch` has copied the headers, `giveBack` lets the next request use the same object.
 */
interface Lent {
  readonly headers: Headers
  readonly giveBack?: () => void
}

/**
 * The headers for an origin. The runtime copies inbound headers, so kept ones are unchanged.
 * Requests of an admission use the same headers, one at a time. Names and values are right, but
 * the case of names and the line splits are those of an earlier request.
 */
export function originHeaders(
  asked: Asked,
  assertion: string | undefined,
  context: OriginContext,
): Lent {
  const { policy, route, decision, requestId } = context
  const lent: Lent = likeLast(asked, context) ?? made(asked, context)
  // Operations of MCP change more than the next request sets again.
  const headers = route.mcp ? new Headers(lent.headers) : lent.headers
  headers.set('X-Request-Id', requestId)
  if (decision.outcome === 'passed') {
    if (route.mcp) tellOperation(headers, decision.known)
    if (assertion !== undefined) {
      headers.set(policy.gate.identityPrefix + ASSERTION_HEADER, assertion)
    }
  }
  return { ...lent, headers }
}

/** All headers for an origin but those set per request. */
const made = (asked: Asked, context: OriginContext): Made => {
  const { policy, route, address, decision, clientIp } = context
  const headers = copyOf(asked.headers)
  const upgrade = headers.get('upgrade')
  stripInbound(headers, policy, route, asked.headers)
  headers.delete('host')
  if (route.mcp && decision.outcome === 'passed') stripMcpHeaders(headers)
  const own = new Set<string>()
  const set = (name: string, value: string) => {
    headers.set(name, value)
    own.add(name.toLowerCase())
  }
  // With this header workerd sends a GET, whatever the method.
  const isHandshake = upgrade?.toLowerCase() === 'websocket' && asked.method === 'GET'
  if (isHandshake && !route.mcp) set('Upgrade', 'websocket')
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
  if (clientIp !== undefined) set('X-Forwarded-For', clientIp)
  return { headers, own }
}

/**
 * The admission's kept headers, with this request's values. Names must be equal; values may
 * differ where they are passed on or removed. Headers are kept from the second request on.
 * `undefined` if they must be built again.
 */
const likeLast = (asked: Asked, context: OriginContext): Lent | undefined => {
  const { decision } = context
  // Many tokens are sent once: nothing is kept for them.
  if (decision.outcome !== 'passed' || !decision.known.admission.counted) return undefined
  const { admission } = decision.known
  const place = placeOf(admission, undefined)
  if (!place.isMet) {
    place.isMet = true
    return undefined
  }
  const lent = lend(admission, place, asked, context)
  if (lent) return lent
  const names: string[] = []
  const values: string[] = []
  eachPart(asked, context, (value, name) => {
    names.push(name)
    values.push(name === 'authorization' ? '' : value)
  })
  if (!values.every((value) => ASCII.test(value))) return undefined
  const { headers, own } = made(asked, context)
  const sent = new Set(headers.keys())
  const passes = names.map((name) => sent.has(name) && !own.has(name))
  place.kept = { headers, names, values, passes }
  weigh(admission, weightOf(place.kept) - place.bytes)
  place.bytes = weightOf(place.kept)
  return lend(admission, place, asked, context)
}

/** All that the headers for an origin are made of, beside the admission. */
const eachPart = (
  { method, headers }: Asked,
  { address, clientIp = ':' }: OriginContext,
  take: (value: string, name: string) => void,
): void => {
  take(method, ':method')
  take(address.scheme, ':scheme')
  take(address.authority, ':authority')
  // A client without an address is not one whose address is empty.
  take(clientIp, ':client')
  headers.forEach(take)
}

/** By admission. `kept` is absent also while a request uses it; `bytes` are those counted for it. */
const placeOf = perAdmission(
  (): { isMet: boolean; bytes: number; kept?: Kept | undefined } => ({ isMet: false, bytes: 0 }),
  () => 0,
)

/** Takes the kept headers out and sets the values that differ. */
const lend = (
  admission: Admission,
  place: ReturnType<typeof placeOf>,
  asked: Asked,
  context: OriginContext,
): Lent | undefined => {
  const { kept } = place
  if (!kept) return undefined
  place.kept = undefined
  const { headers, names, values, passes } = kept
  let count = 0
  let isLike = true
  let bytes = 0
  eachPart(asked, context, (value, name) => {
    const i = count++
    const old = values[i] as string
    isLike &&= names[i] === name
    // All requests of an admission have the same token.
    if (!isLike || old === value || name === 'authorization') return
    values[i] = value
    bytes += (passes[i] ? 3 : 2) * (value.length - old.length)
    if (RULING.has(name)) isLike = false
    else if (passes[i]) {
      // A comma may join several lines, which would be lost.
      isLike = !value.includes(',') && !old.includes(',') && ASCII.test(value)
      if (isLike) headers.set(name, value)
    }
  })
  if (!isLike || count !== names.length) return undefined
  if (bytes !== 0) {
    place.bytes += bytes
    weigh(admission, bytes)
  }
  const giveBack = () => {
    place.kept = kept
  }
  return { headers, giveBack }
}

/**
 * A changed value of these needs new headers: the gate sets others by the first four, the next two control
 * which headers stay, subprotocols may hold a token, and `Set-Cookie` has several lines.
 */
const RULING: ReadonlySet<string> = new Set([
  ':method',
  ':scheme',
  ':authority',
  ':client',
  'connection',
  'upgrade',
  'sec-websocket-protocol',
  'set-cookie',
])

/** Other bytes may decode to equal text, so such values are not compared. */
const ASCII = /^[\t\x20-\x7e]*$/

/** Bytes of kept headers, on the heap and in the runtime. */
const weightOf = ({ names, values, headers }: Kept): number =>
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
