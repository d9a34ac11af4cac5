import { usesOf } from '../../compare/scopes.ts'
import type { McpUse } from '../../gate/model/mcp.ts'
import { mayUse } from '../../gate/model/mcp-scopes.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Route } from '../../gate/model/route.ts'
import { holesOf } from '../../gate/model/scope.ts'
import { issueIf, type PolicyIssue, pathText, quoteAll } from '../../gate/policy/reading/issues.ts'
import { type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'

/**
 * Tools, prompts and resources of MCP servers that no client can discover: they need a scope that the resource does not
 * offer, and that no offered scope includes.
 */
export function undiscoverable(policy: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  return policy.routes.flatMap((route, i) =>
    usesOf(route).flatMap(({ kind, use }) => {
      const missing = missingOf(use, route, policy)
      return issueIf(
        missing.length > 0,
        pathText(rulePath(vars, i), ['mcp', kind, use.pattern]),
        `needs ${quoteAll(missing)}, which is not offered, nor included in an offered scope by SCOPES: a client that has to ask for scopes neither sees it nor asks for them; ${adviceOf(use, route)}`,
      )
    }),
  )
}

/** The scopes of a use that no client can discover; empty if the other scopes are enough. */
const missingOf = (use: McpUse, route: Route, policy: Policy): readonly string[] => {
  const { mode, scopes: templates } = use.scopes
  const offered = policy.resources.get(route.resource)?.scopes ?? []
  const isOffered = (template: (typeof templates)[number]) =>
    mayUse(
      { pattern: use.pattern, scopes: { mode: 'all', scopes: [template] } },
      {
        scopes: offered,
        types: [],
        params: new Map(holesOf(template).map((hole) => [hole, 'x'])),
        policy,
      },
    )
  const missing = templates.filter((one) => !isOffered(one))
  const isMissing = mode === 'all' ? missing.length > 0 : missing.length === templates.length
  return isMissing ? missing.map(({ source }) => source) : []
}

const adviceOf = ({ scopes: { scopes } }: McpUse, { mcp }: Route): string =>
  mcp?.offeredScopes && scopes.every(({ parts }) => parts.length === 1)
    ? 'name it in offered_scopes, or leave offered_scopes out'
    : 'name a scope that includes it in offered_scopes'
