import { isObject, type JsonObject, objectOf, own } from '../gate/base/json.ts'
import { MCP_KINDS, type McpKind } from '../gate/model/mcp.ts'
import { MCP_DOCS, NAME_DOCS } from '../gate/policy/keys/mcp.ts'
import { isPattern, literalOf, looseText } from '../gate/policy/keys/mcp-spelling.ts'
import {
  accepts,
  type Direction,
  isSame,
  type Judge,
  judgesOf,
  requires,
  restrictionBy,
  type Table,
} from './judges.ts'

/** Compares what may be used of an MCP server. Absent: no restriction. */
export const mcp: Judge = restrictionBy((before, after) => {
  const [old, now] = [objectOf(before), objectOf(after)]
  const found = [...judged(KEYS, old, now), ...coversJudged(old, now)]
  const telling = found.filter((one) => one !== 'neutral')
  return [...new Set(telling.length > 0 ? telling : found)]
})

const namesOf =
  (kind: McpKind): Judge =>
  (before, after) => ['neutral', ...namesJudged(kind, objectOf(before), objectOf(after))]

const KEYS: Table = {
  ...judgesOf(MCP_DOCS),
  ...Object.fromEntries(MCP_KINDS.map((kind) => [kind, namesOf(kind)])),
}

const judged = (table: Table, before: JsonObject, after: JsonObject): readonly Direction[] =>
  Object.entries(table).flatMap(([key, judge]) => {
    const [one, other] = [own(before, key), own(after, key)]
    return isSame(one, other) ? [] : judge(one, other)
  })

/**
 * Compares which scopes cover the common scopes; other scopes are compared with the names that need them. With
 * templates, less inclusion covers less; more inclusion may affect unknown scopes.
 */
const coversJudged = (old: JsonObject, now: JsonObject): readonly Direction[] => {
  const [one, other] = [objectOf(old.covers), objectOf(now.covers)]
  const known = Object.keys(one).filter((scope) => Object.hasOwn(other, scope))
  const found = known.flatMap((scope) => accepts(own(one, scope), own(other, scope)))
  if (old.includes === undefined || now.includes === undefined) return found
  const more = accepts(old.includes, now.includes).flatMap((way): readonly Direction[] =>
    way !== 'wider' ? [way] : found.includes('wider') ? [] : ['unclear'],
  )
  return [...found, ...more]
}

const namesJudged = (kind: McpKind, old: JsonObject, now: JsonObject): readonly Direction[] => {
  const names = new Set([...Object.keys(old), ...Object.keys(now)])
  return [...names].flatMap((name): readonly Direction[] => {
    const isNew = !Object.hasOwn(old, name)
    if (isNew || !Object.hasOwn(now, name)) {
      if (isUnderAnother(kind, name, isNew ? old : now)) return ['unclear']
      return [isNew ? 'wider' : 'narrower']
    }
    const [before, after] = [objectOf(own(old, name)), objectOf(own(now, name))]
    return judged(NEED, before, after)
  })
}

/** Whether a pattern of the other policy covers a name that this policy does not list. */
const isUnderAnother = (kind: McpKind, name: string, others: JsonObject): boolean =>
  Object.keys(others).some(
    (one) =>
      isPattern(one) &&
      looseText(kind, literalOf(name)).startsWith(looseText(kind, literalOf(one))),
  )

const scopesJudged: Judge = (before, after) => {
  if (Array.isArray(before) && Array.isArray(after)) return requires(before, after)
  const [old, now] = [anyOf(before), anyOf(after)]
  return old && now ? accepts(old, now) : ['unclear']
}

/** The alternatives of a value; a single scope is one alternative. */
const anyOf = (value: unknown): unknown => {
  if (isObject(value)) return own(value, 'any')
  return Array.isArray(value) && value.length === 1 ? value : undefined
}

/** The requirements of a name. All requirements apply, so each is compared alone. */
const NEED: Table = { ...judgesOf(NAME_DOCS), scopes: scopesJudged }
