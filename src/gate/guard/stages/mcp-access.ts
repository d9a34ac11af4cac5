import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { perObject } from '../../base/memo.ts'
import { fail, ok } from '../../base/result.ts'
import type { Condition } from '../../model/condition.ts'
import {
  type McpMessage,
  type McpNamed,
  type McpRevision,
  type McpRule,
  type McpUse,
  writtenName,
} from '../../model/mcp.ts'
import { isBuiltIn, isRemoved, isTaskCall, USING_METHODS } from '../../model/mcp-methods.ts'
import { isArgument, isOpenTo } from '../../model/mcp-scopes.ts'
import type { Route } from '../../model/route.ts'
import { type AgentIdentity, typesOf } from '../../model/token.ts'
import { isReadAlike, knownNames } from '../operation/mcp/members.ts'
import type { Operation } from './operation.ts'

const deny = denials({
  tool_not_allowed: [
    'forbidden',
    'This tool may not be called here',
    'Call a tool that tools/list names, or ask the operator',
  ],
  prompt_not_allowed: [
    'forbidden',
    'This prompt may not be used here',
    'Use a prompt that prompts/list names, or ask the operator',
  ],
  resource_not_allowed: [
    'forbidden',
    'This resource may not be used here',
    'Use a resource that resources/list names, or ask the operator',
  ],
  mcp_method_not_allowed: [
    'forbidden',
    'This method may not be called here',
    'Do not call this method, or ask the operator',
  ],
  arguments_ambiguous: [
    'badRequest',
    'Members of the arguments differ only in their spelling, or are misspelled',
    'Send each member once, in the exact case that the schema of the tool has',
  ],
})

/** The singular of each kind, for details. */
export const ONE_OF = { tools: 'tool', prompts: 'prompt', resources: 'resource' } as const

/** A tool, prompt or resource that a request uses, and the rule's entry for it. */
export interface Used {
  readonly use: McpUse
  readonly named: McpNamed
  readonly message: McpMessage
}

/** The tools, prompts and resources that a request uses; none for rules without an MCP server. */
export interface Uses {
  readonly uses: readonly Used[]
}

interface Needs {
  readonly route: Pick<Route, 'mcp'>
  readonly operation: Operation
  readonly agent: AgentIdentity
}

type Refused = Extract<Outcome<Uses, CodeOf<typeof deny>>, { ok: false }>

const NOTHING = ok<Uses>({ uses: [] })

/** The denial is of one call; the connection stays usable. */
const OF_CALL = { ofCall: true } as const

/**
 * Checks each message: the rule allows its method, and has an entry for each name that it uses, open to this type of
 * agent. Denials do not reveal whether a name has an entry. Arguments that the entry reads must be unambiguous: no
 * member may differ only in spelling from a member that the entry reads, or from another one of the same object. Checks
 * all messages of a batch. Notifications of the protocol need no rule. A client's responses are not checked.
 */
export const mcpAccess = stage({
  name: 'mcp_access',
  establishes:
    'MCP: the rule allows the method, and each tool, prompt and resource that is used, for this type of agent',
  without: ({ route }: Pick<Needs, 'route'>) => (route.mcp ? undefined : NOTHING.value),
  found: ({ uses }) =>
    uses.length > 0 ? { uses: uses.map(({ use, named }) => `${named.kind}: ${use.pattern}`) } : {},
  denials: [deny],
  run({ route: { mcp }, operation, agent }: Needs): Outcome<Uses, CodeOf<typeof deny>> {
    if (!mcp) return NOTHING
    // No other operation of a rule with `mcp` is known.
    if (operation.kind !== 'mcp') return fail(deny('mcp_method_not_allowed'))
    // An unread message could have any method.
    if (operation.method === 'POST' && operation.messages.length === 0) {
      return fail(deny('mcp_method_not_allowed'))
    }
    const types = typesOf(agent)
    const uses: Used[] = []
    for (const message of operation.messages) {
      const { method } = message
      if (method !== undefined && isRemoved(method, operation.revision)) {
        return fail(deny('mcp_method_not_allowed', { method }, OF_CALL))
      }
      const refused = judge(message, operation.revision, mcp, types, uses)
      if (refused) return refused
    }
    return uses.length > 0 ? ok({ uses }) : NOTHING
  },
})

const judge = (
  message: McpMessage,
  revision: McpRevision | undefined,
  mcp: McpRule,
  types: readonly string[],
  uses: Used[],
): Refused | undefined => {
  const { methods, names } = mcp
  const { method, use: first, more = [] } = message
  if (method === undefined) return undefined
  if (!isBuiltIn(method) && !methods.has(method) && !isTaskCall(method, revision, mcp)) {
    return fail(deny('mcp_method_not_allowed', { method }, OF_CALL))
  }
  const kind = USING_METHODS.get(method)
  if (kind && first?.kind !== kind)
    return fail(deny(`${ONE_OF[kind]}_not_allowed`, { method }, OF_CALL))
  // A subscription may list no resources; a completion always has a reference.
  if (!first && method === 'completion/complete') {
    return fail(deny('mcp_method_not_allowed', { method }, OF_CALL))
  }
  for (const named of first ? [first, ...more] : more) {
    const one = ONE_OF[named.kind]
    const detail = { method, [one]: writtenName(named) }
    const found = usesOf(method, named, names)
    const closed = found.find((use) => !isOpenTo(use, types))
    if (closed || found.length === 0) {
      const why = { ...detail, pattern: closed?.pattern }
      return fail(deny(`${one}_not_allowed`, why, OF_CALL))
    }
    if (!found.every((use) => isReadAlike(named.arguments, pathsOf(use), membersOf(use)))) {
      return fail(deny('arguments_ambiguous', detail, OF_CALL))
    }
    uses.push(...found.map((use) => ({ use, named, message })))
  }
  return undefined
}

/** The entries for a name. A completion may refer to a URI template, which covers many resources. */
const usesOf = (
  method: string,
  { kind, name }: McpNamed,
  names: McpRule['names'],
): readonly McpUse[] => {
  if (method === 'completion/complete' && kind === 'resources' && name.includes('{')) {
    return names.resources.template(name)
  }
  const use = names[kind].find(name)
  return use ? [use] : []
}

const conditionsOf = ({ when, approval }: McpUse): readonly Condition[] =>
  [when, approval?.unless].flatMap((one) => one ?? [])

/** Names that an entry's conditions read inside of arguments. */
const membersOf = perObject((use: McpUse) =>
  knownNames(...conditionsOf(use).flatMap(({ members = [] }) => members)),
)

/** Paths in the arguments that an entry reads. */
const pathsOf = perObject((use: McpUse): readonly (readonly string[])[] => [
  ...conditionsOf(use).flatMap((one) => (one.arguments ?? []).map((name) => [name])),
  ...(use.approval?.shows ?? []).map((path) => path.split('.').slice(1)),
  ...use.scopes.scopes.flatMap(({ parts }) =>
    parts.flatMap((part, i) => (i % 2 === 1 && isArgument(part) ? [part.split('.').slice(1)] : [])),
  ),
])
