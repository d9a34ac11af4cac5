import type { JsonObject } from '../../core/json.ts'
import type { McpKind, McpRule } from '../../core/model/mcp.ts'
import { writtenCondition } from '../../policy/conditions/field.ts'
import { scopesText, type WrittenScopes, writtenScopes } from '../../policy/rows.ts'
import { type KindOfUse, usesOf } from '../reach/mcp-entries.ts'
import type { AgentOptions } from './routes-of-agent.ts'
import { detailText } from './steps.ts'

/** Something that may be used of an MCP server, as a line below its rule. */
export interface UseRow {
  readonly kind: McpKind | 'methods'
  readonly name: string
  /** What it needs beside what its rule does, in words. */
  readonly needs: string
  readonly scopes: WrittenScopes
  readonly agent_types?: readonly string[]
  readonly when?: unknown
  /** Of an agent that is described: what a call is asked beside what is said of it. */
  readonly asks?: JsonObject
}

/** What may be used of an MCP server, in file order. */
export function usesBelow(rule: McpRule | undefined): readonly UseRow[] {
  return rule
    ? [
        ...usesOf(rule).map(useRow),
        ...[...rule.methods].map((name) => ({
          kind: 'methods' as const,
          name,
          needs: NOTHING,
          scopes: [],
        })),
      ]
    : []
}

const NOTHING = 'nothing more'

/** One entry of a rule for an MCP server as a row. */
export function useRow({ kind, use }: KindOfUse): UseRow {
  return {
    kind,
    name: use.pattern,
    needs: scopesText(use.scopes) ?? NOTHING,
    scopes: writtenScopes(use.scopes),
    ...(use.agentTypes && { agent_types: [...use.agentTypes] }),
    ...(use.when && { when: writtenCondition(use.when) }),
  }
}

/** The line of something that an agent could use. */
export function reachedUse(one: KindOfUse, { agentType, scopes }: AgentOptions): UseRow {
  const row = useRow(one)
  const { agent_types, when } = row
  return {
    ...row,
    asks: {
      ...(scopes === undefined && one.use.scopes.scopes.length > 0 && { scopes: row.scopes }),
      ...(agentType === undefined && agent_types && { agent_types }),
      ...(when !== undefined && { when }),
    },
  }
}

/** What stands under a heading of the table of rules. */
export function useCell(
  heading: string,
  { kind, name, needs, agent_types, when, asks = {} }: UseRow,
): string {
  switch (heading) {
    case 'MATCH':
      return `  ${kind.slice(0, -1)} ${name}`
    case 'NEEDS':
      return needs
    case 'AND':
      return detailText({ agent_types, when })
    case 'STILL ASKS':
      return detailText(asks)
    default:
      return ''
  }
}
