import { isObject, type JsonObject, own } from '../../core/json.ts'
import type { PolicyIssue } from '../../policy/issues.ts'

/**
 * What turns on Cloudflare's cache for Workers, in front of the gate or of its previews. An environment
 * takes `cache`, `exports` and `previews` of the top level, each whole, where it has none of its own. Of
 * entrypoints only `default` is looked at, which is the gate.
 */
export function cacheIssues(
  table: JsonObject,
  top: JsonObject = table,
  env?: string,
): readonly PolicyIssue[] {
  const isOn = (first: string, ...path: readonly string[]) =>
    [...path, 'enabled'].reduce<unknown>(
      (value, key) => (isObject(value) ? own(value, key) : undefined),
      own(table, first) ?? own(top, first),
    )
  const ofGate = isOn('exports', 'default', 'cache')
  const found = {
    'exports.default.cache': ofGate,
    // What an entrypoint says of itself counts before what is said of all.
    cache: ofGate === undefined && isOn('cache'),
    'previews.cache': isOn('previews', 'cache'),
  }
  const inside = (path: string) => {
    const isOwn = own(table, path.split('.', 1)[0] ?? '') !== undefined
    return env !== undefined && isOwn ? `env.${env}.` : ''
  }
  return Object.entries(found)
    .filter(([, enabled]) => enabled === true)
    .map(([path]) => ({
      path: `${path}.enabled`,
      message: `is true: Cloudflare would answer before the gate runs, with what was let through for others; write enabled = false in [${inside(path)}${path}]`,
    }))
}
