/** Grants: scopes, an id and a type by the claims of a token (docs/grants.md). */

import type { Issuer } from './issuer.ts'
import { claimIs, isExact, readClaim } from './pattern.ts'
import type { Grant, Policy } from './policy.ts'
import { templateValue } from './scopes.ts'
import { type JsonObject, refuse } from './types.ts'

/** The grants that a token matches. */
export function matchingGrants(policy: Policy, claims: JsonObject, issuer: Issuer): Grant[] {
  if (issuer.scopesFrom === 'token') return []
  return policy.grants.filter(
    (grant) =>
      grant.issuer === issuer.name &&
      Object.entries(grant.claims).every(([path, value]) => claimIs(claims, path, value)),
  )
}

/** The scopes of all grants together. */
export function scopesOfGrants(grants: Grant[]): string[] {
  return [...new Set(grants.flatMap((grant) => grant.scopes))]
}

/** The id that grants give the agent, if one does. */
export function idOfGrants(grants: Grant[], claims: JsonObject): string | undefined {
  const templates = grants.flatMap((grant) => grant.agent_id ?? [])
  return only(templates.map((template) => fill(template, claims)))
}

/** The type that grants give the agent, if one does. */
export function typeOfGrants(grants: Grant[]): string | undefined {
  return only(grants.flatMap((grant) => grant.agent_type ?? []))
}

/** The one value, if there are not two. */
function only(values: string[]): string | undefined {
  if (new Set(values).size > 1) refuse('grant_conflict')
  return values[0]
}

/** Replaces claim paths in braces by the claims. */
function fill(template: string, claims: JsonObject): string {
  return template.replace(/\{([^}]+)\}/g, (_, path: string) => {
    const value = readClaim(claims, path)
    const text =
      typeof value === 'number' && Number.isInteger(value) && isExact(claims, path)
        ? String(value)
        : templateValue(typeof value === 'string' ? value : undefined)
    return text ?? refuse('grant_value_invalid')
  })
}
