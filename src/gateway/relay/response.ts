import type { Route } from '../../core/model/route.ts'
import { pathAtOrigin } from '../../core/model/well-known.ts'
import type { Address } from '../../core/request.ts'
import { connectionOptions } from '../../core/text.ts'
import type { Limited } from '../../limit/stage.ts'
import { isHopByHop } from './headers.ts'
import { limitFields } from './limit-headers.ts'

/** Headers an origin may not send to an agent on a route that reads a token. */
const CHALLENGES = ['www-authenticate', 'proxy-authenticate', 'dpop-nonce']
/** What only shared caches read, and before `Cache-Control`: RFC 9213 §2.1, and those that are older. */
const SHARED_CACHE_HEADER = /^(?:.+-cache-control|(?:surrogate|edge)-control|x-accel-expires)$/
const CORS_PREFIX = 'access-control-'
/** What the origin calls the request, where the gate's id takes the place of its own. */
const ORIGIN_ID = 'x-origin-request-id'
const LOCATIONS = ['location', 'content-location']

/** What an answer is made the agent's with. */
export interface ToAgent {
  readonly route: Route
  readonly address: Address
  readonly requestId: string
  /** Of the request. */
  readonly method: string
  /** Whether the gate's id is told on every answer. */
  readonly tellsId?: boolean
  /** Whether the origin answers for itself across origins, though the route has `cors`. */
  readonly keepsCors?: boolean
  /** What is left of the rule's limit, where it was asked. */
  readonly limited?: Limited | undefined
}

/** A header that is set, joined to those of its name, or, without a value, taken away. */
type Edit = readonly [name: string, value?: string, isJoined?: true]

/**
 * The origin's response as the agent gets it: the very one, unless a header has to be another. Then it is a copy:
 * `Location` on the gate's own host, nothing that a shared cache could give to another agent, no challenge but
 * the gate's, and nothing that ends at this hop. A 101 keeps its hop-by-hop headers. Does not look at the body.
 */
export function toAgent(response: Response, about: ToAgent): Response {
  const edits = editsOf(response, about)
  if (edits.length === 0) return response
  const answer = new Response(response.body, response)
  const { headers } = answer
  for (const [name, value, isJoined] of edits) {
    if (value === undefined) headers.delete(name)
    else if (isJoined) headers.append(name, value)
    else headers.set(name, value)
  }
  return answer
}

const editsOf = ({ status, headers }: Response, about: ToAgent): readonly Edit[] => {
  const { route, address, requestId, tellsId, keepsCors = false, limited } = about
  // Read once: each look at a header is a call into the runtime, and most are not there.
  const sent = [...headers.keys()]
  const sentAs = (name: string) => (sent.includes(name) ? headers.get(name) : null)
  const edits: Edit[] = []
  const named = connectionOptions(sentAs('connection'))
  const isUpgraded = status === 101
  for (const name of sent) {
    const goes =
      route.removedFromAnswers.includes(name) ||
      (!isUpgraded && isHopByHop(name, named)) ||
      isWithheld(name, route, keepsCors)
    if (goes) edits.push([name])
  }
  if (tellsId) {
    const id = sentAs('x-request-id')
    if (id !== null && !route.removedFromAnswers.includes(ORIGIN_ID)) edits.push([ORIGIN_ID, id])
    edits.push(['X-Request-Id', requestId])
  }
  for (const name of LOCATIONS) {
    const location = route.removedFromAnswers.includes(name) ? null : sentAs(name)
    const rewritten = location === null ? undefined : rewriteLocation(location, route, address)
    if (rewritten !== undefined) edits.push([name, rewritten])
  }
  const cacheControl = sentAs('cache-control')
  if (mayBeShared(cacheControl, sent, about)) {
    edits.push(['Cache-Control', privately(cacheControl ?? '')])
    const vary = sentAs('vary')
    if (vary === null || !/(?:^|,)\s*(?:\*|authorization)\s*(?:,|$)/i.test(vary)) {
      edits.push(['Vary', 'Authorization', true])
    }
  }
  edits.push(...limitFields(limited))
  return edits
}

/** Whether a header of the origin's is nothing for the agent. */
const isWithheld = (name: string, { access, mode, cors }: Route, keepsCors: boolean): boolean => {
  if (cors && !keepsCors && name.startsWith(CORS_PREFIX)) return true
  if (access === 'public') return false
  // In shadow mode the origin goes on asking for its own credentials.
  return SHARED_CACHE_HEADER.test(name) || (mode !== 'shadow' && CHALLENGES.includes(name))
}

/** Wherever it stands: nginx, for one, looks for words and not for directives. */
const SHAREABLE = /public|s-maxage|max-age|must-revalidate/i
const UNSHARED = /^(?:private|no-store)$/i

/**
 * Whether a cache between the gate and the agent could keep an answer for others: RFC 9111 §3.5 forbids it for
 * what was asked with a token, unless the answer says otherwise, and some caches go by any lifetime. What is
 * asked without a token on an optional route has no such protection at all.
 */
const mayBeShared = (
  cacheControl: string | null,
  sent: readonly string[],
  { route: { access }, method }: ToAgent,
): boolean => {
  if (access !== 'required') return access === 'optional'
  if (sent.some((name) => SHARED_CACHE_HEADER.test(name))) return true
  if (method !== 'GET' && method !== 'HEAD') return false
  const isLasting = sent.includes('expires') || SHAREABLE.test(cacheControl ?? '')
  return isLasting && !directivesOf(cacheControl ?? '').some((one) => UNSHARED.test(one))
}

const directivesOf = (value: string): readonly string[] =>
  (value.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []).map((one) => one.trim()).filter((one) => one !== '')

/** RFC 9111 §5.2.2: without `public` and `s-maxage`, with `private`. */
const privately = (value: string): string =>
  [
    'private',
    ...directivesOf(value).filter((one) => !/^(?:public|private|s-maxage)(?:$|\s*=)/i.test(one)),
  ].join(', ')

/** As who follows it reads it (WHATWG URL). */
const UPWARDS = /^(?:[^?#]*[/\\])?(?:\.|%2e){2}(?:[/\\?#]|$)/i
const WITHOUT_PATH = /^(?:[?#]|$)/

/**
 * A location on the route's origin, moved to the gate's host with `strip_prefix` put back;
 * `undefined` for one that is elsewhere or that needs no change.
 */
const rewriteLocation = (location: string, route: Route, address: Address): string | undefined => {
  const { url, stripPrefix } = route.target
  const base = url.pathname.replace(/\/$/, '')
  const isPath = location.startsWith('/') && !location.startsWith('//')
  const absolute = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(location)
  // A relative location without dot segments leads to the same place on both sides, unless the origin was
  // asked for a path with a slash at its end, and the gate for one without.
  const isApart =
    address.path === stripPrefix ? !WITHOUT_PATH.test(location) : UPWARDS.test(location)
  if (!isPath && !absolute && !isApart) return undefined
  if (!absolute && base === '' && stripPrefix === '') return undefined
  const from = url.origin + pathAtOrigin(route.target, address.path)
  if (!URL.canParse(location, from)) return undefined
  const there = new URL(location, from)
  if (there.origin !== url.origin) return undefined
  if (base !== '' && there.pathname !== base && !there.pathname.startsWith(`${base}/`)) {
    return undefined
  }
  const path = stripPrefix + there.pathname.slice(base.length) || '/'
  const rewritten = path + there.search + there.hash
  // `//x` would be another host.
  return !absolute && !path.startsWith('//')
    ? rewritten
    : `${address.scheme}://${address.authority}${rewritten}`
}
