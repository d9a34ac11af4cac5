import { ONE_OF, type Uses } from '../../mcp/access.ts'
import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, type Denial, denials } from '../denial.ts'
import { writtenName } from '../model/mcp.ts'
import { resolveUse } from '../model/mcp-scopes.ts'
import type { Policy } from '../model/policy.ts'
import { resolveScope, type ScopeRule, type ScopeTemplate } from '../model/scope.ts'
import type { AccessToken, Grant } from '../model/token.ts'
import { fail, ok, type Result } from '../result.ts'
import type { Routed } from './route.ts'

const deny = denials({
  scope_missing: [
    'insufficientScope',
    'The token lacks a scope this route needs',
    'Request a token with the scopes that are named',
  ],
  admin_not_allowed: [
    'forbidden',
    "Tokens of this issuer may not use the gate's own endpoints",
    'Use a key of edgewarden keygen --operator, or a token of an issuer whose entry in the policy has admin; another scope does not help',
  ],
  grant_missing: [
    'forbidden',
    'No grant of the policy gives this token a scope that the route needs',
    'Ask the operator for a grant; scopes of this issuer come from grants, so a new token does not help',
  ],
  scope_value_invalid: [
    'forbidden',
    'A part of the path, or an argument, is not allowed in a scope',
    'Use an id of letters, digits, dot, underscore, tilde and hyphen, at most 128 characters; an argument may also be a path without . and .. in it',
  ],
})

interface Needs extends Pick<Routed, 'route' | 'params'>, Uses {
  readonly policy: Pick<Policy, 'includedBy' | 'resources'>
  readonly access: Pick<AccessToken, 'scopes'> & Partial<Pick<AccessToken, 'entry'>>
}

interface Administering extends Pick<Routed, 'deciding'> {
  readonly access: Pick<AccessToken, 'scopes' | 'entry'>
}

type Covering = Result<Grant, Denial<CodeOf<typeof deny>>>

/**
 * Checks that the token's scopes cover the rule's scopes: all, or any one. A scope includes others only by declaration
 * of the policy; scope tokens are compared whole (RFC 6749 §3.3). A denial names the rule's scopes only, since the body
 * of an MCP request is not read yet.
 */
export const scope = stage({
  name: 'scope',
  establishes: 'the token has the scopes that the rule needs',
  found: ({ routeGrant }) => ({ grant: routeGrant }),
  denials: [deny],
  run({
    deciding,
    ...needs
  }: Omit<Needs, 'uses' | 'params'> & Administering): Outcome<
    { routeGrant: Grant },
    CodeOf<typeof deny>
  > {
    const covered = coverAll({ ...needs, params: deciding, uses: [] })
    if (covered.ok) return ok({ routeGrant: covered.value })
    // Such an issuer's scopes for these endpoints are passed over, so that a token with them lacks them, too.
    const { route, access } = needs
    return route.endpoint && access.entry.admin === false
      ? fail(deny('admin_not_allowed'))
      : covered
  },
})

/**
 * Checks also the scopes of all that an MCP request uses. The grant is the token's scopes that the request uses. A
 * denial names the scopes of the whole request, so that one new token is enough.
 */
export const useScope = stage({
  name: 'use_scope',
  establishes: 'MCP: the token has the scopes of each tool, prompt and resource that is used',
  // Runs for each request, so that the journal has no grant for a request that is denied earlier.
  found: ({ grant }) => ({ grant }),
  // Its codes are in the table of `scope`.
  denials: [],
  run(
    needs: Needs & { readonly routeGrant: Grant },
  ): Outcome<{ grant: Grant }, CodeOf<typeof deny>> {
    if (needs.uses.length === 0) return ok({ grant: needs.routeGrant })
    const covered = coverAll(needs)
    return covered.ok ? ok({ grant: covered.value }) : covered
  },
})

const coverAll = (needs: Needs): Covering => {
  const { policy, route, params, access, uses } = needs
  const own = cover(route.scopes, needs, (one) => resolveScope(one, params))
  if (uses.length === 0 && own.used) return ok(own.used)
  const others = uses.map(({ use, named }) =>
    cover(use.scopes, needs, (one) => resolveUse(one, params, named.arguments)),
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
  if (access.entry?.scopesFrom === 'grants') {
    const requiredScopes = [...new Set(asking.flatMap(leastOf))]
    return fail(deny('grant_missing', detail, { requiredScopes, ...ofCall }))
  }
  const [only] = asking
  const offered = route.mcp && policy.resources.get(route.resource)?.scopes
  const kept = {
    ...(offered && { heldScopes: access.scopes.filter((one) => offered.includes(one)) }),
    ...ofCall,
  }
  if (asking.length === 1 && only?.mode === 'any') {
    return fail(deny('scope_missing', detail, { anyOf: only.needed, ...kept }))
  }
  const requiredScopes = [...new Set(asking.flatMap(leastOf))]
  const missingScopes = requiredScopes.filter(
    (name) => !policy.includedBy(name).some((one) => access.scopes.includes(one)),
  )
  return fail(deny('scope_missing', detail, { requiredScopes, missingScopes, ...kept }))
}

/** How the token's scopes cover one rule. */
interface Covered {
  readonly mode: ScopeRule['mode']
  /** The scopes of the rule that could be resolved. */
  readonly needed: readonly string[]
  /** The token's scopes that cover the rule; absent where it is not covered. */
  readonly used: readonly string[] | undefined
  /** The first covered scope of the rule. */
  readonly met: string | undefined
  /** Whether enough scopes could be resolved for the rule to be covered. */
  readonly isResolved: boolean
}

const cover = (
  { mode, scopes }: ScopeRule,
  { policy, access }: Pick<Needs, 'policy' | 'access'>,
  resolve: (template: ScopeTemplate) => string | undefined,
): Covered => {
  const needed = scopes.map(resolve).filter((name) => name !== undefined)
  const held = needed.map((name) =>
    policy.includedBy(name).find((one) => access.scopes.includes(one)),
  )
  const covering = held.filter((one) => one !== undefined)
  const isCovered = mode === 'any' ? covering.length > 0 : covering.length === scopes.length
  return {
    mode,
    needed,
    used: isCovered ? [...new Set(mode === 'any' ? covering.slice(0, 1) : covering)] : undefined,
    met: needed[held.findIndex((one) => one !== undefined)],
    isResolved: mode === 'any' ? needed.length > 0 : needed.length === scopes.length,
  }
}

/** The scopes that a token needs for a rule: of alternatives the covered one, else the first. */
const leastOf = ({ mode, needed, met }: Covered): readonly string[] =>
  mode === 'all' ? needed : [met ?? needed[0] ?? []].flat()

/** The name of the tool, prompt or resource, for the details of a denial. */
const about = (used: Uses['uses'][number] | undefined) =>
  used && { [ONE_OF[used.named.kind]]: writtenName(used.named) }
