import { isObject, type JsonObject, own } from '../base/json.ts'

/** Member names from the outside in; every step is an own member of an object. */
export type ClaimPath = readonly string[]

/**
 * Reads a configured claim path: a leading `/` is a JSON Pointer (RFC 6901), a name with `://` is
 * one top-level member (a namespaced claim), anything else is split at dots.
 */
export const claimPath = (text: string): ClaimPath => {
  if (text.startsWith('/')) {
    const parts = text.slice(1).split('/')
    return parts.map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'))
  }
  return text.includes('://') ? [text] : text.split('.')
}

/** The value at a path, `undefined` where a step is missing. Arrays are not walked into. */
export const readClaim = (claims: JsonObject, path: ClaimPath): unknown => {
  let value: unknown = claims
  for (const name of path) {
    if (!isObject(value)) return undefined
    value = own(value, name)
  }
  return value
}

/** A configured expectation about one claim. */
export interface ClaimRule {
  readonly path: ClaimPath
  /** Whether the value is as expected; an absent claim never is. */
  readonly accepts: (value: unknown) => boolean
}
