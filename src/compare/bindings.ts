import type { JsonObject } from '../gate/base/json.ts'
import type { Policy } from '../gate/model/policy.ts'
import { type Comparison, createFindings } from './findings.ts'
import { neutral, quota, type Table } from './judges.ts'
import { changesOf } from './settings.ts'
import { bindingsIn } from './wrangler/environments.ts'

/** A policy and its bindings. */
export interface Bound {
  readonly policy: Policy
  /** Names of the Durable Object namespaces it needs. */
  readonly objects: ReadonlySet<string>
  /** The environment's table in the wrangler file. */
  readonly table: JsonObject
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
 * Durable Objects and namespaces of keys. A binding that differs counts as wider. If a rule uses a
 * binding of another name, `settings.ts` reports that.
 */
export function compareBindings(before: Bound, after: Bound): Comparison {
  const findings = createFindings()
  const [old, now] = [before, after].map(writtenIn)
  const known = namedBy(before)
  for (const name of namedBy(after)) {
    if (!known.has(name)) continue
    const [one, other] = [{ shown: old?.get(name) ?? {} }, { shown: now?.get(name) ?? {} }]
    const changes = changesOf(BINDING_TABLE, one, other)
    for (const change of changes) findings.setting(`bindings.${name}`, change)
  }
  return findings.all()
}

/** Every binding by its name, as written, with the name of its table. */
const writtenIn = ({ table: environment }: Bound): ReadonlyMap<string, JsonObject> =>
  new Map(bindingsIn(environment).map(({ name, table, entry }) => [name, { table, ...entry }]))

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
