/** What a rule allows of the messages to an MCP server: stages `mcp_access`, `use_scope` and `use_condition`. */

import { evaluate, type Variables } from './conditions.ts'
import { checkArguments, fillScope, readsArguments } from './mcp-arguments.ts'
import { type Entry, entriesOfTemplate, findEntry } from './mcp-names.ts'
import type { McpTable, Message, Need, Operation, Use } from './mcp-types.ts'
import { GONE, NEWEST } from './mcp-types.ts'
import { readWhen } from './rule.ts'

/** Methods that any token of the rule may call. docs/mcp.md, "Methods" */
export const FREE = [
  ...['initialize', 'ping', 'server/discover', 'tools/list', 'prompts/list', 'resources/list'],
  'resources/templates/list',
]

/** Methods that use tools, prompts or resources. */
export const USING = [
  ...['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe'],
  ...['resources/unsubscribe', 'completion/complete', 'subscriptions/listen'],
]

export const TASKS = ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update']

const CODES = {
  tools: 'tool_not_allowed',
  prompts: 'prompt_not_allowed',
  resources: 'resource_not_allowed',
}

/** What a name needs, with all its keys. */
function fullNeed(need: Need): {
  scopes: string[] | { any: string[] }
  agent_types?: string[]
  when?: string
} {
  if (Array.isArray(need) || 'any' in need) return { scopes: need }
  const { when, ...rest } = need
  return { ...rest, ...(when !== undefined && { when: readWhen(when).condition }) }
}

function isMethodAllowed({ method }: Message, revision: string, table: McpTable): boolean {
  // A response of the client.
  if (method === undefined) return true
  if (revision === NEWEST && GONE.includes(method)) return false
  if (/^notifications(\/[A-Za-z_]+)+$/.test(method)) return true
  if (FREE.includes(method) || USING.includes(method)) return true
  if (revision !== NEWEST && TASKS.includes(method)) return true
  return table.methods?.includes(method) ?? false
}

/** The entries that a use needs: mostly one. `undefined` if the rule does not name it. */
function entriesOf(use: Use, table: McpTable): Entry[] | undefined {
  const entries = table[use.kind] ?? {}
  if (use.isTemplate && use.name.includes('{')) return entriesOfTemplate(entries, use.name)
  const entry = findEntry(entries, use.name, use.kind)
  return entry && [entry]
}

/** Each use of the messages, with each entry that it needs. */
function usesOf(
  { messages }: Operation,
  table: McpTable,
): { use: Use; need: ReturnType<typeof fullNeed> }[] {
  const uses = messages.flatMap((message) => message.uses)
  return uses.flatMap((use) =>
    (entriesOf(use, table) ?? []).map(({ need }) => ({ use, need: fullNeed(need) })),
  )
}

/** Stage `mcp_access`: the code, or `undefined` if the rule names every method and use, for this type of agent. */
export function checkAccess(
  operation: Operation,
  table: McpTable,
  agentTypes: string[],
): string | undefined {
  if (operation.taskCode !== undefined) return operation.taskCode
  for (const message of operation.messages) {
    if (!isMethodAllowed(message, operation.revision, table)) return 'mcp_method_not_allowed'
    for (const use of message.uses) {
      const needs = entriesOf(use, table)?.map(({ need }) => fullNeed(need))
      const isForType = ({ agent_types: types }: { agent_types?: string[] }) =>
        types === undefined || types.some((type) => agentTypes.includes(type))
      if (!needs?.every(isForType)) return CODES[use.kind]
      const isAmbiguous = needs.some(
        ({ scopes, when }) => !checkArguments(use.arguments, scopes, when),
      )
      if (isAmbiguous) return 'arguments_ambiguous'
    }
  }
  return undefined
}

/**
 * Stage `use_scope`. `holds` says whether the token has a scope, also by SCOPES; `params` are those of the path. `required`
 * lists the scopes that the uses need: of `any` the one that the token has, or else the first. `granted` are those of them
 * that the token has.
 */
export function checkUseScopes(
  operation: Operation,
  table: McpTable,
  params: Record<string, string>,
  holds: (scope: string) => boolean,
): { ok: true; granted: string[] } | { ok: false; code: string; required: string[] } {
  const required = new Set<string>()
  let code: string | undefined
  for (const { use, need } of usesOf(operation, table)) {
    const isAny = !Array.isArray(need.scopes)
    const templates = Array.isArray(need.scopes) ? need.scopes : need.scopes.any
    const filled = templates.map((template) => fillScope(template, params, use.arguments))
    const scopes = filled.filter((scope) => scope !== undefined)
    if (isAny ? scopes.length === 0 : scopes.length < filled.length) {
      code ??= 'scope_value_invalid'
      continue
    }
    const needed = isAny ? [scopes.find(holds) ?? scopes[0] ?? ''] : scopes
    for (const scope of needed) required.add(scope)
    if (!needed.every(holds)) code ??= 'scope_missing'
  }
  return code === undefined
    ? { ok: true, granted: [...required] }
    : { ok: false, code, required: [...required] }
}

/** Stage `use_condition`: the code, or `undefined`. */
export function checkUseConditions(
  operation: Operation,
  table: McpTable,
  variables: Variables,
): string | undefined {
  for (const { use, need } of usesOf(operation, table)) {
    if (need.when === undefined) continue
    const args = use.arguments ?? (readsArguments(need.when) ? {} : undefined)
    const outcome = evaluate(need.when, { ...variables, ...(args && { arguments: args }) })
    if (outcome === 'error') return 'condition_error'
    if (!outcome) return 'condition_failed'
  }
  return undefined
}
