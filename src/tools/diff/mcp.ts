import { isObject, type JsonObject, own } from '../../core/json.ts'
import { perObject } from '../../core/memo.ts'
import type { Condition } from '../../core/model/condition.ts'
import { MCP_KINDS, type McpKind, type McpRule, type McpUse } from '../../core/model/mcp.ts'
import { isArgument } from '../../core/model/mcp-scopes.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { RouteMatch } from '../../core/model/route.ts'
import type { ScopeRule, ScopeTemplate } from '../../core/model/scope.ts'
import { isPattern, literalOf, looseText } from '../../mcp/options/spelling.ts'
import { writtenCondition } from '../../policy/conditions/field.ts'
import {
  accepts,
  type Direction,
  type Judge,
  requires,
  restriction,
  restrictionBy,
} from './judges.ts'
import { asSet, isSame } from './same.ts'

/** A value that should be a table. */
export function tableOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

type Params = RouteMatch['params']

/**
 * What each name needs, as it is for one request: with what stands in the path for the parameters
 * that it is made of. Arguments are left as they are written.
 */
export function needsFor({ names }: McpRule, params: Params): JsonObject {
  return Object.fromEntries(
    MCP_KINDS.map((kind) => [
      kind,
      Object.fromEntries(names[kind].all.map((use) => [use.pattern, needFor(use, params)])),
    ]),
  )
}

const needFor = ({ scopes, agentTypes, when }: McpUse, params: Params): JsonObject => ({
  scopes: scopesFor(scopes, params),
  ...(agentTypes && { agent_types: asSet(agentTypes) }),
  ...(when && { when: conditionFor(when, params) }),
})

const scopesFor = ({ mode, scopes }: ScopeRule, params: Params): unknown => {
  const texts = asSet(scopes.map((template) => scopeFor(template, params)))
  return mode === 'all' || texts.length === 1 ? texts : { any: texts }
}

const scopeFor = ({ parts }: ScopeTemplate, params: Params): string =>
  parts.map((part, i) => (i % 2 === 0 ? part : holeFor(part, params))).join('')

const holeFor = (hole: string, params: Params): string =>
  isArgument(hole) ? `{${hole}}` : (params.get(hole) ?? '')

/** A condition, and what the parameters that it reads are. */
export function conditionFor(condition: Condition, params: Params): unknown {
  return [
    writtenCondition(condition),
    condition.params.map((name) => [name, params.get(name) ?? '']),
  ]
}

/**
 * What else a rule's `mcp` is compared by: its lists whatever their order, and for each scope that it
 * names all that cover it. Which scopes a template stands for is not known: it has all of SCOPES.
 */
export function besideNeeds(
  { names, methods, revisions, origins }: McpRule,
  params: Params,
  { scopes, includedBy }: Policy,
): JsonObject {
  const templates = MCP_KINDS.flatMap((kind) => names[kind].all).flatMap((use) => use.scopes.scopes)
  const texts = templates.map((template) => scopeFor(template, params))
  return {
    methods: asSet(methods),
    revisions: asSet(revisions),
    origins: asSet(origins),
    covers: Object.fromEntries(texts.map((text) => [text, asSet(includedBy(text))])),
    ...(templates.some(({ parts }) => parts.length > 1) && { includes: inclusions(scopes) }),
  }
}

/** Of each scope and each that it includes one text. */
const inclusions = perObject((scopes: Policy['scopes']) =>
  asSet([...scopes].flatMap(([scope, all]) => all.map((one) => JSON.stringify([scope, one])))),
)

/** What may be used of an MCP server, name by name; without it nothing of a server is judged. */
export const mcp: Judge = restrictionBy((before, after) => {
  const [old, now] = [tableOf(before), tableOf(after)]
  const found = [
    ...MCP_KINDS.flatMap((kind) => namesJudged(kind, tableOf(old[kind]), tableOf(now[kind]))),
    ...coversJudged(old, now),
    ...['methods', 'revisions', 'origins'].flatMap((key) => accepts(own(old, key), own(now, key))),
  ]
  if (found.length > 0) return [...new Set(found)]
  // How large a message is, and how one is refused, lets nobody do more.
  return isSame(ofTheRule(old), ofTheRule(now)) ? [] : ['neutral']
})

/** Without what SCOPES says. */
const ofTheRule = ({ covers, includes, ...rule }: JsonObject): JsonObject => rule

/** Scopes that only one of the two names are judged with what they are named for. */
const coversJudged: Judge = (before, after) => {
  const [old, now] = [tableOf(before), tableOf(after)]
  const [one, other] = [tableOf(old.covers), tableOf(now.covers)]
  const known = Object.keys(one).filter((scope) => Object.hasOwn(other, scope))
  const found = known.flatMap((scope) => accepts(own(one, scope), own(other, scope)))
  const more = includesJudged(old.includes, now.includes)
  return [...found, ...more.filter((way) => way !== 'unclear' || !found.includes('wider'))]
}

/** Without some that there were less is covered; more may be of what no template stands for. */
const includesJudged: Judge = (old, now) =>
  old === undefined || now === undefined
    ? []
    : accepts(old, now).map((one) => (one === 'wider' ? 'unclear' : one))

const namesJudged = (kind: McpKind, old: JsonObject, now: JsonObject): readonly Direction[] => {
  const names = new Set([...Object.keys(old), ...Object.keys(now)])
  return [...names].flatMap((name): readonly Direction[] => {
    const isNew = !Object.hasOwn(old, name)
    if (isNew || !Object.hasOwn(now, name)) {
      if (isUnderAnother(kind, name, isNew ? old : now)) return ['unclear']
      return [isNew ? 'wider' : 'narrower']
    }
    return needsJudged(tableOf(own(old, name)), tableOf(own(now, name)))
  })
}

/** Whether something else takes what a name takes, where the name is not there. */
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

/** A list of alternatives, which a single scope is too. */
const anyOf = (value: unknown): unknown =>
  isObject(value)
    ? own(value, 'any')
    : Array.isArray(value) && value.length === 1
      ? value
      : undefined

/** What a name needs is all of this, so that each part can be judged alone. */
const NEED: Readonly<Record<string, Judge>> = {
  scopes: scopesJudged,
  agent_types: restrictionBy(accepts),
  when: restriction,
}

const needsJudged = (before: JsonObject, after: JsonObject): readonly Direction[] =>
  Object.entries(NEED).flatMap(([part, judge]) => {
    const [old, now] = [own(before, part), own(after, part)]
    return isSame(old, now) ? [] : judge(old, now)
  })
