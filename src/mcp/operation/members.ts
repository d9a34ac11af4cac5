import { isObject, type JsonObject, own } from '../../core/json.ts'
import { caseless } from '../../core/text.ts'

const CONTROL = /\p{Cc}/u

/** Names in the spellings that count, and as lax readers know them. */
export interface KnownNames {
  readonly names: ReadonlySet<string>
  readonly loose: ReadonlySet<string>
}

/** Names as they are known, with their spellings folded to find look-alikes. */
export function knownNames(...names: readonly string[]): KnownNames {
  return {
    names: new Set(names),
    loose: new Set(names.map(caseless)),
  }
}

const NOTHING = knownNames()

/**
 * Whether readers who mind no case and readers who do find the same members in an object: no two names
 * that differ in spelling alone, and none that is a known one in another spelling. `encoding/json` of Go
 * and others take the last of these, whatever its case; readers in C end a name at a zero byte.
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
 * Whether everyone finds the same at these paths of an object, if there are any, and under known names
 * anywhere inside of what is there: it is {@link isClear} with everything in it, and the names of a path are
 * written as they are. Its depth is bounded by who parsed it.
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
