import { isObject, listOf } from '../base/json.ts'
import { type Parts, whole } from '../base/parts.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { parseUrl } from '../base/url.ts'
import type { Policy } from '../model/policy.ts'
import type { Route } from '../model/route.ts'
import { isWhollyReserved } from '../model/well-known.ts'
import { checkAddresses, checkBindings, checkIssuers, checkResources } from './checks.ts'
import { ownRoutes } from './endpoints.ts'
import { readIssuers } from './issuer.ts'
import { watchOf } from './keys/agents.ts'
import { assertionOf } from './keys/assertion.ts'
import { auditOf } from './keys/audit.ts'
import { ownHeadersOf } from './keys/claim-headers.ts'
import { checkConsole } from './keys/console.ts'
import { checkDecryption } from './keys/decrypt.ts'
import { DEFAULT_PREFIX, gateOf, readGate } from './keys/gate.ts'
import { checkGrants, checkShared, readGrant, type WrittenGrant } from './keys/grants.ts'
import { readIncludes } from './keys/includes.ts'
import { checkLimits } from './keys/limit.ts'
import { checkPeople } from './keys/person.ts'
import { transmitOf } from './keys/transmit.ts'
import type { PolicyEnv } from './reading/env.ts'
import { type PolicyIssue, pathText, quote, type Report, under } from './reading/issues.ts'
import { routerParts } from './reading/router.ts'
import { type PolicyVars, readVars } from './reading/vars.ts'
import { gateOriginsOf, hostsOf, infoOf, type Rule, resourcesOf } from './resources.ts'
import { readRoute, routeOf, type Surroundings, targetOf } from './route.ts'
import { checkRoute } from './route-checks.ts'
import { type Warn, warnOfSecrets } from './secret-warnings.ts'

/** A policy that is in order, and what its operator should still know. */
export interface PolicyBundle {
  readonly policy: Policy
  readonly warnings: readonly PolicyIssue[]
}

const MOST_RULES = 10_000

/**
 * Reads a whole policy: every mistake at once, each with its path, or a frozen policy. An unknown key is a mistake.
 * Never throws, whatever the variables hold. Fetches nothing: whether issuers and origins can be reached is not known
 * after it. `warn` finds the warnings: by default only those that a check of the file cannot find. Each part is about a
 * rule.
 */
export function* policyParts(
  vars: PolicyVars,
  env: PolicyEnv,
  warn: Warn = warnOfSecrets,
): Parts<Result<PolicyBundle, readonly PolicyIssue[]>> {
  const issues: PolicyIssue[] = []
  const given: PolicyVars = isObject(vars) ? vars : {}
  const at = into(issues)
  const gate = readGate(given.GATE ?? {}, at('GATE'))
  const { scopes, includedBy } = readIncludes(given.SCOPES, at('SCOPES'))
  const rules = yield* readRoutes(given, at)
  const hosts = new Set(gate.hosts ?? hostsOf(gate.resource?.url, rules))
  const resources = resourcesOf(gate.resource, rules)
  const gateOrigins = gateOriginsOf(
    new Set(gate.console?.host === undefined ? hosts : [...hosts, gate.console.host]),
    resources,
  )
  const grants = readGrants(given, at)
  const { entries, issuers, names, declared } = readIssuers(
    given.ISSUERS ?? {},
    { never: [...gateOrigins], env, grants },
    at('ISSUERS'),
  )
  checkGrants(grants, issuers, declared)
  const around: Surroundings = { gate, hosts, issuers, names, declared, env }
  const routes: { readonly route: Route; readonly path: string; readonly report: Report }[] = []
  for (const { path, raw, entry, report } of rules) {
    yield
    checkRoute(raw, entry, around, report)
    const route = routeOf(entry, around, report)
    if (!route) continue
    routes.push({ route, path, report })
    if (isWhollyReserved(route))
      report(
        ['match'],
        'can never match: metadata of an authorization server is served only where a rule spells out its whole path',
      )
  }
  const isPublic = rules.length > 0 && rules.every(({ entry }) => entry.access === 'public')
  if (isEmpty(given.ISSUERS) && !isPublic)
    at('ISSUERS')([], 'must have an issuer, unless every rule is public')
  checkIssuers(entries, gate, at('ISSUERS'))
  checkDecryption(issuers, at('ISSUERS'))
  const found = routes.map(({ route }) => route)
  if (!env.admitsNobody) checkShared(issuers, found, at('ISSUERS'))
  checkResources(resources, rules, gate, at('GATE'))
  checkAddresses({ gate, gateOrigins, entries, rules, env }, at)
  checkBindings(issuers, rules, { gate, env }, at('bindings'))
  checkLimits({ gate, rules, env }, at)
  const assertion = assertionOf(gate.assertion, env, under(at('GATE'), 'assertion'))
  const beside = { hosts, resources, isSigning: assertion !== undefined }
  checkConsole(gate.console?.host, beside, at('GATE.console'))
  if (!gate.console) checkPeople(issuers, at('ISSUERS'))
  const audit = auditOf(given.AUDIT, env, at('AUDIT'), at('bindings'))
  const watched = { env, audit, issuers, rules: found.map(({ name }) => name) }
  const watch = watchOf(given.WATCH, watched, at('WATCH'), at('bindings'))
  const targets = [gate, ...rules.map(({ entry }) => entry)].flatMap(({ origin }) =>
    origin?.kind === 'url' ? origin.url : [],
  )
  const never = [...[...gateOrigins].flatMap((origin) => parseUrl(origin) ?? []), ...targets]
  const transmit = transmitOf(given.TRANSMIT, { env, issuers, never }, at('TRANSMIT'))
  if (!gate.resource || !gate.origin) return fail(issues)
  const resource = gate.resource.text
  const own = ownRoutes({
    prefix: gate.prefix ?? DEFAULT_PREFIX,
    resource,
    resources,
    missing: [
      ...(audit ? [] : (['decisions'] as const)),
      ...(env.has('durable_object', 'AGENTS') ? [] : (['agents'] as const)),
      ...(env.has('durable_object', 'APPROVALS') ? [] : (['approvals'] as const)),
      ...(gate.console ? [] : (['console'] as const)),
      ...([...issuers.values()].some(({ events }) => events) ? [] : (['events'] as const)),
    ],
    target: targetOf(gate.origin, resource, '', gate.timeout, gate.origin_via),
  })
  const all = Object.freeze([...own, ...found])
  const { find, unreachable } = yield* routerParts(all)
  for (const { index, by } of yield* unreachable(tellingHosts(all, hosts), own.length)) {
    const shadowed = routes[index - own.length]
    if (shadowed && by >= own.length) {
      shadowed.report(
        ['match'],
        `can never match: ${quote(all[by]?.name ?? '')} of ${routes[by - own.length]?.path} matches all its requests first; put this rule before that one, or remove one of them`,
      )
    }
  }
  if (issues.length > 0) return fail(issues)
  const policy: Policy = Object.freeze({
    gate: gateOf(
      gate,
      resource,
      hosts,
      { assertion, isAudited: audit !== undefined },
      ownHeadersOf(
        gate,
        rules.map(({ entry }) => entry),
      ),
    ),
    ...(audit && { audit }),
    watch: Object.freeze(watch),
    transmit: Object.freeze(transmit),
    issuers: new Map([...issuers.values()].map((issuer) => [issuer.issuer, issuer])),
    routes: Object.freeze(found),
    router: Object.freeze({ find }),
    scopes,
    includedBy,
    resources: new Map(
      [...resources.keys()].map((id) => [id, infoOf(id, resource, rules, around)]),
    ),
  })
  yield
  const warnings: PolicyIssue[] = []
  warn({ gate, hosts, issuers, rules, env, audit, watch }, into(warnings))
  return ok({ policy, warnings: Object.freeze(warnings) })
}

