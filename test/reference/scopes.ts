/** Scopes: of the token, of a rule, and templates (docs/configuration/routes.md, "Keys of scopes"). */
import type { Issuer } from './issuer.ts'
import { includersOf, readClaim, scopesInclude } from './pattern.ts'
import type { Policy } from './policy.ts'
import type { NeededScopes } from './rule.ts'
import { type Json, type JsonObject, refuse } from './types.ts'

/** Reads a claim with scopes: text with single spaces between scopes, or a list with one scope in each member. */
export function readScopeClaim(claim: Json): string[] | undefined {
  const scopes = typeof claim === 'string' ? (claim === '' ? [] : claim.split(' ')) : claim
  if (!Array.isArray(scopes)) return undefined
  // RFC 6749 §3.3.
  const isScope = (scope: Json) =>
    typeof scope === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
  return scopes.every(isScope) ? (scopes as string[]) : undefined
}

/** The scopes in the token, as its issuer writes them. */
export function scopesOfToken(claims: JsonObject, issuer: Issuer): string[] {
  if (issuer.scopesFrom === 'grants') return []
  const present = (paths: string[]) => paths.filter((path) => readClaim(claims, path) !== undefined)
  const first = present(issuer.scope)
  const read = first.length > 0 ? first : present(issuer.scopeOtherwise)
  const scopes = read.flatMap(
    (path) => readScopeClaim(readClaim(claims, path) as Json) ?? refuse('claim_malformed'),
  )
  return withoutIgnored([...new Set(scopes)], issuer)
}

/** Without `admin` scopes of the gate's own endpoints are ignored, in a token and in its parent. */
export function withoutIgnored(scopes: string[], { admin }: Issuer): string[] {
  return scopes.filter((scope) => admin !== false || !scope.startsWith('edgewarden:'))
}

/** Whether one of the scopes is, or includes by SCOPES, the needed one. */
export function includes(policy: Policy, held: string[], needed: string): boolean {
  return scopesInclude(policy.scopes, held, needed)
}

/** The value of a path parameter in a scope or an identifier; `undefined` if it is not allowed there. */
export function templateValue(value: string | undefined): string | undefined {
  return value !== undefined && /^[A-Za-z0-9._~-]{1,128}$/.test(value) ? value : undefined
}

/** Replaces `{name}` by path parameters; `undefined` if a value is not allowed. */
export function fillTemplate(template: string, params: Record<string, string>): string | undefined {
  let isAllowed = true
  const filled = template.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const value = templateValue(params[name])
    if (value === undefined) isAllowed = false
    return value ?? ''
  })
  return isAllowed ? filled : undefined
}

/** Checks the scopes of a rule. The token's scopes that the rule needed. */
export function checkScopes(
  policy: Policy,
  needed: NeededScopes,
  params: Record<string, string>,
  held: string[],
  issuer: Issuer,
): string[] {
  if ('any' in needed) {
    const usable = needed.any.flatMap((scope) => fillTemplate(scope, params) ?? [])
    if (usable.length === 0) refuse('scope_value_invalid')
    const scope = usable.find((each) => includes(policy, held, each))
    if (scope === undefined) refuse(missing(issuer))
    return [holderOf(policy, scope, held)]
  }
  const all = needed.all.map(
    (scope) => fillTemplate(scope, params) ?? refuse('scope_value_invalid'),
  )
  const lacks = all.some((scope) => !includes(policy, held, scope))
  if (lacks) refuse(missing(issuer))
  return [...new Set(all.map((scope) => holderOf(policy, scope, held)))]
}

/** If scopes come from grants alone, a new token does not help. */
export function missing(issuer: Issuer): string {
  return issuer.scopesFrom === 'grants' ? 'grant_missing' : 'scope_missing'
}

/** Which of the token's scopes gives a needed one: itself, or the one that includes it in the fewest steps. */
export function holderOf(policy: Policy, needed: string, held: string[]): string {
  const reached = new Set([needed])
  for (const scope of reached) {
    if (held.includes(scope)) return scope
    for (const next of includersOf(policy.scopes, scope)) reached.add(next)
  }
  return needed
}
