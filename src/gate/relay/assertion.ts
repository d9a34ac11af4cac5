import { SignJWT } from 'jose'
import { perAdmission, weigh } from '../base/admission.ts'
import { sha256Name } from '../base/bytes.ts'
import { own } from '../base/json.ts'
import { decodeJwsPart, splitJws } from '../base/jws.ts'
import { createTextMemo, perObject } from '../base/memo.ts'
import type { Decision, Facts } from '../guard/guard.ts'
import {
  type ActClaim,
  ASSERTION_TYP,
  type AssertionClaims,
  type AssertionRule,
} from '../model/assertion.ts'
import { MCP_KINDS } from '../model/mcp.ts'
import type { Clock, SigningKey } from '../model/ports.ts'
import { type Route, templateParams } from '../model/route.ts'
import { holesOf } from '../model/scope.ts'
import type { Actor } from '../model/token.ts'
import { pathAtOrigin } from '../model/well-known.ts'

/** Most seconds for which an assertion is valid. */
const LIFE = 60
/** The share of this time in which it is sent again. */
const REUSED = 2 / 3
/** Most assertions per admission: they differ by the scopes used and by the deciding parameters. */
const MOST_KEPT = 16

export interface Asserted {
  readonly rule: AssertionRule
  readonly known: Facts
  readonly key: SigningKey
  readonly clock: Clock
  /** The method and URL, as sent to the origin. */
  readonly method: string
  readonly url: string
}

interface Kept {
  readonly kid: string
  readonly text: string
  /** Milliseconds since the epoch. */
  readonly until: number
}

/** Result where an assertion is required but there is no key. */
export const UNSIGNED = Symbol('unsigned')

/** The assertion for a request; `undefined` where its origin gets none. */
export function assertionFor(
  method: string,
  url: string,
  decision: Decision,
): string | Promise<string> | typeof UNSIGNED | undefined {
  if (decision.outcome !== 'passed') return undefined
  const { known, ports } = decision
  const rule = known.policy.gate.assertion
  if (!rule) return undefined
  const { signing: key } = known
  return key ? assertionOf({ rule, known, key, clock: ports.clock, method, url }) : UNSIGNED
}

/**
 * The signed JWT for the origin. With binding `identity` it is reused for two thirds of its validity, on the same rule
 * with the same scopes. With other bindings it is signed for each request.
 */
export function assertionOf(asserted: Asserted): string | Promise<string> {
  const { rule, known, key, clock } = asserted
  if (rule.binding !== 'identity') return signBound(asserted)
  const use = `${routeText(known)} ${known.grant.join(' ')}`
  const one = keptOf(known.admission, undefined).get(use)
  if (one && one.kid === key.kid && clock.now() < one.until) return one.text
  return keep(asserted, use)
}

/** The query as `fetch` sends it, which escapes a few characters. */
const signBound = async (asserted: Asserted): Promise<string> => {
  const query = new URL(asserted.url).search.slice(1)
  const claims = claimsOf(asserted)
  return sign(query === '' ? claims : { ...claims, htq: await sha256Name(query) }, asserted.key)
}

/** The assertions of an admission. Their bytes are counted when they change. */
const keptOf = perAdmission(
  () => new Map<string, Kept>(),
  () => 0,
)

const keep = async (asserted: Asserted, use: string): Promise<string> => {
  const { known, key } = asserted
  const claims = claimsOf(asserted)
  const text = await sign(claims, key)
  const kept = keptOf(known.admission, undefined)
  if (kept.size >= MOST_KEPT) {
    weigh(known.admission, -[...kept].reduce((sum, one) => sum + weightOf(...one), 0))
    kept.clear()
  }
  const { iat, exp } = claims
  const old = kept.get(use)
  const made = { kid: key.kid, text, until: (iat + (exp - iat) * REUSED) * 1000 }
  kept.set(use, made)
  weigh(known.admission, weightOf(use, made) - (old ? weightOf(use, old) : 0))
  return text
}

/** Estimated bytes of an assertion with its map entry. */
const weightOf = (use: string, { text }: Kept): number => use.length + 2 * text.length + 512

