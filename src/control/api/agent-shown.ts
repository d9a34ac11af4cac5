import { type Admin, ownIssuer } from '../../gate/app/context.ts'
import { withName } from '../../gate/app/request.ts'
import { type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import {
  type AgentEntry,
  type AgentKey,
  FURTHER,
  keyOf,
  keyText,
  needsOf,
  type Seen,
  unusedScopes,
} from '../../gate/model/agents.ts'
import { learnedBy } from '../../gate/model/watch.ts'
import { showPolicy } from '../../gate/policy/show.ts'
import { ruleIn } from './today.ts'

/**
 * An agent of the registry as answers have it, without its revocations. `standings` are those of its neighbours, by
 * {@link keyText}, as far as they are known.
 */
export function presented(
  c: Admin,
  entry: AgentEntry,
  standings?: ReadonlyMap<string, JsonObject>,
): JsonObject {
  const { issuer, agent, status, fields, change: last, seen, watched, version } = entry
  const named = (key: AgentKey) => withName(c.get('policy'), key)
  return {
    ...named({ issuer, agent }),
    status,
    ...fields,
    ...(last && {
      changed: new Date(last.at * 1_000).toISOString(),
      changed_by: last.by,
      reach: last.own ? 'own' : 'all',
      ...(last.reason !== undefined && { reason: last.reason }),
    }),
    needs: needsOf(entry, c.get('ports').clock.now()),
    version,
    ...(seen && {
      seen: presentedSeen(seen, (key) => ({ ...named(key), ...standings?.get(keyText(key)) })),
    }),
    ...(watched && { watched: learnedBy(c.get('policy').watch, watched) }),
  }
}

const presentedSeen = (seen: Seen, named: (key: AgentKey) => AgentKey): JsonObject => {
  const { first, last, granted, used, uses, name: _, ...lists } = seen
  return {
    first: new Date(first).toISOString(),
    last: new Date(last).toISOString(),
    scopes_granted: Object.keys(granted),
    scopes_used: Object.keys(used),
    scopes_unused: unusedScopes(seen),
    uses: usesOf(uses),
    ...lists,
    parents: lists.parents.map((one) => named(keyOf(one))),
    children: lists.children.map((one) => named(keyOf(one))),
  }
}

const usesOf = (uses: Seen['uses']) =>
  Object.keys(uses).map((use) => {
    const [rule, tool] = JSON.parse(use) as [string, string?]
    return { rule, ...(tool !== undefined && { tool }) }
  })

/** Rules of the policy in force, narrowed to what the agent has used. */
export function adopted(c: Admin, { issuer, agent, seen }: AgentEntry): JsonObject {
  const shown = showPolicy(c.get('policy'), ownIssuer(c)) as unknown as JsonObject
  const uses = usesOf(seen?.uses ?? {})
  const used = [...new Set(uses.map(({ rule }) => rule))].filter((rule) => rule !== FURTHER)
  const rules = used.map((rule) => {
    const route = ruleIn(shown, rule)
    const names = uses.flatMap((one) => (one.rule === rule && one.tool ? one.tool : []))
    const mcp = route && own(route, 'mcp')
    return {
      match: rule,
      ...(route ? { scopes: own(route, 'scopes') } : { gone: true }),
      ...(mcp !== undefined && { tools: toolsOf(mcp, names) }),
    }
  })
  const scopes = { used: Object.keys(seen?.used ?? {}), unused: seen ? unusedScopes(seen) : [] }
  return { issuer, agent, rules, scopes }
}

/** The scopes that the rule needs for each used tool. */
const toolsOf = (mcp: unknown, names: readonly string[]): JsonObject => {
  const tools = objectOf(own(objectOf(mcp), 'tools'))
  const fits = (pattern: string, name: string) =>
    pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)))
  return Object.fromEntries(
    names.map((name) => {
      const pattern = Object.keys(tools).find((one) => fits(one, name))
      return [name, pattern === undefined ? [] : own(tools, pattern)]
    }),
  )
}
