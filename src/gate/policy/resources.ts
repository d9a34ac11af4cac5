import { MCP_KINDS } from '../model/mcp.ts'
import type { ResourceInfo } from '../model/policy.ts'
import type { ScopeRule } from '../model/scope.ts'
import type { RouteEntry } from './keys/route-keys.ts'
import type { Report } from './reading/issues.ts'
import { type Surroundings, takenIssuers } from './route.ts'

/** A rule as read, where it is written, and where to report what is wrong with it. */
export interface Rule {
  readonly path: string
  readonly raw: unknown
  readonly entry: RouteEntry
  readonly report: Report
}

/** Names of the hosts that are served where `hosts` is not written. */
export function hostsOf(resource: URL | undefined, rules: readonly Rule[]): readonly string[] {
  return [
    resource?.hostname,
    ...rules.flatMap(({ entry }) => [entry.resource?.url.hostname, entry.host]),
  ].filter((host) => host !== undefined)
}

/** Schemes, names and ports under which the gate itself answers. */
export function gateOriginsOf(
  hosts: ReadonlySet<string>,
  resources: ReadonlyMap<string, URL>,
): ReadonlySet<string> {
  return new Set([
    ...[...resources.values()].map(({ origin }) => origin),
    ...[...hosts].flatMap((host) => [`https://${host}`, `http://${host}`]),
  ])
}

/** Every protected resource, by its identifier. */
export function resourcesOf(
  resource: RouteEntry['resource'],
  rules: readonly Rule[],
): ReadonlyMap<string, URL> {
  const named = [resource, ...rules.map(({ entry }) => entry.resource)]
  return new Map(named.flatMap((one) => (one ? [[one.text, one.url] as const] : [])))
}

/** The scopes of a rule that have no placeholder. */
const plain = (rule: ScopeRule | undefined): readonly string[] =>
  rule?.scopes.flatMap(({ source, parts }) => (parts.length === 1 ? [source] : [])) ?? []

/** The scopes that an MCP server offers beside those of its rule: those of all names, unless they are set. */
const offeredBy = ({ mcp }: RouteEntry): readonly string[] =>
  mcp?.offeredScopes ??
  MCP_KINDS.flatMap((kind) => mcp?.names[kind].all.flatMap((use) => plain(use.scopes)) ?? [])

/** What a resource's metadata says, by the rules that are for it. */
export function infoOf(
  identifier: string,
  fallback: string,
  rules: readonly Rule[],
  around: Surroundings,
): ResourceInfo {
  const scopes = new Set<string>()
  const detailTypes = new Set<string>()
  const servers = new Set<string>()
  const needs: boolean[] = []
  for (const { entry } of rules) {
    if ((entry.resource?.text ?? fallback) !== identifier || entry.access === 'public') continue
    for (const scope of [...plain(entry.scopes), ...offeredBy(entry)]) scopes.add(scope)
    for (const { type } of entry.authorization_details ?? []) detailTypes.add(type)
    for (const { keys, issuer, workload, possession } of takenIssuers(entry, around)) {
      if (keys.kind !== 'inline' && !workload) servers.add(issuer)
      needs.push((possession ?? entry.possession) === 'required')
    }
  }
  return Object.freeze({
    scopes: Object.freeze([...scopes]),
    detailTypes: Object.freeze([...detailTypes]),
    authorizationServers: Object.freeze([...servers]),
    needsPossession: needs.length > 0 && !needs.includes(false),
  })
}
