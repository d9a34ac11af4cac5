import { ONE_OF, type Uses } from '../../mcp/access.ts'
import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, type Denial, denials } from '../denial.ts'
import { writtenName } from '../model/mcp.ts'
import { resolveUse } from '../model/mcp-scopes.ts'
import type { Policy } from '../model/policy.ts'
import type { ScopeRule } from '../model/scope.ts'
import { resolveScope } from '../model/scope.ts'
import type { AccessToken, Grant } from '../model/token.ts'
import { fail, ok, type Result } from '../result.ts'
import type { Routed } from './route.ts'

const deny = denials({
  scope_missing: [
    'insufficientScope',
    'The token lacks a scope this route needs',
    'Request a token with the scopes that are named',
  ],
  scope_value_invalid: [
    'forbidden',
    'A part of the path, or an argument, cannot stand in a scope',
    'Use an id of letters, digits, dot, underscore, tilde and hyphen, at most 128 characters; an argument may be a path without . and .. too',
  ],
})

interface Needs extends Pick<Routed, 'route' | 'params'>, Uses {
  readonly policy: Pick<Policy, 'includedBy'>
  readonly access: Pick<AccessToken, 'scopes'>
}

type Covering = Result<Grant, Denial<CodeOf<typeof deny>>>

/**
 * The token's scopes cover the route's rule: all scopes of it, or any one. A scope covers another only where
 * the policy declares it; scope tokens are compared whole (RFC 6749 §3.3). A denial names what the rule needs;
 * what is used behind it stands in the body, which is not read yet.
 */
export const scope = stage({
  name: 'scope',
  establishes: 'the token has the scopes that the rule needs',
  found: ({ routeGrant }) => ({ grant: routeGrant }),
  denials: [deny],
  run({
    deciding,
    ...needs
  }: Omit<Needs, 'uses' | 'params'> & Pick<Routed, 'deciding'>): Outcome<
    { routeGrant: Grant },
    CodeOf<typeof deny>
  > {
    const covered = coverAll({ ...needs, params: deciding, uses: [] })
    return covered.ok ? ok({ routeGrant: covered.value }) : covered
  },
})

/**
 * They cover that of everything the request uses of an MCP server, too. The grant is those of the token's
 * scopes that the request uses. A denial names whatever the whole request needs, so that one more token is enough.
 */
export const useScope = stage({
  name: 'use_scope',
  establishes: 'MCP: the token has the scopes of each tool, prompt and resource that is used',
  // Runs for each request, so that one that is denied before has no grant in the journal.
  found: ({ grant }) => ({ grant }),
  // They are in the table of the stage whose codes they are.
  denials: [],
  run(
    needs: Needs & { readonly routeGrant: Grant },
  ): Outcome<{ grant: Grant }, CodeOf<typeof deny>> {
    if (needs.uses.length === 0) return ok({ grant: needs.routeGrant })
    const covered = coverAll(needs)
    return covered.ok ? ok({ grant: covered.value }) : covered
  },
})

const coverAll = ({ policy, route, params, access, uses }: Needs): Covering => {
  const own = cover(
    route.scopes,
    route.scopes.scopes.map((template) => resolveScope(template, params)),
    { policy, access },
  )
  if (uses.length === 0 && own.used) return ok(own.used)
  const others = uses.map(({ use: { scopes }, named }) =>
    cover(
      scopes,
      scopes.scopes.map((template) => resolveUse(template, params, named.arguments)),
      { policy, access },
    ),
  )
  const all = [own, ...others]
  const grant = all.flatMap(({ used }) => used ?? [])
  if (all.every(({ used }) => used)) return ok([...new Set(grant)])
  const ofCall = own.used ? ({ ofCall: true } as const) : {}
  const unresolved = all.findIndex(({ used, isResolved }) => !used && !isResolved)
  if (unresolved !== -1)
    return fail(deny('scope_value_invalid', about(uses[unresolved - 1]), ofCall))
  const missing = all.findIndex(({ used }) => !used)
  const detail = { held: access.scopes, ...about(uses[missing - 1]) }
  const asking = all.filter(({ needed }) => needed.length > 0)
  const [only] = asking
  const required =
    asking.length === 1 && only?.mode === 'any'
      ? { anyOf: only.needed }
      : { requiredScopes: [...new Set(asking.flatMap(leastOf))] }
  return fail(deny('scope_missing', detail, { ...required, ...ofCall }))
}

/** How one rule is met. */
interface Covered {
  readonly mode: ScopeRule['mode']
  /** The scopes it names, as far as they can be told. */
  readonly needed: readonly string[]
  /** Those of the token that it is met by; absent where it is not. */
  readonly used?: readonly string[]
  /** Of `any`, the alternative that is met. */
  readonly met?: string
  /** Whether there are scopes that would meet it. */
  readonly isResolved: boolean
}

const cover = (
  { mode }: ScopeRule,
  resolved: readonly (string | undefined)[],
  { policy, access }: Pick<Needs, 'policy' | 'access'>,
): Covered => {
  const needed = resolved.filter((name) => name !== undefined)
  const used = needed.map((name) =>
    policy.includedBy(name).find((one) => access.scopes.includes(one)),
  )
  const covered = used.filter((one) => one !== undefined)
  const [first] = covered
  if (mode === 'any') {
    const met = needed[used.findIndex((one) => one !== undefined)]
    return first !== undefined && met !== undefined
      ? { mode, needed, used: [first], met, isResolved: true }
      : { mode, needed, isResolved: needed.length > 0 }
  }
  return covered.length === resolved.length
    ? { mode, needed, used: [...new Set(covered)], isResolved: true }
    : { mode, needed, isResolved: needed.length === resolved.length }
}

/** What a token has to have for a rule: of alternatives the one it has already, else the first. */
const leastOf = ({ mode, needed, met }: Covered): readonly string[] =>
  mode === 'all' ? needed : [met ?? needed[0] ?? []].flat()

/** What was used where a rule is not that of the route. */
const about = (used: Uses['uses'][number] | undefined) =>
  used && { [ONE_OF[used.named.kind]]: writtenName(used.named) }
