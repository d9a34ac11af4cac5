import { isObject, type JsonObject, listOf, own } from '../../core/json.ts'

/** Tables of bindings that a policy can name, and the key that holds the name. */
const TABLES: readonly (readonly [table: string, key: string])[] = [
  ['durable_objects', 'name'],
  ['kv_namespaces', 'binding'],
  ['mtls_certificates', 'binding'],
  ['ratelimits', 'name'],
  ['services', 'binding'],
  ['vpc_networks', 'binding'],
  ['vpc_services', 'binding'],
]

/**
 * Every binding in the table of an environment by its name, as it is written, with the name of its own table.
 * An environment inherits none.
 */
export function bindingsOf(table: JsonObject): ReadonlyMap<string, JsonObject> {
  return new Map(
    TABLES.flatMap(([key, named]) => {
      const value = own(table, key)
      const entries = listOf(isObject(value) ? own(value, 'bindings') : value).filter(isObject)
      return entries.map((entry) => [String(own(entry, named)), { table: key, ...entry }] as const)
    }),
  )
}
