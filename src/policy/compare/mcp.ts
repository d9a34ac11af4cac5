import { isObject, type JsonObject, own } from '../../base/json.ts'
import type { Condition } from '../../model/condition.ts'
import { MCP_KINDS, type McpKind, type McpRule, type McpUse } from '../../model/mcp.ts'
import { isArgument } from '../../model/mcp-scopes.ts'
import type { Policy } from '../../model/policy.ts'
import type { RouteMatch, ScopeTemplate } from '../../model/route.ts'
import { writtenCondition } from '../conditions/field.ts'
import { isPattern, literalOf, looseText } from '../mcp-spelling.ts'
import { accepts, type Direction, type Judge, requires, restrictionBy } from './judges.ts'

/** A value that should be a table. */
export const tableOf = (value: unknown): JsonObject => (isObject(value) ? value : {})

type Params = RouteMatch['params']

/**
 * What each name needs, as it is for one request: with what stands in the path for the parameters
 * that it is made of. Arguments are left as they are written.
 */
export const needsFor = ({ names }: McpRule, params: Params): JsonObject =>
  Object.fromEntries(
    MCP_KINDS.map((kind) => [
      kind,
      Object.fromEntries(names[kind].all.map((use) => [use.pattern, needFor(use, params)])),
    ]),
  )

const needFor = ({ scopes: { mode, scopes }, agentTypes, when }: McpUse, params: Params) => {
  const texts = scopes.map((template) => scopeFor(template, params))
  const needed = mode === 'all' ? texts : { any: texts }
  return agentTypes || when
    ? {
        scopes: needed,
        ...(agentTypes && { agent_types: [...agentTypes] }),
        ...(when && { when: conditionFor(when, params) }),
      }
    : needed
}

const scopeFor = ({ parts }: ScopeTemplate, params: Params): string =>
  parts.map((part, i) => (i % 2 === 0 ? part : holeFor(part, params))).join('')

const holeFor = (hole: string, params: Params): string =>
  isArgument(hole) ? `{${hole}}` : (params.get(hole) ?? '')

/** A condition, and what the parameters that it reads are. */
export const conditionFor = (condition: Condition, params: Params): unknown => [
  writtenCondition(condition),
  condition.params.map((name) => [name, params.get(name) ?? '']),
]

/**
 * For each scope that a rule names for something of its MCP server, all that cover it. Which scopes a
 * template stands for is not known: it has all of SCOPES.
 */
export const coversOf = (
  { names }: McpRule,
  params: Params,
  { scopes, includedBy }: Policy,
): JsonObject =>
  Object.fromEntries(
    MCP_KINDS.flatMap((kind) => names[kind].all)
      .flatMap((use) => use.scopes.scopes)
      .map((template) => [
        scopeFor(template, params),
        template.parts.length === 1 ? includedBy(template.source) : Object.fromEntries(scopes),
      ]),
  )

/** What may be used of an MCP server, name by name; without it nothing of a server is judged. */
export const mcp: Judge = restrictionBy((before, after) => {
  const [old, now] = [tableOf(before), tableOf(after)]
  const found = [
    ...MCP_KINDS.flatMap((kind) => namesJudged(kind, tableOf(old[kind]), tableOf(now[kind]))),
    ...coversJudged(tableOf(old.covers), tableOf(now.covers)),
    ...['methods', 'revisions', 'origins'].flatMap((key) => accepts(own(old, key), own(now, key))),
  ]
  // How large a message is, and how one is refused, lets nobody do more.
  const directions = [...new Set(found)]
  return directions.length === 0 ? ['neutral'] : directions
})

/** Scopes that only one of the two names are judged with what they are named for. */
const coversJudged = (old: JsonObject, now: JsonObject): readonly Direction[] =>
  Object.keys(old)
    .filter((scope) => Object.hasOwn(now, scope))
    .flatMap((scope) => {
      const [one, other] = [own(old, scope), own(now, scope)]
      return JSON.stringify(one) === JSON.stringify(other) ? [] : accepts(one, other)
    })

const namesJudged = (kind: McpKind, old: JsonObject, now: JsonObject): readonly Direction[] => {
  const names = new Set([...Object.keys(old), ...Object.keys(now)])
  return [...names].flatMap((name): readonly Direction[] => {
    const isNew = !Object.hasOwn(old, name)
    if (isNew || !Object.hasOwn(now, name)) {
      if (isUnderAnother(kind, name, isNew ? old : now)) return ['unclear']
      return [isNew ? 'wider' : 'narrower']
    }
    const [one, other] = [own(old, name), own(now, name)]
    return JSON.stringify(one) === JSON.stringify(other) ? [] : needsJudged(one, other)
  })
}

/** Whether something else takes what a name takes, where the name is not there. */
const isUnderAnother = (kind: McpKind, name: string, others: JsonObject): boolean =>
  Object.keys(others).some(
    (one) =>
      isPattern(one) &&
      looseText(kind, literalOf(name)).startsWith(looseText(kind, literalOf(one))),
  )

const needsJudged: Judge = (before, after) => {
  if (Array.isArray(before) && Array.isArray(after)) return requires(before, after)
  const [old, now] = [anyOf(before), anyOf(after)]
  return old && now ? accepts(old, now) : ['unclear']
}

const anyOf = (value: unknown): unknown => (isObject(value) ? own(value, 'any') : undefined)