/** The hosts of rules that are for one host only, and one other host: rules treat all other hosts alike. */
const tellingHosts = (routes: readonly Route[], hosts: ReadonlySet<string>) => {
  const named = new Set(routes.map(({ host }) => host))
  const other = [...hosts].find((host) => !named.has(host))
  return new Set([...hosts].filter((host) => host === other || named.has(host)))
}

/** Absent or without a table in it; a value that is not a table is another mistake. */
const isEmpty = (issuers: unknown): boolean =>
  issuers === undefined || (isObject(issuers) && Object.keys(issuers).length === 0)

const into =
  (issues: PolicyIssue[]) =>
  (base: string): Report =>
  (path, message) =>
    issues.push({ path: pathText(base, path), message })

/** Gathers the variables of an environment and reads the policy they make, all mistakes at once. */
export function readPolicy(
  variables: Readonly<Record<string, unknown>>,
  env: PolicyEnv,
): Result<PolicyBundle, readonly PolicyIssue[]> {
  const { vars, issues } = readVars(variables)
  const bundle = whole(policyParts(vars, env))
  if (issues.length === 0) return bundle
  return fail(bundle.ok ? issues : [...issues, ...bundle.reason])
}

function* readRoutes(
  { ROUTES, routePaths = [] }: PolicyVars,
  at: (base: string) => Report,
): Parts<readonly Rule[]> {
  const report = at('ROUTES')
  const rules = ROUTES ?? []
  if (!Array.isArray(rules)) report([], 'must be a list of tables: [[vars.ROUTES]]')
  else if (rules.length === 0) report([], 'must have a rule: [[vars.ROUTES]]')
  if (!Array.isArray(rules)) return []
  if (rules.length > MOST_RULES) {
    report(
      [],
      `contains ${rules.length} rules, over ${MOST_RULES}; rules with {parameters} need fewer`,
    )
    return []
  }
  const read: Rule[] = []
  for (const [i, raw] of rules.entries()) {
    yield
    const path = routePaths[i] ?? `ROUTES[${i}]`
    const own = at(path)
    read.push({ path, raw, entry: readRoute(raw, own), report: own })
  }
  return read
}

const readGrants = (
  { GRANTS = [], grantPaths = [] }: PolicyVars,
  at: (base: string) => Report,
): readonly WrittenGrant[] => {
  if (!Array.isArray(GRANTS)) at('GRANTS')([], 'must be a list of tables: [[vars.GRANTS]]')
  return listOf(GRANTS).map((raw, i) => {
    const path = grantPaths[i] ?? `GRANTS[${i}]`
    return readGrant(path, raw, at(path))
  })
}
