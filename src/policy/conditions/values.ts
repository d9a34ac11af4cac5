import { isExact, isObject } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'

/**
 * Whether a value from outside is small enough to be reckoned with, and every reader finds the same in it: its
 * numbers are exact, its texts well-formed and without a zero byte, where readers in C end one. It has no member
 * `__proto__`, which the library takes for another's in a comparison.
 */
export function fits(value: unknown): boolean {
  return fitsIn(value, { left: LIMITS.conditionMembers }, LIMITS.conditionLevels)
}

const fitsIn = (value: unknown, budget: { left: number }, levels: number): boolean => {
  if (typeof value === 'string')
    return value.length <= LIMITS.conditionText && value.isWellFormed() && !value.includes('\0')
  if (typeof value === 'number') return isExact(value)
  if (typeof value !== 'object' || value === null) return true
  const members = Array.isArray(value) ? value : Object.entries(value).flat()
  const count = Array.isArray(value) ? members.length : members.length / 2
  budget.left -= count
  return (
    levels > 0 &&
    count <= LIMITS.conditionItems &&
    budget.left >= 0 &&
    !Object.hasOwn(value, '__proto__') &&
    members.every((one) => fitsIn(one, budget, levels - 1))
  )
}

/** JSON as conditions read it: numbers are doubles, objects are maps with their own members only. */
export function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue)
  if (isObject(value))
    return new Map(Object.entries(value).map(([key, one]) => [key, celValue(one)]))
  return value
}

/** What a value of a condition looks like in JSON, cut short. Never throws. */
export function shownValue(value: unknown): unknown {
  try {
    const json = plain(value)
    if (typeof json === 'string') return shownText(json)
    const text = JSON.stringify(json) ?? ''
    return text.length > LIMITS.operandLength ? shownText(text) : json
  } catch {
    return '(cannot be shown)'
  }
}

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return isExact(Number(value)) ? Number(value) : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, one]) => [String(key), plain(one)]))
  return Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
    : String(value)
}

/** Text cut to what is shown of a part of a condition. */
export function shownText(text: string): string {
  return text.length > LIMITS.operandLength ? `${text.slice(0, LIMITS.operandLength - 1)}…` : text
}
