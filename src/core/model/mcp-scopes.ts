import type { JsonObject } from '../json.ts'
import { readClaim } from './claims.ts'
import type { ScopeTemplate } from './scope.ts'
import { isScopeValue } from './scope.ts'

const ARGUMENT = 'arguments.'

/** Whether a hole of a template takes a member of a call's arguments, and no path parameter. */
export function isArgument(hole: string): boolean {
  return hole.startsWith(ARGUMENT)
}

const CHARACTERS = /^[A-Za-z0-9._~/-]{1,256}$/

/**
 * What an argument is in a scope: letters, digits, `.`, `_`, `~`, `-` and `/`, no segment empty but
 * before the first `/`, none `.` or `..`; or a whole number that is exact. `undefined` otherwise.
 */
export function argumentText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  if (typeof value !== 'string' || !CHARACTERS.test(value)) return undefined
  const [first = '', ...rest] = value.split('/')
  const isPath = isSegment(first) || (first === '' && rest.length > 0)
  return isPath && rest.every(isSegment) ? value : undefined
}

const isSegment = (text: string): boolean => text !== '' && text !== '.' && text !== '..'

/**
 * The scope that a template of a use stands for; `undefined` where a parameter of the path or an
 * argument of the call is not there, or may not stand in a scope. Own members only.
 */
export function resolveUse(
  { parts }: ScopeTemplate,
  params: ReadonlyMap<string, string>,
  given: JsonObject,
): string | undefined {
  let scope = ''
  for (const [i, part] of parts.entries()) {
    const text = i % 2 === 0 ? part : textOf(part, params, given)
    if (text === undefined) return undefined
    scope += text
  }
  return scope
}

const textOf = (
  hole: string,
  params: ReadonlyMap<string, string>,
  given: JsonObject,
): string | undefined => {
  if (isArgument(hole))
    return argumentText(readClaim(given, hole.slice(ARGUMENT.length).split('.')))
  const value = params.get(hole)
  return value !== undefined && isScopeValue(value) ? value : undefined
}
