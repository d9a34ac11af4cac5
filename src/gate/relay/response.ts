import { limitFields } from '../answer/limit-headers.ts'
import { type HeaderReader, SentHeaders } from '../base/request.ts'
import { connectionOptions } from '../base/text.ts'
import type { Address } from '../base/url.ts'
import type { Facts } from '../guard/guard.ts'
import type { Route } from '../model/route.ts'
import { AUTHORIZATION } from '../model/token.ts'
import { pathAtOrigin } from '../model/well-known.ts'
import { type Edit, isHopByHop, remade } from './origin/headers.ts'
import type { OriginContext } from './origin-headers.ts'

/** Headers not passed from origin to agent on a route that reads a token. */
const CHALLENGES = ['www-authenticate', 'proxy-authenticate', 'dpop-nonce']
/** Headers for shared caches that override `Cache-Control`: RFC 9213 §2.1, and older ones. */
const SHARED_CACHE_HEADER = /^(?:.+-cache-control|(?:surrogate|edge)-control|x-accel-expires)$/
const CORS_PREFIX = 'access-control-'
/** The origin's own request id, where `X-Request-Id` is the gate's. */
const ORIGIN_ID = 'x-origin-request-id'
const LOCATIONS = ['location', 'content-location']

/** What {@link toAgent} needs to know, beside the response; limit and nonce if there are any. */
export interface ToAgent
  extends Pick<OriginContext, 'route' | 'address' | 'requestId'>,
    Partial<Pick<Facts, 'limited' | 'nonce'>> {
  /** The method of the request. */
  readonly method: string
  /** Whether every answer has the gate's request id. */
  readonly tellsId?: boolean
  /** Whether to keep the origin's CORS headers, though the route has `cors`. */
  readonly keepsCors?: boolean
}

/**
 * The origin's response for the agent, with headers `sent`; a copy only if a header changes. Rewrites `Location` to the
 * gate's host, forbids shared caching, and removes the origin's challenges and hop-by-hop headers,
 * which a 101 keeps. Does not read the body.
 */
export function toAgent(
  response: Response,
  about: ToAgent,
  sent: HeaderReader = new SentHeaders(response.headers),
): Response {
  const edits = editsOf(response, sent, about)
  return edits.length === 0 ? response : remade(response, response.body, edits)
}

const editsOf = (response: Response, sent: HeaderReader, about: ToAgent): readonly Edit[] => {
  const { route, address, requestId, tellsId, keepsCors = false, limited, nonce } = about
  const edits: Edit[] = []
  const named = connectionOptions(sent.get('connection'))
  const isUpgraded = response.status === 101
  for (const name of sent.keys()) {
    const goes =
      route.removedFromAnswers.includes(name) ||
      (!isUpgraded && isHopByHop(name, named)) ||
      isWithheld(name, route, keepsCors)
    if (goes) edits.push([name])
  }
  if (tellsId) {
    const id = sent.get('x-request-id')
    if (id !== null && !route.removedFromAnswers.includes(ORIGIN_ID)) edits.push([ORIGIN_ID, id])
    edits.push(['X-Request-Id', requestId])
  }
  for (const name of LOCATIONS) {
    const location = route.removedFromAnswers.includes(name) ? null : sent.get(name)
    const rewritten = location === null ? undefined : rewriteLocation(location, route, address)
    if (rewritten !== undefined) edits.push([name, rewritten])
  }
  const cacheControl = sent.get('cache-control')
  if (mayBeShared(cacheControl, sent, about)) {
    edits.push(['Cache-Control', privately(cacheControl ?? '')])
    const vary = sent.get('vary')
    const others = (route.credential?.headers ?? []).filter((one) => one !== AUTHORIZATION)
    if (vary === null || !/(?:^|,)\s*(?:\*|authorization)\s*(?:,|$)/i.test(vary)) {
      edits.push(['Vary', ['Authorization', ...others].join(', '), true])
    } else if (others.length > 0) edits.push(['Vary', others.join(', '), true])
  }
  edits.push(...limitFields(limited))
  // RFC 9449 §8.2.
  if (nonce !== undefined) edits.push(['DPoP-Nonce', nonce], ['Cache-Control', 'no-store'])
  return edits
}

/** Whether to remove an origin's header from the answer. */
const isWithheld = (name: string, { access, mode, cors }: Route, keepsCors: boolean): boolean => {
  if (cors && !keepsCors && name.startsWith(CORS_PREFIX)) return true
  if (access === 'public') return false
  // In shadow mode the origin still challenges for its own credentials.
  return SHARED_CACHE_HEADER.test(name) || (mode !== 'shadow' && CHALLENGES.includes(name))
}

/** Searched as words, since nginx and others do not parse directives. */
const SHAREABLE = /public|s-maxage|max-age|must-revalidate/i
const UNSHARED = /^(?:private|no-store)$/i

/**
 * Whether a cache between gate and agent could reuse an answer. RFC 9111 §3.5 forbids it for
 * requests with a token unless the answer allows it; some caches look only at lifetimes. Requests
 * without a token on an optional route are not protected at all.
 */
const mayBeShared = (
  cacheControl: string | null,
  sent: HeaderReader,
  { route: { access, credential }, method }: ToAgent,
): boolean => {
  if (access !== 'required') return access === 'optional'
  // A cache keeps answers apart by Authorization only (RFC 9111 §3.5).
  if (credential?.headers.some((name) => name !== AUTHORIZATION)) return true
  if ([...sent.keys()].some((name) => SHARED_CACHE_HEADER.test(name))) return true
  if (method !== 'GET' && method !== 'HEAD') return false
  const isLasting = sent.has('expires') || SHAREABLE.test(cacheControl ?? '')
  return isLasting && !directivesOf(cacheControl ?? '').some((one) => UNSHARED.test(one))
}

const directivesOf = (value: string): readonly string[] =>
  (value.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []).map((one) => one.trim()).filter((one) => one !== '')

/** Replaces `public` and `s-maxage` with `private` (RFC 9111 §5.2.2). */
const privately = (value: string): string =>
  [
    'private',
    ...directivesOf(value).filter((one) => !/^(?:public|private|s-maxage)(?:$|\s*=)/i.test(one)),
  ].join(', ')

/** A path with a dot-dot segment, as clients parse it (WHATWG URL). */
const UPWARDS = /^(?:[^?#]*[/\\])?(?:\.|%2e){2}(?:[/\\?#]|$)/i
const WITHOUT_PATH = /^(?:[?#]|$)/

/**
 * Rewrites a location on the route's origin to the gate's host, with `strip_prefix` restored.
 * `undefined` if unchanged, or for other origins.
 */
const rewriteLocation = (location: string, route: Route, address: Address): string | undefined => {
  const { url, stripPrefix } = route.target
  const base = url.pathname.replace(/\/$/, '')
  const isPath = location.startsWith('/') && !location.startsWith('//')
  const absolute = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(location)
  // A relative location without dot segments is right on both sides. An exception: the
  // origin's whole path instead of `strip_prefix`, whose last segments differ.
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
  // `//x` would name another host.
  return !absolute && !path.startsWith('//')
    ? rewritten
    : `${address.scheme}://${address.authority}${rewritten}`
}
