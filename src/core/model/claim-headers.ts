import { isExact, type JsonObject } from '../json.ts'
import { LIMITS } from '../limits.ts'
import { headerText, isIdentityText } from '../text.ts'
import { type ClaimPath, readClaim } from './claims.ts'

/** A header that tells an origin a claim under a name that it reads already. */
export interface ClaimHeader {
  /** As configured. */
  readonly header: string
  readonly path: ClaimPath
}

/**
 * The value of such a header: text, a number, true or false, or a list of those, each encoded as every
 * identity header is; `undefined` where the token says nothing, `null` for what cannot be told in a
 * header: an object, a whole number that is too large
 * to be exact, text that can name nothing, or more than {@link LIMITS.claimHeaderLength} characters.
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
