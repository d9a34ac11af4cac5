/** Identity headers, and claims in headers (docs/origin.md, docs/configuration/headers.md). */

import { ANY, type Header } from './asked.ts'
import type { Identity } from './identity.ts'
import { inexactMembers } from './json.ts'
import { isExact, readClaim } from './pattern.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { type Json, type JsonObject, refuse } from './types.ts'
import { isName } from './values.ts'
import type { Verified } from './verification.ts'

/** Percent-encodes, as UTF-8, each byte that is not visible ASCII, and `%`, `,`, `"` and `\`. */
export function encodeValue(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      const isPlain = byte >= 0x21 && byte <= 0x7e && !'%,"\\'.includes(character)
      return isPlain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

/** The headers about the caller. */
export function identityHeaders(
  policy: Policy,
  { identity, possession, step }: Verified,
  grant: string[],
): Header[] {
  const { issuer, claims } = identity
  const list = (items: string[], separator: string) =>
    items.length === 0 ? undefined : items.join(separator)
  const encoded = (value: string | undefined) =>
    value === undefined ? undefined : encodeValue(value)
  const values: Record<string, string | undefined> = {
    id: encoded(identity.name),
    issuer: encoded(issuer.issuer),
    subject: encoded(identity.subject),
    'client-id': encoded(identity.client),
    type: encoded(identity.type),
    'workflow-id': encoded(identity.workflow),
    step: encoded(step),
    scope: list(identity.scopes.map(encodeValue), ' '),
    grant: list(grant.map(encodeValue), ' '),
    'token-id': encoded(claims.jti as string | undefined),
    'token-expires': String(Math.floor(claims.exp as number)),
    delegation: list(actorsOf(identity), ','),
    possession,
    assertion: policy.gate.assertion.binding === 'off' ? undefined : ANY,
  }
  return Object.entries(values).flatMap(([name, value]): Header[] =>
    value === undefined ? [] : [[policy.gate.identityPrefix + name, value]],
  )
}

/** An actor of the token's own issuer is its `sub`, another one is `issuer;sub`. */
function actorsOf({ actors, issuer }: Identity): string[] {
  const encode = (text: string) => encodeValue(text).replaceAll(';', '%3B')
  return actors.map((actor) =>
    actor.issuer === issuer.issuer
      ? encode(actor.sub)
      : `${encode(actor.issuer)};${encode(actor.sub)}`,
  )
}

const LONGEST_HEADER = 4096

/** Headers that are made from claims: `identity_headers` of GATE and `forward_claims` of the rule. */
export function claimHeaders(policy: Policy, rule: Rule | undefined, claims: JsonObject): Header[] {
  const paths = { ...policy.gate.identityHeaders, ...rule?.forwardClaims }
  return Object.entries(paths).flatMap(([name, path]): Header[] => {
    const value = claimText(claims, path)
    return value === undefined ? [] : [[name.toLowerCase(), value]]
  })
}

/** A claim as a header; `undefined` if it is absent or an empty list. */
function claimText(claims: JsonObject, path: string): string | undefined {
  const claim = readClaim(claims, path)
  if (claim === undefined) return undefined
  if (Array.isArray(claim) && inexactMembers(claim).size > 0) refuse('claim_not_encodable')
  if (typeof claim === 'number' && !isExact(claims, path)) refuse('claim_not_encodable')
  const items = (Array.isArray(claim) ? claim : [claim]).map(itemText)
  const text = items.join(',')
  if (text.length > LONGEST_HEADER) refuse('claim_not_encodable')
  return items.length === 0 ? undefined : text
}

function itemText(item: Json): string {
  if (typeof item === 'number' || typeof item === 'boolean') return String(item)
  if (!isName(item)) refuse('claim_not_encodable')
  return encodeValue(item)
}
