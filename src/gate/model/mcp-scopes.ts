import type { JsonObject } from '../base/json.ts'
import { readClaim } from './claims.ts'
import type { McpUse } from './mcp.ts'
import type { Policy } from './policy.ts'
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
 * @example
 * argumentText('reports/2026.pdf') // 'reports/2026.pdf'
 * argumentText('../secrets') // undefined
 */
export function argumentText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  if (typeof value !== 'string' || !CHARACTERS.test(value)) return undefined
  const [first = '', ...rest] = value.split('/')
  const isPath = isSegment(first) || (first === '' && rest.length > 0)
  return isPath && rest.every(isSegment) ? value : undefined
}

const isSegment = (text: string): boolean => text !== '' && text !== '.' && text !== '..'

/** Resolves a scope template of an MCP rule; `undefined` where a value is missing, or not allowed in a scope. */
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

/** The facts about a caller that decide what it may use of an MCP server. */
export interface McpCaller {
  /** The scopes of the token that the gate counts. */
  readonly scopes: readonly string[]
  /** The agent's types; see `typesOf`. */
  readonly types: readonly string[]
  /** Raw values of the path's parameters. */
  readonly params: ReadonlyMap<string, string>
  readonly policy: Pick<Policy, 'includedBy' | 'scopes'>
}

/** Whether agents of any of these types may use this tool, prompt or resource. */
export function isOpenTo({ agentTypes }: McpUse, types: readonly string[]): boolean {
  return !agentTypes || types.some((type) => agentTypes.has(type))
}

/**
 * Whether some call of this tool, prompt or resource could be allowed; never `false` where one could. Does not evaluate
 * `when`. In a scope with arguments it compares only the text before the first argument.
 */
export function mayUse(use: McpUse, caller: McpCaller): boolean {
  if (!isOpenTo(use, caller.types)) return false
  const { mode, scopes } = use.scopes
  const isCovered = (template: ScopeTemplate) => couldCover(template, caller)
  return mode === 'all' ? scopes.every(isCovered) : scopes.some(isCovered)
}

const NO_ARGUMENTS = {}

const couldCover = (template: ScopeTemplate, caller: McpCaller): boolean => {
  const { parts } = template
  const { scopes, params, policy } = caller
  const end = parts.findIndex((part, i) => i % 2 === 1 && isArgument(part))
  const known = end === -1 ? parts : parts.slice(0, end)
  const text = resolveUse({ source: template.source, parts: known }, params, NO_ARGUMENTS)
  if (text === undefined) return false
  const isHeld = (scope: string) => policy.includedBy(scope).some((one) => scopes.includes(one))
  if (end === -1) return isHeld(text)
  return scopes.some((one) => one.startsWith(text)) || beginning(text, policy.scopes).some(isHeld)
}

/**
 * Sample scopes that stand for all scopes beginning with a text: one that SCOPES does not declare, and each that it
 * does.
 */
const beginning = (text: string, declared: Policy['scopes']): readonly string[] => [
  `${text}x`,
  ...[...declared.values()].flat().flatMap((entry) => {
    if (!entry.startsWith(text)) return []
    return entry.endsWith('*') ? [entry, `${entry.slice(0, -1)}x`] : [entry]
  }),
]
