import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, type Denial, denials } from '../../base/denial.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { type McpNamed, writtenName } from '../../model/mcp.ts'
import { resolveUse } from '../../model/mcp-scopes.ts'
import type { Policy } from '../../model/policy.ts'
import { resolveScope, type ScopeRule, type ScopeTemplate } from '../../model/scope.ts'
import type { AccessToken, Grant } from '../../model/token.ts'
import { ONE_OF, type Used, type Uses } from './mcp-access.ts'
import type { Routed } from './route.ts'

/** The denials of scopes, also for endpoints that need one only of some callers. */
export const scopeDenials = denials({
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

const deny = scopeDenials

interface Needs extends Pick<Routed, 'route'> {
  readonly policy: Pick<Policy, 'includedBy' | 'resources'>
  readonly access: Pick<AccessToken, 'scopes' | 'entry'>
}

interface UseNeeds extends Needs, Uses, Pick<Routed, 'params'> {
  readonly routeGrant: Grant
}

type Code = CodeOf<typeof deny>

/**
 * Checks that the token's scopes cover the rule's: all, or any one. A scope includes others only by declaration of the
 * policy; tokens are compared whole (RFC 6749 §3.3). A denial names the rule's scopes only.
 */
export const scope = stage({
  name: 'scope',
  establishes: 'the token has the scopes that the rule needs',
  found: ({ routeGrant }) => ({ grant: routeGrant }),
  denials: [deny],
  run(needs: Needs & Pick<Routed, 'deciding'>): Outcome<{ routeGrant: Grant }, Code> {
    const covered = coverAll(needs, needs.deciding, [])
    if (covered.ok) return ok({ routeGrant: covered.value })
    // Without `admin` no token of the issuer has a scope for these endpoints, so another scope does not help.
    const { route, access } = needs
    return route.endpoint && access.entry.admin === false
      ? fail(deny('admin_not_allowed'))
      : covered
  },
})

/** Checks also the scopes of all that an MCP request uses. A denial names all of them, so one new token is enough. */
export const useScope = stage({
  name: 'use_scope',
  establishes: 'MCP: the token has the scopes of each tool, prompt and resource that is used',
  // Runs for each request, so that the journal has no grant for a request that is denied earlier.
  found: ({ grant }) => ({ grant }),
  // Its codes are in the table of `scope`.
  denials: [],
  run(needs: UseNeeds): Outcome<{ grant: Grant }, Code> {
    const { params, uses, routeGrant } = needs
    if (uses.length === 0) return ok({ grant: routeGrant })
    const covered = coverAll(needs, params, uses)
    return covered.ok ? ok({ grant: covered.value }) : covered
  },
})

const coverAll = (
  needs: Needs,
  params: Routed['params'],
  uses: readonly Used[],
): Result<Grant, Denial<Code>> => {
  const { policy, route, access } = needs
  const own = cover(route.scopes, needs, (one) => resolveScope(one, params))
  if (uses.length === 0 && own.used) return ok(own.used)
  const ofUse = ({ use, named }: Used) =>
    cover(use.scopes, needs, (one) => resolveUse(one, params, named.arguments), named)
  const all = [own, ...uses.map(ofUse)]
  const [missing, ...further] = all.filter(({ used }) => !used)
  if (!missing) return ok([...new Set(all.flatMap(({ used }) => used ?? []))])
  const ofCall = own.used ? ({ ofCall: true } as const) : {}
  const unresolved = [missing, ...further].find(({ isResolved }) => !isResolved)
  if (unresolved) return fail(deny('scope_value_invalid', about(unresolved), ofCall))
  const detail = { held: access.scopes, ...about(missing) }
  const asking = all.filter(({ needed }) => needed.length > 0)
  const requiredScopes = [...new Set(asking.flatMap(leastOf))]
  if (access.entry.scopesFrom === 'grants') {
    return fail(deny('grant_missing', detail, { requiredScopes, ...ofCall }))
  }
  const offered = route.mcp && policy.resources.get(route.resource)?.scopes
  const kept = {
    ...(offered && { heldScopes: access.scopes.filter((one) => offered.includes(one)) }),
    ...ofCall,
  }
  const [only, ...others] = asking
  if (others.length === 0 && only?.mode === 'any') {
    return fail(deny('scope_missing', detail, { anyOf: only.needed, ...kept }))
  }
  const missingScopes = requiredScopes.filter(
    (name) => !policy.includedBy(name).some((one) => access.scopes.includes(one)),
  )
  return fail(deny('scope_missing', detail, { requiredScopes, missingScopes, ...kept }))
}

/** How the token's scopes cover one rule; `named`: the tool, prompt or resource of the rule, if it is of one. */
const cover = (
  { mode, scopes }: ScopeRule,
  { policy, access }: Pick<Needs, 'policy' | 'access'>,
  resolve: (template: ScopeTemplate) => string | undefined,
  named?: McpNamed,
) => {
  const needed = scopes.map(resolve).filter((name) => name !== undefined)
  const held = needed.map((name) =>
    policy.includedBy(name).find((one) => access.scopes.includes(one)),
  )
  const covering = held.filter((one) => one !== undefined)
  const isCovered = mode === 'any' ? covering.length > 0 : covering.length === scopes.length
  return {
    mode,
    named,
    /** The scopes of the rule that could be resolved. */
    needed,
    /** The token's scopes that cover the rule; absent where it is not covered. */
    used: isCovered ? [...new Set(mode === 'any' ? covering.slice(0, 1) : covering)] : undefined,
    /** The first covered scope of the rule. */
    met: needed[held.findIndex((one) => one !== undefined)],
    /** Whether enough scopes could be resolved for the rule to be covered. */
    isResolved: mode === 'any' ? needed.length > 0 : needed.length === scopes.length,
  }
}

type Covered = ReturnType<typeof cover>

/** The scopes that a token needs for a rule: of alternatives the covered one, else the first. */
const leastOf = ({ mode, needed, met }: Covered): readonly string[] =>
  mode === 'all' ? needed : [met ?? needed[0] ?? []].flat()

/** The name of the tool, prompt or resource, for the details of a denial. */
const about = ({ named }: Covered) => named && { [ONE_OF[named.kind]]: writtenName(named) }
