import { headerText } from '../base/text.ts'
import type { Facts } from '../guard.ts'
import type { Gate } from '../model/policy.ts'
import type { Route } from '../model/route.ts'

/**
 * A header name as the laxest server reads it: lower-case, every character that is not a letter
 * or digit as `-`. `X_Agent_Id` and `X.Agent.Id` are `x-agent-id` to some of them.
 */
export const foldedName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '-')

/** Inbound names that never reach an origin, folded. */
const REMOVED: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'true-client-ip',
  'x-rewrite-url',
  'x-method-override',
  'remote-user',
  'x-request-id',
  'proxy-authorization',
  // Hop by hop (RFC 9110 §7.6.1).
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Beginnings of names that never reach an origin, folded. */
const REMOVED_PREFIXES = [
  'x-agent-',
  'x-original-',
  'x-http-method',
  'x-forwarded-',
  'cf-',
  'client-cert',
  'x-client-cert',
  'x-ssl-',
  'x-remote-',
  'x-auth-request-',
] as const

/**
 * Removes, from a copy of a request's headers, everything an origin could take for the gate's
 * word or that ends at this hop. Does not add anything.
 */
export const stripInbound = (inbound: Headers, gate: Gate, route: Route): Headers => {
  const headers = new Headers(inbound)
  const named = (inbound.get('connection') ?? '').split(',').map((name) => foldedName(name.trim()))
  const injected = route.inject.map(([name]) => foldedName(name))
  const removed = new Set([...named, ...injected])
  for (const name of [...headers.keys()]) {
    const folded = foldedName(name)
    const kept =
      (folded === 'authorization' || folded === 'dpop') && name === folded && route.forwardToken
    if (kept && !removed.has(folded)) continue
    if (
      folded === 'authorization' ||
      folded === 'dpop' ||
      removed.has(folded) ||
      REMOVED.has(folded) ||
      gate.stripHeaders.has(folded) ||
      folded.startsWith(gate.identityPrefix) ||
      REMOVED_PREFIXES.some((prefix) => folded.startsWith(prefix))
    ) {
      headers.delete(name)
    }
  }
  return headers
}

/** The identity an origin is told, as header name (without prefix) and value. */
export const identityHeaders = ({
  agent,
  access,
  grant,
  possession,
}: Pick<Facts, 'agent' | 'access' | 'grant' | 'possession'>): readonly (readonly [
  name: string,
  value: string,
])[] => {
  const optional = (name: string, value: string | undefined) =>
    value === undefined ? [] : [[name, headerText(value)] as const]
  const list = (name: string, scopes: readonly string[]) =>
    scopes.length === 0 ? [] : [[name, scopes.map(headerText).join(' ')] as const]
  return [
    ...optional('id', agent.name),
    ...optional('issuer', agent.issuer),
    ...optional('subject', agent.subject),
    ...optional('client-id', agent.clientId),
    ...optional('type', agent.type),
    ...optional('workflow-id', agent.workflowId),
    ...list('scope', [...access.scopes]),
    ...list('grant', grant),
    ...optional('token-id', access.id),
    ['token-expires', String(Math.floor(access.expires))],
    ...(agent.actors.length > 0
      ? [['delegation', agent.actors.map(actorText(agent.issuer)).join(',')] as const]
      : []),
    ['possession', possession],
  ]
}

/**
 * An actor of the token's own issuer is its id; one of another issuer is `issuer;id`, both
 * encoded, with `;` encoded in every item so that no two chains give one value.
 */
const actorText =
  (own: string) =>
  ({ sub, issuer }: { readonly sub: string; readonly issuer: string }): string => {
    const item = (text: string) => headerText(text).replace(/;/g, '%3B')
    return issuer === own ? item(sub) : `${item(issuer)};${item(sub)}`
  }
