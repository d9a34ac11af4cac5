import { isObject, type JsonObject, own } from '../../../base/json.ts'
import { caseless } from '../../../base/text.ts'

const CONTROL = /\p{Cc}/u

/** Expected member names: exact, and folded as lax readers compare them. */
export interface KnownNames {
  readonly names: ReadonlySet<string>
  readonly loose: ReadonlySet<string>
}

/** Known names with their folded forms, for finding look-alikes. */
export function knownNames(...names: readonly string[]): KnownNames {
  return {
    names: new Set(names),
    loose: new Set(names.map(caseless)),
  }
}

/**
 * {@link knownNames} of the protocol, also in snake case and without the first `_`: the SDK for Python takes `task_id`
 * for `taskId`, and `meta` for `_meta`.
 */
export function protocolNames(...names: readonly string[]): KnownNames {
  const { loose } = knownNames(...names, ...names.map(snakeCase))
  return { names: new Set(names), loose }
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, '_$&').replace(/^_/, '')

const NOTHING = knownNames()

/**
 * Whether case-sensitive and case-insensitive readers find the same members: no two names that differ only in spelling,
 * and no other spelling of a known name. `encoding/json` of Go and others ignore case and use the last match. Readers
 * in C end a name at a NUL byte.
 * @example isClear({ name: 'a', Name: 'b' }) // false
 */
export function isClear(object: JsonObject, known: KnownNames = NOTHING): boolean {
  const seen = new Set<string>()
  for (const name of Object.keys(object)) {
    if (!name.isWellFormed() || CONTROL.test(name)) return false
    const key = caseless(name)
    if (seen.has(key) || (known.loose.has(key) && !known.names.has(name))) return false
    seen.add(key)
  }
  return true
}

/**
 * Whether all readers find the same values at these paths of an object, and under known names inside of them. The whole
 * object must be {@link isClear}, and names of a path must be spelled exactly. `true` without paths. The parser bounds
 * its depth.
 */
export function isReadAlike(
  object: JsonObject,
  paths: readonly (readonly string[])[],
  known: KnownNames = NOTHING,
): boolean {
  return (
    paths.length === 0 ||
    (isClearThroughout(object) && paths.every((path) => isSpelled(object, path, known)))
  )
}

const isSpelled = (
  value: unknown,
  [name, ...rest]: readonly string[],
  known: KnownNames,
): boolean => {
  if (name === undefined) return isClearThroughout(value, known)
  if (!isObject(value)) return true
  return isClear(value, knownNames(name)) && isSpelled(own(value, name), rest, known)
}

const isClearThroughout = (value: unknown, known?: KnownNames): boolean => {
  if (Array.isArray(value)) return value.every((one) => isClearThroughout(one, known))
  if (!isObject(value)) return true
  return isClear(value, known) && Object.values(value).every((one) => isClearThroughout(one, known))
}
