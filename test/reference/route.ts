/** The stage `route`: which rule decides, and whether the request has one reading. */
import { hasTokenInQuery, methodsInQuery, type Target } from './address.ts'
import { headerOf } from './credential.ts'
import { ownPaths } from './endpoints.ts'
import {
  canonicalPath,
  decode,
  hasEncodedSlash,
  isAlwaysAmbiguous,
  matchSegments,
  type PathPattern,
  segmentsOf,
  slashesAreInParameters,
} from './paths.ts'
import type { Policy } from './policy.ts'
import { isReadAs, isReadAsParent, isSpellingOf } from './readings.ts'
import { METHODS, type Rule } from './rule.ts'
import { type Request, refuse } from './types.ts'

/** A rule that matches, and what the path says. */
export interface Route {
  rule: Rule
  /** The canonical path. */
  path: string
  /** Parameters of the path, decoded. */
  params: Record<string, string>
  isPreflight: boolean
}

/** Refuses a path with several readings, an unknown method and native gRPC, whatever the policy is. */
export function checkForm(request: Request, target: Target): void {
  if (isAlwaysAmbiguous(target.path)) refuse('path_ambiguous')
  if (!METHODS.includes(request.method)) refuse('method_unknown')
  if (isGrpc(request)) refuse('grpc_unsupported')
}

/** "Alone or followed by `+`, `;`, `,` or a space", in any case of letters. */
function isGrpc(request: Request): boolean {
  const type = (headerOf(request, 'content-type') ?? '').toLowerCase()
  const rest = type.startsWith('application/grpc') ? type.slice('application/grpc'.length) : 'x'
  return request.method === 'POST' && ['', '+', ';', ',', ' '].includes(rest.charAt(0))
}

/** Finds the first rule that matches, or refuses. */
export function findRoute(policy: Policy, request: Request, host: string, target: Target): Route {
  const path = canonicalPath(target.path)
  const method = methodOf(request)
  const candidates = candidatesFor(policy, method, host)
  const rule = firstMatch(candidates, path)
  if (rule === undefined) {
    // Docs: unclear — a path that no rule matches and that some servers read as `..` is refused in any case.
    if (hasEncodedSlash(path) || isReadAsParent(path)) refuse('path_ambiguous')
    refuse('route_unknown')
  }
  const earlier = candidates.slice(0, candidates.indexOf(rule)).map((each) => each.path)
  checkReadings(rule, [...ownPaths(policy, method), ...earlier], path)
  if (isReserved(rule, path)) refuse('route_unknown')
  const isPreflight = preflightMethod(request) !== undefined
  return { rule, path, params: paramsOf(rule, path), isPreflight }
}

/** The method that decides: a preflight is judged as the request that it announces. */
export function methodOf(request: Request): string {
  return preflightMethod(request) ?? request.method
}

/** The method that a preflight asks about (Fetch Standard, "CORS-preflight request"). */
function preflightMethod(request: Request): string | undefined {
  const has = (name: string) => request.headers.find(([other]) => other.toLowerCase() === name)
  if (request.method !== 'OPTIONS' || has('origin') === undefined) return undefined
  return has('access-control-request-method')?.[1]
}

/** Refuses a path that some server reads as one of an earlier rule. */
function checkReadings(rule: Rule, earlier: PathPattern[], path: string): void {
  const inParameters = rule.encodedSlash && slashesAreInParameters(rule.path, path)
  if (hasEncodedSlash(path) && !inParameters) refuse('path_ambiguous')
  if (earlier.some((pattern) => isSpellingOf(path, pattern))) refuse('path_ambiguous')
  if (rule.allowsAmbiguousPaths) return
  if (isReadAsParent(path)) refuse('path_ambiguous')
  if (isReadAs(path, rule.path, earlier) !== false) refuse('path_ambiguous')
}

/** Parameters of the path, decoded. */
function paramsOf(rule: Rule, path: string): Record<string, string> {
  const encoded = matchSegments(rule.path, segmentsOf(path)) ?? {}
  return Object.fromEntries(
    Object.entries(encoded).map(([name, value]) => [name, decode(value) ?? value]),
  )
}

/** Refuses a method in the query with which another rule, or none, would match, and two of them. */
export function checkMethodInQuery(
  policy: Policy,
  { rule, path }: Route,
  request: Request,
  host: string,
  query: string | undefined,
): void {
  const method = methodInQuery(request, query)
  if (method === undefined) return
  // "Unless the same rule also matches that method": the first rule that matches decides.
  if (firstMatch(candidatesFor(policy, method, host), path) !== rule) refuse('method_ambiguous')
}

/** The other method that the query names, if it names one. */
export function methodInQuery(request: Request, query: string | undefined): string | undefined {
  const named = methodsInQuery(query)
  if (named.length > 1) refuse('method_ambiguous')
  return named[0] === methodOf(request) ? undefined : named[0]
}

/** The rules for a method and a host, in file order. */
function candidatesFor(policy: Policy, method: string, host: string): Rule[] {
  return policy.rules.filter(
    (rule) => rule.methods.includes(method) && (rule.host ?? host) === host,
  )
}

function firstMatch(candidates: Rule[], path: string): Rule | undefined {
  return candidates.find((each) => matchSegments(each.path, segmentsOf(path)) !== undefined)
}

/** On every rule a token in the query is refused. */
export function checkQueryHasNoToken(query: string | undefined): void {
  if (hasTokenInQuery(query)) refuse('credential_in_query')
}

/** Metadata of the origin would send clients to another authorization server. */
const METADATA = /^\/\.well-known\/(?:oauth-|openid-configuration(?:\/|$))/i
/** With `mcp`, also paths that contain such a part. */
const METADATA_WITHIN = /\/\.well-known\/(?:oauth-|openid-configuration(?:\/|$))/i

/**
 * Whether a path is for metadata, and the rule does not have exactly that path. The path that the origin gets is looked
 * at too.
 */
function isReserved(rule: Rule, path: string): boolean {
  const atOrigin = originPath(rule, path)
  const form = rule.mcp === undefined ? METADATA : METADATA_WITHIN
  if (![path, atOrigin].some((each) => form.test(each.replaceAll('%2F', '/')))) return false
  return pathTextOf(rule) !== path
}

function pathTextOf(rule: Rule): string {
  return rule.match.slice(rule.match.indexOf(' ') + 1)
}

/** The path of the origin's URL, then the canonical path without `strip_prefix`. */
export function originPath(rule: Rule, path: string): string {
  const base = rule.origin.startsWith('service:') ? '' : new URL(rule.origin).pathname
  const rest = stripPrefix(rule, path)
  if (rest === '') return base === '' ? '/' : base
  return base.replace(/\/$/, '') + rest
}

/** The path without `strip_prefix`. */
export function stripPrefix(rule: Rule, path: string): string {
  const prefix = rule.stripPrefix
  if (prefix === '' || prefix === '/') return path
  if (path === prefix) return ''
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path
}
