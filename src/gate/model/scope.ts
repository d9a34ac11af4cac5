import type { JsonObject } from '../base/json.ts'
import { type ClaimGrant, claimPath, readClaim } from './claims.ts'
import type { Issuer } from './issuer.ts'

/** One scope token (RFC 6749 §3.3). */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * Whether a value is one scope token (RFC 6749 §3.3).
 * @example
 * isScopeToken('documents:read') // true
 * isScopeToken('documents read') // false
 */
export function isScopeToken(value: unknown): value is string {
  return typeof value === 'string' && SCOPE_TOKEN.test(value)
}

/** Prefix of the scopes for the gate's own endpoints. */
export const ADMIN_SCOPE_PREFIX = 'edgewarden:'

/**
 * The scopes of a token, by its issuer's entry. A claim is a string of tokens separated by single spaces (RFC 6749
 * §3.3), or an array of tokens; `undefined` where it is neither. Without a claim the list is empty. Admin scopes are
 * dropped unless the issuer's `admin` allows them. `granted`: grants whose scopes are added. Where the issuer's scopes
 * come from grants, no claim is read.
 */
export function readScopes(
  claims: JsonObject,
  issuer: Issuer,
  granted: readonly ClaimGrant[] = [],
): readonly string[] | undefined {
  const scopes = new Set<string>()
  const isThere = issuer.scope.some((path) => readClaim(claims, path) !== undefined)
  const paths = isThere ? issuer.scope : issuer.scopeElse
  for (const path of issuer.scopesFrom === 'grants' ? [] : paths) {
    const value = readClaim(claims, path)
    if (value === undefined) continue
    const tokens = tokensOf(value)
    if (!tokens) return undefined
    for (const token of tokens) if (counts(token, issuer)) scopes.add(token)
  }
  for (const grant of granted) for (const scope of grant.scopes) scopes.add(scope)
  return Object.freeze([...scopes])
}

/** The scope tokens of a claim; `undefined` where it is malformed. */
const tokensOf = (value: unknown): readonly string[] | undefined => {
  if (value === '') return []
  const tokens = typeof value === 'string' ? value.split(' ') : value
  return Array.isArray(tokens) && tokens.every(isScopeToken) ? tokens : undefined
}

const counts = (token: string, { admin }: Pick<Issuer, 'admin'>): boolean =>
  admin !== false || !token.startsWith(ADMIN_SCOPE_PREFIX)

/** The parent token's scopes, read as {@link readScopes} does; `undefined` without the claim, `null` if malformed. */
export function readParentScopes(
  claims: JsonObject,
  issuer: Pick<Issuer, 'parentScope' | 'admin'>,
): ReadonlySet<string> | undefined | null {
  const value = issuer.parentScope && readClaim(claims, issuer.parentScope)
  if (value === undefined) return undefined
  const tokens = tokensOf(value)
  return tokens ? new Set(tokens.filter((token) => counts(token, issuer))) : null
}

const SCOPE_VALUE = /^[A-Za-z0-9._~-]{1,128}$/

/** The scope of a template; `undefined` where a value is missing, or not allowed in a scope. */
export function resolveScope(
  { parts }: Pick<ScopeTemplate, 'parts'>,
  params: ReadonlyMap<string, string>,
  textOf = pathValue,
): string | undefined {
  let scope = ''
  for (const [i, part] of parts.entries()) {
    const text = i % 2 === 0 ? part : textOf(part, params)
    if (text === undefined) return undefined
    scope += text
  }
  return scope
}

/** The value of a path parameter, if a scope may have it. */
export function pathValue(name: string, params: ReadonlyMap<string, string>): string | undefined {
  return scopeValue(params.get(name))
}

/** A text that a placeholder may stand for: it has no separator. */
export function scopeValue(value: unknown): string | undefined {
  return typeof value === 'string' && SCOPE_VALUE.test(value) ? value : undefined
}

/** A scope token, or a template: text with `{parameter}` placeholders. */
export interface ScopeTemplate {
  readonly source: string
  /** Literal text at even indexes, parameter names at odd ones. */
  readonly parts: readonly string[]
}

/** The scopes that a token must cover: all or any. */
export interface ScopeRule {
  readonly mode: 'all' | 'any'
  readonly scopes: readonly ScopeTemplate[]
}

/** The parameter names of a template. */
export function holesOf({ parts }: ScopeTemplate): readonly string[] {
  return parts.filter((_, i) => i % 2 === 1)
}

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
