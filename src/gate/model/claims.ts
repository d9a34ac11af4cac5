import { isExact, isObject, type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { headerText, isIdentityText } from '../base/text.ts'

/** Member names from the outside in; each step reads an own member of an object. */
export type ClaimPath = readonly string[]

/**
 * Reads a claim path: a JSON Pointer (RFC 6901) if it begins with `/`, one name if it has `://`, else dotted names.
 * @example
 * claimPath('act.sub') // ['act', 'sub']
 * claimPath('https://acme.example/tenant') // ['https://acme.example/tenant']
 */
export function claimPath(text: string): ClaimPath {
  if (text.startsWith('/')) {
    const parts = text.slice(1).split('/')
    return parts.map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'))
  }
  return text.includes('://') ? [text] : text.split('.')
}

/**
 * The value at a path; `undefined` where a step is missing. Does not enter arrays.
 * @example readClaim({ act: { sub: 'planner' } }, ['act', 'sub']) // 'planner'
 */
export function readClaim(claims: JsonObject, path: ClaimPath): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (!isObject(value)) return undefined
    value = own(value, name)
  }
  return value
}

/** The value at the first path that is present. */
export function firstPresent(claims: JsonObject, paths: readonly ClaimPath[]): unknown {
  for (const path of paths) {
    const value = readClaim(claims, path)
    if (value !== undefined) return value
  }
  return undefined
}

/**
 * Writes a claim path so that {@link claimPath} reads it back.
 * @example claimPathText(['a.b', 'c']) // '/a.b/c'
 */
export function claimPathText(path: ClaimPath): string {
  const dotted = path.join('.')
  const read = claimPath(dotted)
  if (read.length === path.length && read.every((name, i) => name === path[i])) return dotted
  return path.map((name) => `/${name.replace(/~/g, '~0').replace(/\//g, '~1')}`).join('')
}

type Scalar = string | number | boolean

/** The configured expectation for a claim's value. */
export type ClaimExpectation =
  | Scalar
  | readonly Scalar[]
  | { readonly pattern: string }
  | { readonly min?: number; readonly max?: number }

/** A configured expectation about one claim. */
export interface ClaimRule {
  readonly path: ClaimPath
  /** For display only; {@link accepts} decides. */
  readonly expected: ClaimExpectation
  /** Whether a value meets the expectation; `false` for an absent claim. */
  readonly accepts: (value: unknown) => boolean
}

/** What the policy gives to tokens of an issuer by their claims. */
export interface ClaimGrant {
  /** Where it is written: `GRANTS[0]`. */
  readonly name: string
  /** All must be met. */
  readonly claims: readonly ClaimRule[]
  readonly scopes: readonly string[]
  readonly agentType?: string
  /** A template whose placeholders are claim paths. */
  readonly agentId?: { readonly source: string; readonly parts: readonly string[] }
}

/** A header that sends a claim to the origin under a configured name. */
export interface ClaimHeader {
  /** The name as configured. */
  readonly header: string
  readonly path: ClaimPath
}

/**
 * The value of such a header: text, a number, a boolean, or a list of those, each encoded like an identity header.
 * `undefined` where the token lacks the claim. `null` where it does not fit into a header: an object, a whole number
 * too large to be exact, text that is not identity text, or over {@link LIMITS.claimHeaderLength} characters.
 */
export function claimHeaderValue(
  claims: JsonObject,
  { path }: ClaimHeader,
): string | undefined | null {
  const claim = readClaim(claims, path)
  if (claim === undefined) return undefined
  const items = Array.isArray(claim) ? claim : [claim]
  if (items.length === 0) return undefined
  if (!items.every(isScalar)) return null
  const value = items.map((item) => headerText(String(item))).join(',')
  return value.length <= LIMITS.claimHeaderLength ? value : null
}

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'boolean' || isExact(value) || isIdentityText(value)
