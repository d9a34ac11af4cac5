import { perObject } from '../memo.ts'
import type { Route, Target } from './route.ts'

/** The path a request is sent on with: the origin's own in front, `strip_prefix` taken away. */
export function pathAtOrigin(
  { url, stripPrefix }: Pick<Target, 'url' | 'stripPrefix'>,
  path: string,
): string {
  const rest = path.slice(stripPrefix.length)
  return partsOf(url).base + (rest.startsWith('/') ? rest : `/${rest}`)
}

/** Parts of a URL that does not change, read once: each look is a call into the runtime. */
export const partsOf = perObject(({ origin, host, pathname }: URL) => ({
  origin,
  host,
  /** The path without a slash at its end. */
  base: pathname.replace(/\/$/, ''),
}))

/** Documents that name an authorization server (RFC 8414 §3, RFC 9728 §3.1, OpenID Connect Discovery §4). */
const AT_ROOT = /^\/\.well-known\/(?:oauth-|openid-configuration(?:\/|$))/i
const ANYWHERE = new RegExp(AT_ROOT.source.slice(1), 'i')

/**
 * Whether no path that a rule with parameters or a rest matches is forwarded, for all of them are
 * {@link isReserved}.
 */
export function isWhollyReserved(route: Route): boolean {
  return /[{*]/.test(route.path) && isReserved({ ...route, path: '' }, route.path)
}

/**
 * Whether a path, or what becomes of it at the origin, is that of a document which an origin must not
 * answer clients with; of an MCP server also below a path of its own. A rule that spells the path out
 * has it all the same. An escaped slash counts as one.
 */
export function isReserved({ path: own, target, mcp }: Route, path: string): boolean {
  if (own === path) return false
  const reserved = mcp ? ANYWHERE : AT_ROOT
  return [path, pathAtOrigin(target, path)].some((one) => reserved.test(one.replaceAll('%2F', '/')))
}

/** RFC 9728 §3. */
export const METADATA_PATH = '/.well-known/oauth-protected-resource'

/** Path of a resource's metadata: the well-known name goes between host and path (RFC 9728 §3.1). */
export function metadataPath(resource: string): string {
  const { pathname } = new URL(resource)
  return METADATA_PATH + (pathname === '/' ? '' : pathname)
}

/** URL of a resource's metadata. */
export function metadataUrl(resource: string): string {
  return new URL(resource).origin + metadataPath(resource)
}
