import { isExact, type JsonObject } from '../json.ts'
import { LIMITS } from '../limits.ts'
import { headerText, isIdentityText } from '../text.ts'
import { type ClaimPath, readClaim } from './claims.ts'

/** A header that sends a claim to the origin under a configured name. */
export interface ClaimHeader {
  /** The name as configured. */
  readonly header: string
  readonly path: ClaimPath
}

/**
 * The value of such a header: text, a number, a boolean, or a list of those, each encoded like an identity header.
 * `undefined` where the token lacks the claim. `null` where it does not fit into a header: an object, a whole number
 * too large to be exact, text that is no identity text, or over {@link LIMITS.claimHeaderLength} characters.
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
