import { isObject, type JsonObject, own } from '../json.ts'

/** Member names from the outside in; every step is an own member of an object. */
export type ClaimPath = readonly string[]

/**
 * Reads a configured claim path: a leading `/` is a JSON Pointer (RFC 6901), a name with `://` is
 * one top-level member (a namespaced claim), anything else is split at dots.
 */
export function claimPath(text: string): ClaimPath {
  if (text.startsWith('/')) {
    const parts = text.slice(1).split('/')
    return parts.map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'))
  }
  return text.includes('://') ? [text] : text.split('.')
}

/** The value at a path, `undefined` where a step is missing. Arrays are not walked into. */
export function readClaim(claims: JsonObject, path: ClaimPath): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (!isObject(value)) return undefined
    value = own(value, name)
  }
  return value
}

/** The value at the first of these paths that has one. */
export function firstPresent(claims: JsonObject, paths: readonly ClaimPath[]): unknown {
  for (const path of paths) {
    const value = readClaim(claims, path)
    if (value !== undefined) return value
  }
  return undefined
}

/** A claim path as it is written: {@link claimPath} reads it back. */
export function claimPathText(path: ClaimPath): string {
  const dotted = path.join('.')
  const read = claimPath(dotted)
  if (read.length === path.length && read.every((name, i) => name === path[i])) return dotted
  return path.map((name) => `/${name.replace(/~/g, '~0').replace(/\//g, '~1')}`).join('')
}

type Scalar = string | number | boolean

/** What a claim must be, as the configuration says it. */
export type ClaimExpectation =
  | Scalar
  | readonly Scalar[]
  | { readonly pattern: string }
  | { readonly min?: number; readonly max?: number }

/** A configured expectation about one claim. */
export interface ClaimRule {
  readonly path: ClaimPath
  /** For display; {@link accepts} judges. */
  readonly expected: ClaimExpectation
  /** Whether the value is as expected; an absent claim never is. */
  readonly accepts: (value: unknown) => boolean
}
