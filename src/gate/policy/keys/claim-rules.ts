import { boolean, number, string } from 'valibot'
import { isExact, isObject } from '../../base/json.ts'
import { parsePattern } from '../../base/pattern.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ClaimExpectation, ClaimRule } from '../../model/claims.ts'
import { readDecidingPath } from '../reading/fields.ts'
import { unknownName } from '../reading/issues.ts'
import { anyOf, field, type KeyDocs, list, namedEntries, namesTo, table } from '../reading/table.ts'

type Accepts = ClaimRule['accepts']
type Scalar = string | number | boolean

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)

/** A number that differs from its text would accept an unintended value. */
const inexact = fail(
  'must have whole numbers of at most 9007199254740991, which are exact; write larger ones as text',
)

const isNumber = (value: unknown): value is number => Number.isFinite(value)

/** An array claim matches when one of its members does. */
const member =
  (fits: (value: unknown) => boolean): Accepts =>
  (value) =>
    Array.isArray(value) ? value.some(fits) : fits(value)

/**
 * What a claim must be: one value, one of a list, `{ pattern }` for the whole of a text, or `{ min, max }` for a
 * number. A claim that is an array matches a value, list or pattern when one of its members does, never a range.
 */
const readRule = (value: unknown): Result<Accepts, string> => {
  const parts = isObject(value) ? Object.values(value) : [value].flat()
  if (parts.some((part) => typeof part === 'number' && !isExact(part))) return inexact
  if (isScalar(value)) return ok(member((claim) => claim === value))
  if (Array.isArray(value)) {
    if (value.length === 0) return fail('must not be an empty list: no claim could match')
    if (!value.every(isScalar)) return fail('must list strings, numbers, true or false')
    const allowed = new Set<unknown>(value)
    return ok(member((claim) => allowed.has(claim)))
  }
  if (!isObject(value))
    return fail('must be a value, a list of values, { pattern } or { min, max }')
  const keys = Object.keys(value)
  const unknown = keys.find((key) => !Object.hasOwn(CLAIM_KEYS, key))
  if (unknown !== undefined) return fail(unknownName('key', unknown, Object.keys(CLAIM_KEYS)))
  if (keys.includes('pattern')) {
    return keys.length === 1
      ? patternRule(value.pattern)
      : fail('must be { pattern } or { min, max }')
  }
  return rangeRule(value)
}

const patternRule = (source: unknown): Result<Accepts, string> => {
  if (typeof source !== 'string') return fail('must have a pattern that is a string')
  const pattern = parsePattern(source)
  if (!pattern.ok) return pattern
  const { matches } = pattern.value
  return ok(member((claim) => typeof claim === 'string' && matches(claim)))
}

const rangeRule = (range: {
  readonly min?: unknown
  readonly max?: unknown
}): Result<Accepts, string> => {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = range
  const bounds = Object.values(range)
  if (bounds.length === 0) return fail('must have pattern, min or max')
  if (!bounds.every(isNumber)) return fail('must have finite numbers as min and max')
  if ((min as number) > (max as number)) return fail('must have a min that is not above its max')
  return ok((claim) => isNumber(claim) && claim >= (min as number) && claim <= (max as number))
}

/** A copy, so that later changes to the variables do not reach the policy. */
const expectationOf = (value: ClaimExpectation): ClaimExpectation =>
  Array.isArray(value) ? [...value] : typeof value === 'object' ? { ...value } : value

/** Every key of what a claim must be, where that is a table. {@link readRule} reads them together. */
export const CLAIM_KEYS = { pattern: string(), min: number(), max: number() }

export const CLAIM_DOCS: KeyDocs<typeof CLAIM_KEYS> = {
  pattern: {
    description:
      'A [pattern](configuration.md#patterns) that the whole claim must match. The claim is text.',
    example: 'team-\\d+',
  },
  min: {
    description: 'The least number that the claim may be. A claim that is an array never matches.',
    example: 1,
  },
  max: {
    description:
      'The largest number that the claim may be. A claim that is an array never matches.',
    example: 5,
  },
}

const scalar = field((value) => value as Scalar, anyOf(string(), number(), boolean()))

/** A table of claim path → what the claim must be. */
export const claimRules = field(
  (value, report): readonly ClaimRule[] => {
    const rules: ClaimRule[] = []
    const otherwise = 'must be a table of claim path → value, list, { pattern } or { min, max }'
    for (const [key, raw] of namedEntries(value, report, otherwise)) {
      const path = readDecidingPath(key)
      const accepts = readRule(raw)
      if (!path.ok) report([key], path.reason)
      if (!accepts.ok) report([key], accepts.reason)
      if (path.ok && accepts.ok) {
        const expected = expectationOf(raw as ClaimExpectation)
        rules.push({ path: path.value, expected, accepts: accepts.value })
      }
    }
    return rules
  },
  namesTo(anyOf(scalar, list(scalar), table(CLAIM_KEYS))),
)
