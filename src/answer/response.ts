import type { Address } from '../base/request.ts'
import { connectionOptions } from '../base/text.ts'
import type { Route } from '../model/route.ts'
import { pathAtOrigin } from '../model/well-known.ts'
import type { Limited } from '../stages/limit.ts'
import { isHopByHop } from './headers.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { answerWith, type Mortal } from './streams.ts'
import { withoutSecrets } from './without-secrets.ts'

/** Headers an origin may not send to an agent on a route that reads a token. */
const CHALLENGES = ['www-authenticate', 'proxy-authenticate', 'dpop-nonce']
/** What only shared caches read, and before `Cache-Control`: RFC 9213 §2.1, and those that are older. */
const SHARED_CACHE_HEADER = /^(?:.+-cache-control|(?:surrogate|edge)-control|x-accel-expires)$/
const CORS_PREFIX = 'access-control-'
const LOCATIONS = ['location', 'content-location']

/** What an answer is made the agent's with. */
export interface ToAgent {
  readonly route: Route
  readonly address: Address
  readonly requestId: string
  /** Whether the origin answers for itself across origins, though the route has `cors`. */
  readonly keepsCors?: boolean
  /** What is left of the rule's limit, where it was asked. */
  readonly limited?: Limited | undefined
  /** What it is sent with, where that is not what it came with. */
  readonly changed?: Mortal | undefined
}

/**
 * The origin's response as the agent gets it: its body, or what it is `changed` for, untouched but for secrets of the
 * rule; `Location` on the gate's own host, nothing that a shared cache could give to another agent, no challenge but
 * the gate's, and nothing that ends at this hop. A 101 keeps its WebSocket, or has that of `changed`, and its
 * hop-by-hop headers.
 */
export const toAgent = (
  response: Response,
  { route, address, requestId, keepsCors = false, limited, changed }: ToAgent,
): Response => {
  const answer = answerWith(response, changed)
  const { headers } = answer
  for (const name of route.removedFromAnswers) headers.delete(name)
  // Read once: each look at a header is a call into the runtime, and most are not there.
  const sent = [...headers.keys()]
  const sentAs = (name: string) => (sent.includes(name) ? headers.get(name) : null)
  const named = connectionOptions(sentAs('connection'))
  const isUpgraded = answer.status === 101
  for (const name of sent) {
    const endsHere = !isUpgraded && isHopByHop(name, named)
    if (endsHere || isWithheld(name, route, keepsCors)) headers.delete(name)
  }
  const id = sentAs('x-request-id')
  if (id !== null) headers.set('X-Origin-Request-Id', id)
  headers.set('X-Request-Id', requestId)
  for (const name of LOCATIONS) {
    const location = sentAs(name)
    const rewritten = location === null ? undefined : rewriteLocation(location, route, address)
    if (rewritten !== undefined) headers.set(name, rewritten)
  }
  if (route.access !== 'public') {
    const cacheControl = sentAs('cache-control')
    headers.set('Cache-Control', cacheControl === null ? 'private' : privately(cacheControl))
    const vary = sentAs('vary')
    if (vary === null || !/(?:^|,)\s*(?:\*|authorization)\s*(?:,|$)/i.test(vary)) {
      headers.append('Vary', 'Authorization')
    }
  }
  setLimitHeaders(headers, limited)
  return withoutSecrets(answer, route)
}

/** Whether a header of the origin's is nothing for the agent. */
const isWithheld = (name: string, { access, mode, cors }: Route, keepsCors: boolean): boolean => {
  if (cors && !keepsCors && name.startsWith(CORS_PREFIX)) return true
  if (access === 'public') return false
  // In shadow mode the origin goes on asking for its own credentials.
  return SHARED_CACHE_HEADER.test(name) || (mode !== 'shadow' && CHALLENGES.includes(name))
}

/** RFC 9111 §5.2.2: without `public` and `s-maxage`, with `private`. */
const privately = (value: string): string => {
  const directives = (value.match(/(?:[^,"]|"[^"]*"?)+/g) ?? [])
    .map((one) => one.trim())
    .filter((one) => one !== '' && !/^(?:public|private|s-maxage)(?:$|\s*=)/i.test(one))
  return ['private', ...directives].join(', ')
}

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
