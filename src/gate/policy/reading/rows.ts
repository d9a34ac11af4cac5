import type { Issuer } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import { type Route, type Target, takesIssuer } from '../../model/route.ts'
import type { ScopeRule } from '../../model/scope.ts'

export interface RouteRow {
  readonly match: string
  readonly host?: string
  readonly access: Route['access']
  /** What a token needs, in words. */
  readonly needs: string
  readonly scopes: WrittenScopes
  /** Names of the issuers whose tokens count; none where no token is read. */
  readonly issuers: readonly string[]
  /** A URL, or `service:NAME`. */
  readonly origin: string
  readonly mode: Route['mode']
}

/** The configured rules in file order, one row each. */
export function routesOf({ routes, issuers }: Policy): readonly RouteRow[] {
  return routes.map((route) => ({
    match: route.name,
    ...(route.host !== undefined && { host: route.host }),
    access: route.access,
    needs: needsOf(route),
    scopes: writtenScopes(route.scopes),
    issuers: issuerNames(route, [...issuers.values()]),
    origin: originText(route.target),
    mode: route.mode,
  }))
}

/** The scopes of a rule as they are written in it: all of a list, or one of `any`. */
export type WrittenScopes = readonly string[] | { readonly any: readonly string[] }

/** A rule's scopes in the words of the configuration; templates are not resolved. */
export function writtenScopes({ mode, scopes }: ScopeRule): WrittenScopes {
  const sources = scopes.map(({ source }) => source)
  return mode === 'all' ? sources : { any: sources }
}

/** What a rule asks of a token, in words. */
export function needsOf(route: Route): string {
  if (!isReading(route)) return 'nothing'
  const scopes = scopesText(route.scopes) ?? 'any valid token'
  return route.access === 'optional' ? `no token, or ${scopes}` : scopes
}

/** Scopes in words; `undefined` where none is asked for. */
export function scopesText({ mode, scopes }: ScopeRule): string | undefined {
  const names = scopes.map(({ source }) => source)
  if (names.length === 0) return undefined
  return mode === 'all' ? names.join(' and ') : `one of ${names.join(', ')}`
}

/** Whether a rule reads a token: all but public ones do. */
export function isReading({ access }: Route): boolean {
  return access !== 'public'
}

/** Whether an administrator of only this issuer may see a rule. */
export function isWithin(route: Route, issuer: string): boolean {
  return !isReading(route) || takesIssuer(route, issuer)
}

/** Names of the issuers whose tokens a rule takes; none where it reads no token. */
export function issuerNames(route: Route, among: readonly Issuer[]): readonly string[] {
  return isReading(route)
    ? among.filter((one) => takesIssuer(route, one.issuer)).map(({ name }) => name)
    : []
}

/** Where a rule's requests go, in short. */
export function originText({ url, service }: Target): string {
  return service !== undefined ? `service:${service}` : url.pathname === '/' ? url.origin : url.href
}
