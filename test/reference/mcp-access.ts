/** What a rule allows of the messages to an MCP server: stages `mcp_access`, `use_scope` and `use_condition`. */

import { checkCondition, type Variables } from './conditions.ts'
import { checkArguments, fillScope, readsArguments } from './mcp-arguments.ts'
import { type Entry, entriesOfTemplate, findEntry } from './mcp-names.ts'
import type { ApprovalTable, McpTable, Message, Need, Operation, Use } from './mcp-types.ts'
import { GONE, NEWEST } from './mcp-types.ts'
import { readWhen } from './rule.ts'
import { refuse } from './types.ts'

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
  approval?: ApprovalTable
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
export function usesOf(
  { messages }: Operation,
  table: McpTable,
): { use: Use; need: ReturnType<typeof fullNeed> }[] {
  const uses = messages.flatMap((message) => message.uses)
  return uses.flatMap((use) =>
    (entriesOf(use, table) ?? []).map(({ need }) => ({ use, need: fullNeed(need) })),
  )
}

/** Stage `mcp_access`: whether the rule names every method and use, for this type of agent. */
export function checkAccess(operation: Operation, table: McpTable, agentTypes: string[]): void {
  if (operation.taskCode !== undefined) refuse(operation.taskCode)
  for (const message of operation.messages) {
    if (!isMethodAllowed(message, operation.revision, table)) refuse('mcp_method_not_allowed')
    for (const use of message.uses) {
      const needs = entriesOf(use, table)?.map(({ need }) => fullNeed(need))
      const isForType = ({ agent_types: types }: { agent_types?: string[] }) =>
        types === undefined || types.some((type) => agentTypes.includes(type))
      if (!needs?.every(isForType)) refuse(CODES[use.kind])
      for (const { scopes, when, approval } of needs) {
        if (!checkArguments(use.arguments, scopes, when, approval)) refuse('arguments_ambiguous')
      }
    }
  }
}

/**
 * Stage `use_scope`. `holds` says whether the token has a scope, also by SCOPES; `params` are those of the path. `missing` is
 * the code for a scope that the token does not have.
 */
export function checkUseScopes(
  operation: Operation,
  table: McpTable,
  params: Record<string, string>,
  holds: (scope: string) => boolean,
  missing: string,
): void {
  for (const { use, need } of usesOf(operation, table)) {
    const isAny = !Array.isArray(need.scopes)
    const templates = Array.isArray(need.scopes) ? need.scopes : need.scopes.any
    const filled = templates.map((template) => fillScope(template, params, use.arguments))
    const scopes = filled.filter((scope) => scope !== undefined)
    if (isAny ? scopes.length === 0 : scopes.length < filled.length) refuse('scope_value_invalid')
    if (!(isAny ? scopes.some(holds) : scopes.every(holds))) refuse(missing)
  }
}

/** Stage `use_condition`. */
export function checkUseConditions(
  operation: Operation,
  table: McpTable,
  variables: Variables,
): void {
  for (const { use, need } of usesOf(operation, table)) {
    if (need.when === undefined) continue
    const args = use.arguments ?? (readsArguments(need.when) ? {} : undefined)
    checkCondition(need.when, { ...variables, ...(args && { arguments: args }) })
  }
}
