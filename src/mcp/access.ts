import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, denials } from '../core/denial.ts'
import { perObject } from '../core/memo.ts'
import {
  type McpKind,
  type McpMessage,
  type McpNamed,
  type McpRule,
  type McpUse,
  writtenName,
} from '../core/model/mcp.ts'
import { isOpenTo } from '../core/model/mcp-access.ts'
import { isBuiltIn, isNotification, USING_METHODS } from '../core/model/mcp-methods.ts'
import { isArgument } from '../core/model/mcp-scopes.ts'
import type { Route } from '../core/model/route.ts'
import { type AgentIdentity, typesOf } from '../core/model/token.ts'
import { fail, ok } from '../core/result.ts'
import type { Operation } from '../core/stages/operation.ts'
import { isReadAlike, knownNames } from './operation/members.ts'

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
    'Do without this method, or ask the operator',
  ],
  arguments_ambiguous: [
    'badRequest',
    'Members of the arguments differ only in their spelling, or are misspelled',
    'Send each member once, in the exact case that the schema of the tool has',
  ],
})

const CODES: Readonly<Record<McpKind, CodeOf<typeof deny>>> = {
  tools: 'tool_not_allowed',
  prompts: 'prompt_not_allowed',
  resources: 'resource_not_allowed',
}

/** What a word of the configuration is one of, as details name it. */
export const ONE_OF: Readonly<Record<McpKind, 'tool' | 'prompt' | 'resource'>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
}

/** One thing that a request uses, and the rule for it. */
export interface Used {
  readonly use: McpUse
  readonly named: McpNamed
  readonly message: McpMessage
}

/** What a request uses of an MCP server; nothing anywhere else. */
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

/** A denial here is of one call; the connection goes on. */
const OF_CALL = { ofCall: true } as const

/**
 * Every message calls a method that the rule has, and whatever it uses by name is named by the rule and
 * open to this type of agent. What is not named and what is not for this agent look the same. Where the rule
 * of a use reads arguments, none of them may differ in spelling alone from one that it reads, no member inside
 * of these from a name that it writes out, and no two of one object from each other. Judges each message of a batch, and notifications like requests, but that those
 * of the protocol need no rule; a client's answers ask for nothing.
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
    // Nothing else is read of a request to an MCP server.
    if (operation.kind !== 'mcp') return fail(deny('mcp_method_not_allowed'))
    // A message that was not read may be any.
    if (operation.method === 'POST' && operation.messages.length === 0) {
      return fail(deny('mcp_method_not_allowed'))
    }
    const types = typesOf(agent)
    const uses: Used[] = []
    for (const message of operation.messages) {
      const refused = judge(message, mcp, types, uses)
      if (refused) return refused
    }
    return uses.length > 0 ? ok({ uses }) : NOTHING
  },
})

const judge = (
  message: McpMessage,
  { methods, names }: McpRule,
  types: readonly string[],
  uses: Used[],
): Refused | undefined => {
  const { id, method, use: first, more = [] } = message
  if (method === undefined) return undefined
  const isKnown = isNotification(method) ? id === undefined : isBuiltIn(method)
  if (!isKnown && !methods.has(method)) {
    return fail(deny('mcp_method_not_allowed', { method }, OF_CALL))
  }
  const kind = USING_METHODS.get(method)
  if (kind && first?.kind !== kind) return fail(deny(CODES[kind], { method }, OF_CALL))
  // Of a listing of changes there may be nothing; a completion is always of something.
  if (!first && method === 'completion/complete') {
    return fail(deny('mcp_method_not_allowed', { method }, OF_CALL))
  }
  for (const named of first ? [first, ...more] : more) {
    const found = usesOf(method, named, names)
    const closed = found.find((use) => !isOpenTo(use, types))
    if (closed || found.length === 0) {
      const detail = { method, [ONE_OF[named.kind]]: writtenName(named), pattern: closed?.pattern }
      return fail(deny(CODES[named.kind], detail, OF_CALL))
    }
    if (!found.every((use) => isReadAlike(named.arguments, pathsOf(use), membersOf(use)))) {
      const detail = { method, [ONE_OF[named.kind]]: writtenName(named) }
      return fail(deny('arguments_ambiguous', detail, OF_CALL))
    }
    uses.push(...found.map((use) => ({ use, named, message })))
  }
  return undefined
}

/** A completion may be of a template, which stands for many resources. */
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

/** Names that a rule looks up further in. */
const membersOf = perObject(({ when }: McpUse) => knownNames(...(when?.members ?? [])))

/** Where a rule looks in the arguments of a call. */
const pathsOf = perObject(({ when, scopes }: McpUse): readonly (readonly string[])[] => [
  ...(when?.arguments ?? []).map((name) => [name]),
  ...scopes.scopes.flatMap(({ parts }) =>
    parts.flatMap((part, i) => (i % 2 === 1 && isArgument(part) ? [part.split('.').slice(1)] : [])),
  ),
])
