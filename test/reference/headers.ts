/** What the origin gets: which headers are removed, and which are set (docs/origin.md). */
import { ANY, type Asked, type Header } from './asked.ts'
import { asksForWebSocket, headerOf, subprotocolsForOrigin } from './credential.ts'
import { claimHeaders, identityHeaders } from './identityHeaders.ts'
import { decodeMirror } from './mcp-message.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import type { Request } from './types.ts'
import { spelling } from './values.ts'
import type { Verified } from './verification.ts'

/** Hop-by-hop headers (RFC 9110 §7.6.1). */
const HOP_BY_HOP = [
  ...['connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding'],
  ...['upgrade', 'proxy-authenticate'],
]

/** Names that are removed, as `spelling` writes them. */
const REMOVED = [
  ...['proxy-authorization', 'forwarded', 'via', 'x-real-ip', 'true-client-ip', 'x-request-id'],
  ...['x-rewrite-url', 'x-method-override', 'remote-user'],
]

/** Beginnings of names that are removed, as `spelling` writes them. */
const REMOVED_BEGINNINGS = [
  ...['x-forwarded-', 'cf-', 'x-original-', 'x-http-method', 'client-cert', 'x-client-cert'],
  ...['x-ssl-', 'x-remote-', 'x-auth-request-', 'x-agent-'],
]

/** All headers that the origin gets, in the order of their names. */
export function headersForOrigin(
  asked: Asked,
  rule: Rule,
  verified: Verified | undefined,
  grant: string[],
): Header[] {
  const kept = keptHeaders(asked, rule, verified !== undefined)
  const set = setHeaders(asked, rule, verified, grant)
  const names = new Set(set.map(([name]) => name))
  return [...kept.filter(([name]) => !names.has(name)), ...set].sort(([a], [b]) =>
    a < b ? -1 : a > b ? 1 : 0,
  )
}

/** Headers of the request that reach the origin as they came. */
function keptHeaders(
  { policy, request, operation }: Asked,
  rule: Rule,
  isVerified: boolean,
): Header[] {
  const removed = new Set(namesThatAreSet(policy).map(spelling))
  const named = (headerOf(request, 'connection') ?? '')
    .split(',')
    .map((each) => spelling(each.trim()))
  const isShadow = rule.mode === 'shadow'
  const withToken = rule.credentialHeaders.map(spelling)
  const isRemoved = (name: string): boolean => {
    const word = spelling(name)
    if (word === 'authorization') {
      // With `forward_token` it stays if it was accepted, and on a public rule as it came; in shadow mode always.
      const stays = isShadow || (rule.forwardToken && (isVerified || rule.access === 'public'))
      return !stays || name !== 'authorization' || removed.has(word)
    }
    if (word === 'dpop') return !isShadow || removed.has(word)
    if (word === 'sec-websocket-protocol') return true
    if (word === 'mcp-method' || word === 'mcp-name') {
      return rule.mcp !== undefined && operation?.revision !== '2026-07-28'
    }
    if (word === 'mcp-session-id') return rule.mcp !== undefined
    return (
      removed.has(word) ||
      (withToken.includes(word) && !isShadow) ||
      HOP_BY_HOP.includes(name) ||
      named.includes(word) ||
      REMOVED.includes(word) ||
      [...REMOVED_BEGINNINGS, policy.gate.identityPrefix].some((start) => word.startsWith(start))
    )
  }
  return request.headers
    .map(([name, value]): Header => [name.toLowerCase(), value.trim()])
    .filter(([name]) => !isRemoved(name))
}

/** Names that some rule sets or injects, and those of `GATE.strip_headers`. */
function namesThatAreSet(policy: Policy): string[] {
  const { identityHeaders: own, stripHeaders } = policy.gate
  return [
    ...Object.keys(own),
    ...stripHeaders,
    ...policy.rules.flatMap((rule) => [
      ...Object.keys(rule.forwardClaims),
      // `Authorization` is looked at by itself.
      ...Object.keys(rule.inject ?? {}).filter((name) => spelling(name) !== 'authorization'),
    ]),
  ]
}

function setHeaders(
  { policy, request, world, operation }: Asked,
  rule: Rule,
  verified: Verified | undefined,
  grant: string[],
): Header[] {
  const caller = callerOf(policy, request)
  const set: Header[] = [
    ['x-request-id', requestIdOf(request)],
    ['x-forwarded-proto', request.scheme],
    ['x-forwarded-host', (request.host ?? '').toLowerCase()],
    ['via', '1.1 edgewarden'],
  ]
  if (caller !== undefined) set.push(['x-forwarded-for', caller])
  if (rule.access !== 'public') set.push(['cache-control', 'no-cache, no-store'])
  if (asksForWebSocket(request)) set.push(['upgrade', 'websocket'])
  const subprotocols = subprotocolsForOrigin(request, policy.rules)
  const isStripped = policy.gate.stripHeaders.some(
    (name) => spelling(name) === 'sec-websocket-protocol',
  )
  if (subprotocols !== undefined && !isStripped) set.push(['sec-websocket-protocol', subprotocols])
  // The server gets its own ids, which are sealed in those that the client has.
  const { session, tasks, revision } = operation ?? {}
  if (session !== undefined) set.push(['mcp-session-id', session])
  const task = tasks?.get(decodeMirror(headerOf(request, 'mcp-name') ?? ''))
  if (task !== undefined && revision === '2026-07-28') set.push(['mcp-name', task])
  if (verified === undefined) return set
  set.push(...identityHeaders(policy, verified, grant))
  set.push(...claimHeaders(policy, rule, verified.identity.claims))
  for (const [name, template] of Object.entries(rule.inject ?? {})) {
    const value = template.replace(
      /\$\{([^}]+)\}/g,
      (_, secret: string) => world.secrets[secret] ?? '',
    )
    set.push([name.toLowerCase(), value])
  }
  return set
}

/** The caller's id, if it is 8 to 64 letters, digits, `.`, `_` or `-`; else a new one. */
function requestIdOf(request: Request): string {
  const sent = headerOf(request, 'x-request-id') ?? ''
  return /^[A-Za-z0-9._-]{8,64}$/.test(sent) ? sent : ANY
}

/** The caller's address, from where `GATE.client_ip` says. */
export function callerOf(policy: Policy, request: Request): string | undefined {
  const { clientIp } = policy.gate
  if (clientIp === 'none') return undefined
  if (clientIp === 'connection') return request.address
  return headerOf(request, clientIp.toLowerCase())
}
