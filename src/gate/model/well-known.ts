import { perObject } from '../base/memo.ts'
import type { Route, Target } from './route.ts'

/**
 * The origin's base path, then the request's path without `strip_prefix`. If nothing is left of the request's path, the
 * origin's base path alone.
 */
export function pathAtOrigin(
  { url, stripPrefix }: Pick<Target, 'url' | 'stripPrefix'>,
  path: string,
): string {
  const rest = path.slice(stripPrefix.length)
  const { base, pathname } = partsOf(url)
  return rest === '' ? pathname : base + (rest.startsWith('/') ? rest : `/${rest}`)
}

/** Parts of a URL that does not change. Cached, because each access is a call into the runtime. */
export const partsOf = perObject(({ origin, host, hostname, pathname }: URL) => ({
  origin,
  host,
  hostname,
  pathname,
  /** The path without a trailing slash. */
  base: pathname.replace(/\/$/, ''),
}))

/** Well-known documents about an authorization server (RFC 8414 §3, RFC 9728 §3.1, OpenID Connect Discovery §4). */
const AT_ROOT = /^\/\.well-known\/(?:oauth-|openid-configuration(?:\/|$))/i
const ANYWHERE = new RegExp(AT_ROOT.source.slice(1), 'i')

/** Whether a rule with parameters or `*` forwards nothing, because all its paths are {@link isReserved}. */
export function isWhollyReserved(route: Route): boolean {
  return /[{*]/.test(route.path) && isReserved({ ...route, path: '' }, route.path)
}

/**
 * Whether a path, or its path at the origin, is a well-known document that an origin must not serve. For an MCP server
 * the document may be below any path. A rule with exactly this path forwards it anyway. `%2F` counts as a slash.
 */
export function isReserved({ path: own, target, mcp }: Route, path: string): boolean {
  if (own === path) return false
  const reserved = mcp ? ANYWHERE : AT_ROOT
  return [path, pathAtOrigin(target, path)].some((one) => reserved.test(one.replaceAll('%2F', '/')))
}

/** Well-known path of protected resource metadata (RFC 9728 §3). */
export const METADATA_PATH = '/.well-known/oauth-protected-resource'

/**
 * Path of a resource's metadata: the well-known path is inserted before the resource's path (RFC 9728 §3.1).
 * @example metadataPath('https://api.example.com/mcp') // '/.well-known/oauth-protected-resource/mcp'
 */
export function metadataPath(resource: string): string {
  const { pathname } = new URL(resource)
  return METADATA_PATH + (pathname === '/' ? '' : pathname)
}

/** URL of a resource's metadata. */
export function metadataUrl(resource: string): string {
  return new URL(resource).origin + metadataPath(resource)
}
