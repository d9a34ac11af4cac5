import { perAdmission } from '../../base/admission.ts'
import { createTextMemo, perObject } from '../../base/memo.ts'
import { type HeaderReader, SentHeaders } from '../../base/request.ts'
import { connectionOptions, foldedName, headerText } from '../../base/text.ts'
import type { Admitted, Facts } from '../../guard/guard.ts'
import { claimHeaderValue } from '../../model/claims.ts'
import { HOP_BY_HOP, REMOVED, REMOVED_PREFIXES } from '../../model/inbound-headers.ts'
import type { Gate, Policy } from '../../model/policy.ts'
import type { Route } from '../../model/route.ts'
import { removeTokens } from '../../model/subprotocols.ts'
import { type Actor, type AgentIdentity, AUTHORIZATION } from '../../model/token.ts'

/** The agent's credentials. The token is sent only to origins that the policy allows; a proof is for this gate alone. */
const CREDENTIALS = ['authorization', 'dpop']

/** One expression for all removed names, which contain only letters, digits and `-`. */
const removedBy = perObject(
  ({ stripHeaders, ownHeaders, identityPrefix }: Gate): RegExp =>
    new RegExp(
      `^(?:(?:${[...REMOVED, ...stripHeaders, ...ownHeaders].join('|')})$|${[...REMOVED_PREFIXES, identityPrefix].join('|')})`,
    ),
)

/**
 * Removes inbound headers in place: hop-by-hop ones, and those an origin could mistake for the gate's. The token stays
 * where the route forwards it, and all credentials in shadow mode; tokens in subprotocols and in other headers than
 * `Authorization` are never forwarded. Adds nothing.
 * `sent`: the headers that these are a copy of.
 */
export function stripInbound(
  headers: Headers,
  policy: Policy,
  route: Route,
  sent: HeaderReader = new SentHeaders(headers),
): void {
  const { gate } = policy
  const known = knownNames(gate)
  const isShadow = route.mode === 'shadow'
  const tokens = !isShadow && route.credential ? tokenHeaders(route.credential) : undefined
  const named = sent.has('connection') ? connectionOptions(sent.get('connection')) : undefined
  for (const name of sent.keys()) {
    const kind = known.get(name) ?? known.keep(name, kindOf(name, gate))
    const stays = isShadow || (route.forwardToken && name !== 'dpop')
    const isToken = kind === 'stays' && tokens?.has(foldedName(name))
    const goes = kind === 'credential' ? !stays : kind === 'removed' || isToken
    if (goes || named?.has(foldedName(name))) headers.delete(name)
    else if (kind === 'subprotocols') removeTokens(headers, policy)
  }
}

/** The headers of a rule's tokens beside `Authorization`, folded. */
const tokenHeaders = perObject(
  ({ headers }: NonNullable<Route['credential']>): ReadonlySet<string> =>
    new Set(headers.filter((name) => name !== AUTHORIZATION).map(foldedName)),
)

/** By header name: its kind. Agents use few spellings. */
const knownNames = perObject((_: Gate) => createTextMemo<ReturnType<typeof kindOf>>())

const kindOf = (name: string, gate: Gate): 'credential' | 'subprotocols' | 'removed' | 'stays' => {
  const folded = foldedName(name)
  if (gate.stripHeaders.has(folded)) return 'removed'
  if (CREDENTIALS.includes(folded)) return name === folded ? 'credential' : 'removed'
  if (folded === 'sec-websocket-protocol') return name === folded ? 'subprotocols' : 'removed'
  return removedBy(gate).test(folded) ? 'removed' : 'stays'
}

/** Whether an answer's header is hop-by-hop, by its name or by {@link connectionOptions}. */
export function isHopByHop(name: string, named: ReadonlySet<string>): boolean {
  return HOP_BY_HOP.includes(name) || (named.size > 0 && named.has(foldedName(name)))
}

type Pairs = readonly (readonly [name: string, value: string])[]

/** The identity headers of a caller for the origin. The granted scopes are those that the rule needed. */
export function identityHeaders(known: Facts): Pairs {
  return admittedHeaders(known.admission, known)
}

/** Sets, in place, the header of the granted scopes; removes it if there are none. */
export function setGrant(
  headers: Headers,
  { policy, grant }: Pick<Facts, 'policy' | 'grant'>,
): void {
  const name = `${policy.gate.identityPrefix}grant`
  headers.delete(name)
  for (const [, scopes] of scopeList('grant', grant)) headers.set(name, scopes)
}

const admittedHeaders = perAdmission(
  (known: Admitted): Pairs => [
    ...claimHeaders(known),
    ...prefixed(known.policy.gate, [
      ...agentHeaders(known.agent),
      ...scopeList('scope', known.access.scopes),
      ...optional('token-id', known.access.id),
      ['token-expires', String(Math.floor(known.access.expires))],
      ...scopeList('grant', known.routeGrant),
      ['possession', known.possession],
    ]),
  ],
  (pairs) => pairs.reduce((sum, [name, value]) => sum + 2 * (name.length + value.length) + 128, 0),
)

const prefixed = ({ identityPrefix }: Gate, pairs: Pairs): Pairs =>
  pairs.map(([name, value]) => [identityPrefix + name, value])

const optional = (name: string, value: string | undefined): Pairs =>
  value === undefined ? [] : [[name, headerText(value)]]

const scopeList = (name: string, scopes: readonly string[]): Pairs =>
  scopes.length === 0 ? [] : [[name, scopes.map(headerText).join(' ')]]

const agentHeaders = (agent: AgentIdentity): Pairs => [
  ...optional('id', agent.name),
  ...optional('issuer', agent.issuer),
  ...optional('subject', agent.subject),
  ...optional('client-id', agent.clientId),
  ...optional('type', agent.type),
  ...optional('workflow-id', agent.workflowId),
  ...optional('step', agent.step),
  ...(agent.actors.length > 0
    ? [['delegation', agent.actors.map(actorText(agent.issuer)).join(',')] as const]
    : []),
]

/**
 * The id of an actor; with another issuer `issuer;id`. Both are encoded, also each `;`, so that
 * different chains never give the same value.
 */
const actorText =
  (own: string) =>
  ({ sub, issuer }: Actor): string => {
    const item = (text: string) => headerText(text).replace(/;/g, '%3B')
    return issuer === own ? item(sub) : `${item(issuer)};${item(sub)}`
  }

/** The claims that policy and rule forward as headers. */
const claimHeaders = ({
  access: { claims },
  policy,
  route,
}: Pick<Admitted, 'access' | 'policy' | 'route'>): Pairs =>
  [...policy.gate.identityHeaders, ...route.forwardClaims].flatMap((one) => {
    const value = claimHeaderValue(claims, one)
    return value ? [[one.header, value]] : []
  })

/** Sets a header, appends to it, or, without a value, removes it. */
export type Edit = readonly [name: string, value?: string, isJoined?: true]

/** A copy of a response with another body and edited headers. */
export function remade(
  response: Response,
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null,
  edits: readonly Edit[],
): Response {
  const copy = new Response(body, response)
  const { headers } = copy
  for (const [name, value, isJoined] of edits) {
    if (value === undefined) headers.delete(name)
    else if (isJoined) headers.append(name, value)
    else headers.set(name, value)
  }
  return copy
}
