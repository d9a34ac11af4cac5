import type { JsonObject } from '../json.ts'
import { type ClaimGrant, claimPath, readClaim } from './claims.ts'
import { resolveScope, scopeValue } from './scope.ts'

/** The grants that a token with these claims gets, of those of its issuer. */
export function grantsFor(
  claims: JsonObject,
  grants: readonly ClaimGrant[] = [],
): readonly ClaimGrant[] {
  return grants.filter((grant) =>
    grant.claims.every(({ path, accepts }) => accepts(readClaim(claims, path))),
  )
}

/** For each scope that grants give: where they are written. */
export function grantsByScope(
  granted: readonly ClaimGrant[],
): Readonly<Record<string, readonly string[]>> {
  const scopes = new Set(granted.flatMap((one) => one.scopes))
  const givers = (scope: string) => granted.filter((one) => one.scopes.includes(scope))
  return Object.fromEntries(
    [...scopes].map((scope) => [scope, givers(scope).map(({ name }) => name)]),
  )
}

/** Why grants do not say who an agent is. */
export type Ungranted = 'grant_conflict' | 'grant_value_invalid'

/** The agent's id and type as grants give them, or the fault. */
export function agentOfGrants(
  granted: readonly ClaimGrant[],
  claims: JsonObject,
): { readonly id?: string | undefined; readonly type?: string | undefined } | Ungranted {
  const templates = granted.flatMap(({ agentId }) => agentId ?? [])
  const ids = templates.map((one) => resolveScope(one, NONE, (path) => idPart(claims, path)))
  const types = granted.flatMap(({ agentType }) => agentType ?? [])
  if (ids.includes(undefined)) return 'grant_value_invalid'
  if (new Set(ids).size > 1 || new Set(types).size > 1) return 'grant_conflict'
  return { id: ids[0], type: types[0] }
}

const NONE = new Map<string, string>()

/** A claim as a part of an id: a whole number, or text that a scope may have. */
const idPart = (claims: JsonObject, path: string): string | undefined => {
  const value = readClaim(claims, claimPath(path))
  return scopeValue(Number.isSafeInteger(value) ? String(value) : value)
}
