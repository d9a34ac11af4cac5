import { isObject, type JsonObject, listOf, own } from '../core/json.ts'
import type { Policy } from '../core/model/policy.ts'
import { type Comparison, createFindings } from './findings.ts'
import { neutral, quota } from './judges.ts'
import { changesOf, type Table } from './settings.ts'

/** A policy and its bindings. */
export interface Bound {
  readonly policy: Policy
  /** Names of the Durable Object namespaces it needs. */
  readonly objects: ReadonlySet<string>
  /** Every binding by its name, as written, with the name of its table. */
  readonly bindings: ReadonlyMap<string, JsonObject>
}

const BINDING_TABLE: Table = {
  // Of rate limits.
  simple: quota,
  // Used in development only.
  preview_id: neutral,
  remote: neutral,
}

/**
 * Compares the bindings that both policies name: rate limits, Workers, certificates, networks,
 * Durable Objects and namespaces of keys. A different one counts as wider. Which names rules use is
 * compared as a setting.
 */
export function compareBindings(before: Bound, after: Bound): Comparison {
  const findings = createFindings()
  const known = namedBy(before)
  const common = [...namedBy(after)].filter((name) => known.has(name))
  for (const name of common) {
    const changes = changesOf(BINDING_TABLE, shownIn(before, name), shownIn(after, name))
    for (const change of changes) findings.setting(`bindings.${name}`, change)
  }
  return findings.all()
}

const shownIn = ({ bindings }: Bound, name: string) => ({ shown: bindings.get(name) ?? {} })

const namedBy = ({ policy, objects }: Bound): ReadonlySet<string> => {
  const { gate, issuers, routes } = policy
  const limits = [gate.addressLimit, ...routes.map(({ rateLimit }) => rateLimit)]
  const isFetched = [...issuers.values()].some(({ keys }) => keys.kind !== 'inline')
  const names = [
    ...routes.flatMap(({ target }) => [target.service, target.via]),
    ...limits.map((limit) => (limit && 'binding' in limit ? limit.binding : undefined)),
    ...objects,
    isFetched ? 'JWKS_CACHE' : undefined,
  ]
  return new Set(names.filter((name) => name !== undefined))
}

/** Tables of the bindings a policy can name. */
const TABLES = [
  ...['durable_objects', 'kv_namespaces', 'mtls_certificates', 'ratelimits', 'services'],
  ...['vpc_networks', 'vpc_services'],
]

/**
 * Every binding of an environment by its name, as written, with the name of its table. Environments
 * inherit none.
 */
export function bindingsOf(table: JsonObject): ReadonlyMap<string, JsonObject> {
  return new Map(
    TABLES.flatMap((key) => {
      const value = own(table, key)
      const entries = listOf(isObject(value) ? own(value, 'bindings') : value).filter(isObject)
      return entries.map((entry) => {
        const name = own(entry, 'binding') ?? own(entry, 'name')
        return [String(name), { table: key, ...entry }] as const
      })
    }),
  )
}
