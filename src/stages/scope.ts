import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import { fail, ok } from '../base/result.ts'
import type { Policy } from '../model/policy.ts'
import { resolveScope } from '../model/scope.ts'
import type { AccessToken, Grant } from '../model/token.ts'
import type { Routed } from './route.ts'

const deny = denials({
  scope_missing: [
    'insufficientScope',
    'The token lacks a scope this route needs',
    'Request a token with the scopes that are named',
  ],
  scope_value_invalid: [
    'forbidden',
    'A part of the path cannot stand in a scope',
    'Use an id of letters, digits, dot, underscore, tilde and hyphen, at most 128 characters',
  ],
})

interface Needs extends Pick<Routed, 'route' | 'params'> {
  readonly policy: Policy
  readonly access: AccessToken
}

/**
 * The token's scopes cover the route's rule: all of them, or any one. A scope covers another only
 * where the policy declares it; scope tokens are compared whole (RFC 6749 §3.3). The grant is
 * those of the token's scopes that the request uses.
 */
export const scope = stage({
  name: 'scope',
  establishes: "the token's scopes cover what the route needs",
  found: ({ grant }) => ({ grant }),
  denials: [deny],
  run({ policy, route, params, access }: Needs): Outcome<{ grant: Grant }, CodeOf<typeof deny>> {
    const { mode, scopes } = route.scopes
    const needed = scopes.map((template) => resolveScope(template, params))
    const used = needed.map((name) =>
      name === undefined
        ? undefined
        : policy.includedBy(name).find((one) => access.scopes.includes(one)),
    )
    const covered = used.filter((one) => one !== undefined)
    const first = covered[0]
    if (mode === 'any' && first !== undefined) return ok({ grant: [first] })
    if (mode === 'all' && covered.length === needed.length)
      return ok({ grant: [...new Set(covered)] })
    const named = needed.filter((name) => name !== undefined)
    if (mode === 'all' ? named.length < needed.length : named.length === 0) {
      return fail(deny('scope_value_invalid'))
    }
    return fail(
      deny(
        'scope_missing',
        { held: access.scopes },
        mode === 'all' ? { requiredScopes: named } : { anyOf: named },
      ),
    )
  },
})
