import type { Issuer } from '../model/issuer.ts'
import type { Policy } from '../model/policy.ts'
import type { Route } from '../model/route.ts'
import { WATCH_KEYS } from './keys/agents.ts'
import { AUDIT_KEYS } from './keys/audit.ts'
import { GATE_KEYS } from './keys/gate.ts'
import { GRANT_KEYS } from './keys/grants.ts'
import { ISSUER_KEYS } from './keys/issuer-keys.ts'
import { isAbout, ROUTE_KEYS } from './keys/route-keys.ts'
import { type Shown, showPaths, showTable } from './keys/show-parts.ts'
import { TRANSMIT_KEYS } from './keys/transmit.ts'
import { isReading, isWithin } from './reading/rows.ts'

export type { Shown } from './keys/show-parts.ts'

/** A policy in the words of the configuration, every default filled in. */
export interface ShownPolicy {
  readonly gate: Shown
  /** By their names in the configuration. */
  readonly issuers: Readonly<Record<string, Shown>>
  /** In file order. */
  readonly routes: readonly Shown[]
  readonly scopes: Readonly<Record<string, readonly string[]>>
  /** Grants by the place where they are written; absent if there are no grants. */
  readonly grants?: Readonly<Record<string, Shown>>
  /** Absent without an audit, and for administrators of one issuer. */
  readonly audit?: Shown
  /** Tables of WATCH by name; absent as `audit` is. */
  readonly watch?: Readonly<Record<string, Shown>>
  /** Tables of TRANSMIT by name; absent as `audit` is. */
  readonly transmit?: Readonly<Record<string, Shown>>
}

/**
 * The policy in force, as JSON. Without secrets: an injected header is shown by its name, an inline
 * or private key by its `kid`, an address of keys without its query. With `within`, the `iss` of an
 * issuer, only that issuer, the rules that take its tokens or none at all, and the actors that are
 * its own. Values of rules that other issuers share are redacted.
 */
export function showPolicy(policy: Policy, within?: string): ShownPolicy {
  const issuers = [...policy.issuers.values()].filter(
    ({ issuer }) => within === undefined || issuer === within,
  )
  return {
    gate: showTable(GATE_KEYS, policy.gate, undefined),
    issuers: Object.fromEntries(issuers.map((one) => [one.name, showIssuer(one, within)])),
    routes: policy.routes
      .filter((route) => within === undefined || isWithin(route, within))
      .map((route) => {
        const accepted = route.issuers ?? policy.issuers
        return showRoute(route, issuers, within, within !== undefined && accepted.size > 1)
      }),
    scopes: Object.fromEntries(policy.scopes),
    ...(issuers.some(({ grants }) => (grants ?? []).length > 0) && {
      grants: Object.assign({}, ...issuers.map(showGrants)),
    }),
    ...(policy.audit &&
      within === undefined && { audit: showTable(AUDIT_KEYS, policy.audit, undefined) }),
    ...(policy.watch.length > 0 &&
      within === undefined && {
        watch: Object.fromEntries(
          policy.watch.map((rule) => [rule.name, showTable(WATCH_KEYS, rule, policy)]),
        ),
      }),
    ...(policy.transmit.length > 0 &&
      within === undefined && {
        transmit: Object.fromEntries(
          policy.transmit.map((one) => [one.name, showTable(TRANSMIT_KEYS, one, undefined)]),
        ),
      }),
  }
}

const showIssuer = (issuer: Issuer, within?: string): Shown => ({
  ...showTable(ISSUER_KEYS, issuer, within),
  ...(issuer.scopeElse.length > 0 && { scope_else: showPaths(issuer.scopeElse) }),
})

/** The grants for tokens of an issuer, by where they are written. */
export function showGrants({ name, grants = [] }: Issuer): Readonly<Record<string, Shown>> {
  return Object.fromEntries(grants.map((grant) => [grant.name, showTable(GRANT_KEYS, grant, name)]))
}

/** A rule in the words of the configuration. */
export function showRoute(
  route: Route,
  issuers: readonly Issuer[],
  within?: string,
  isShared = false,
): Shown {
  const shown = showTable(ROUTE_KEYS, route, { issuers, within, isShared })
  if (isReading(route)) return shown
  return Object.fromEntries(Object.entries(shown).filter(([key]) => isAbout(key, 'request')))
}
