import type { JsonObject } from '../json.ts'
import { readClaim } from './claims.ts'
import { pathValue, resolveScope, type ScopeTemplate } from './scope.ts'

const ARGUMENT = 'arguments.'

/** Whether a template's parameter is an argument of the call, not of the path. */
export function isArgument(hole: string): boolean {
  return hole.startsWith(ARGUMENT)
}

const CHARACTERS = /^[A-Za-z0-9._~/-]{1,256}$/

/**
 * The text of an argument in a scope. Allowed: letters, digits, `.`, `_`, `~`, `-` and `/`, without `.`, `..` or empty
 * segments (a leading `/` is allowed); or a safe integer. `undefined` for other values.
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
 * Resolves a scope template of an MCP rule. `undefined` where a path parameter or an argument is missing, or contains
 * text that is not allowed in a scope. Reads own members only.
 */
export function resolveUse(
  template: ScopeTemplate,
  params: ReadonlyMap<string, string>,
  given: JsonObject,
): string | undefined {
  return resolveScope(template, params, (hole) =>
    isArgument(hole)
      ? argumentText(readClaim(given, hole.slice(ARGUMENT.length).split('.')))
      : pathValue(hole, params),
  )
}