const sign = (claims: AssertionClaims, { kid, algorithm, key }: SigningKey): Promise<string> =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: algorithm, typ: ASSERTION_TYP, kid })
    .sign(key)

const claimsOf = ({ rule, known, clock, method, url }: Asserted): AssertionClaims => {
  const { policy, route, access, agent, grant, possession, held } = known
  const now = Math.floor(clock.now() / 1000)
  const exp = Math.min(now + LIFE, Math.floor(access.expires))
  return {
    iss: policy.gate.resource,
    aud: route.target.audience,
    // A token may be accepted shortly after its `exp`; its assertion has then expired, too.
    iat: Math.min(now, exp - 1),
    exp,
    jti: crypto.randomUUID(),
    sub: agent.name,
    agent_iss: agent.issuer,
    ...(agent.subject !== undefined && { agent_sub: agent.subject }),
    ...(agent.clientId !== undefined && { client_id: agent.clientId }),
    ...(access.scopes.length > 0 && { scope: access.scopes.join(' ') }),
    ...(grant.length > 0 && { grant: grant.join(' ') }),
    ...(agent.type !== undefined && { agent_type: agent.type }),
    ...(agent.workflowId !== undefined && { workflow_id: agent.workflowId }),
    ...(agent.step !== undefined && { workflow_step: agent.step }),
    ...(agent.actors.length > 0 && { act: actOf(agent.actors) }),
    ...(access.id !== undefined && { token_jti: access.id }),
    route: routeText(known),
    possession,
    ...(rule.binding !== 'identity' && { htm: method, htu: url.replace(/[?#].*$/, '') }),
    ...(held?.digest !== undefined && { bdh: held.digest }),
  }
}

/** The chain of actors, nested as in RFC 8693 §4.1: `act` of each actor is the previous actor. */
const actOf = ([first, ...others]: readonly Actor[]): ActClaim => {
  const { sub, issuer } = first as Actor
  return { sub, iss: issuer, ...(others.length > 0 && { act: actOf(others) }) }
}

/** A sent path as part of a pattern, in which `*` has another meaning. */
const literal = (path: string): string => path.replaceAll('*', '%2A')

/** Methods and path of a rule as its origin sees them; `{+name}` may contain an escaped slash. */
const routeOf = perObject(({ methods, path, target, encodedSlash }: Route): string => {
  const rest = path.slice(target.stripPrefix.length)
  const whole = literal(pathAtOrigin(target, target.stripPrefix))
  const below = whole.replace(/\/$/, '') + (rest.startsWith('/') ? rest : `/${rest}`)
  const text = `${methods.join(',')} ${rest === '' ? whole : below}`
  return encodedSlash ? text.replace(/\{/g, '{+') : text
})

/** Path parameters that the rule's checks read: requests with different values of these need different assertions. */
const decidingOf = perObject((route: Route): ReadonlySet<string> => {
  const { workflow, when, mcp } = route
  const uses = MCP_KINDS.flatMap((kind) => mcp?.names[kind].all ?? [])
  return new Set([
    ...templateParams(route),
    ...uses.flatMap((use) => use.scopes.scopes.flatMap(holesOf)),
    ...[when, ...uses.map((use) => use.when)].flatMap((one) => one?.params ?? []),
    ...(workflow?.from === 'path' ? [workflow.name] : []),
  ])
})

/** {@link routeOf} with the values of these parameters. */
const routeText = ({ route, params }: Facts): string => {
  const deciding = decidingOf(route)
  if (deciding.size === 0) return routeOf(route)
  return routeOf(route).replace(/\{\+?(\w+)\}/g, (hole, name: string) => {
    const value = deciding.has(name) ? params.get(name) : undefined
    return value === undefined ? hole : literal(value)
  })
}

/** By the signature of the assertion, because one assertion is sent with several requests. */
const ids = createTextMemo<unknown>()

/** The `jti` of an assertion that the gate has signed; `undefined` without one. Does not verify it. */
export function assertionIdOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  const signature = text.slice(text.lastIndexOf('.'))
  const payload = () => decodeJwsPart(splitJws(text)?.payload ?? '') ?? {}
  return ids.get(signature) ?? ids.keep(signature, own(payload(), 'jti'))
}
