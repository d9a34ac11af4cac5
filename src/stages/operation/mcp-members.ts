import { isObject, type JsonObject, own } from '../../base/json.ts'
import { caseless } from '../../base/text.ts'

const CONTROL = /\p{Cc}/u

/** Names in the spelling that counts, by the one that lax readers know. */
export type KnownNames = ReadonlyMap<string, string>

export const knownNames = (...names: readonly string[]): KnownNames =>
  new Map(names.map((name) => [caseless(name), name]))

const NOTHING: KnownNames = new Map()

/**
 * Whether readers who mind no case and readers who do find the same members in an object: no two names
 * that differ in spelling alone, and none that is a known one in another spelling. `encoding/json` of Go
 * and others take the last of these, whatever its case; readers in C end a name at a zero byte.
 */
export const isClear = (object: JsonObject, known: KnownNames = NOTHING): boolean => {
  const seen = new Set<string>()
  for (const name of Object.keys(object)) {
    if (!name.isWellFormed() || CONTROL.test(name)) return false
    const key = caseless(name)
    if (seen.has(key) || (known.get(key) ?? name) !== name) return false
    seen.add(key)
  }
  return true
}

/**
 * Whether everyone finds the same at these paths of an object, if there are any: it is {@link isClear} with
 * everything in it, and the names of a path are written as they are. Its depth is bounded by who parsed it.
 */
export const isReadAlike = (object: JsonObject, paths: readonly (readonly string[])[]): boolean =>
  paths.length === 0 ||
  (isClearThroughout(object) && paths.every((path) => isSpelled(object, path)))

const isSpelled = (value: unknown, [name, ...rest]: readonly string[]): boolean =>
  name === undefined ||
  !isObject(value) ||
  (isClear(value, knownNames(name)) && isSpelled(own(value, name), rest))

const isClearThroughout = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.every(isClearThroughout)
  return !isObject(value) || (isClear(value) && Object.values(value).every(isClearThroughout))
}
