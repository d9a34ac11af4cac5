import { answerRow, type Denial } from '../base/denial.ts'
import { methods } from '../guard/stages/possession.ts'
import type { Route } from '../model/route.ts'
import { metadataUrl } from '../model/well-known.ts'

/** A quoted-string (RFC 9110 §5.6.4). Values come from the policy and need no escaping. */
const quoted = ([name, value]: readonly [string, string]): string => `${name}="${value}"`

/**
 * The `WWW-Authenticate` value of a denial (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1): one challenge per
 * method that the rule accepts. `undefined` if the status has none. The challenge contains nothing of the token but
 * scopes that the resource offers.
 */
export function challenge(denial: Denial, route: Route): string | undefined {
  const row = answerRow(denial.answer)
  if (!row.challenge) return undefined
  const scope = scopesOf(denial, route)
  const parameters: (readonly [string, string])[] = [['realm', new URL(route.resource).host]]
  if (row.error !== undefined) {
    parameters.push(['error', row.error], ['error_description', denial.summary])
  }
  const { acrValues, maxAge } = denial.params ?? {}
  if (acrValues) parameters.push(['acr_values', acrValues.join(' ')])
  if (maxAge !== undefined) parameters.push(['max_age', String(maxAge)])
  if (scope !== '') parameters.push(['scope', scope])
  parameters.push(['resource_metadata', metadataUrl(route.resource)])
  return methods
    .filter(({ scheme, member }) =>
      row.scheme === undefined
        ? member !== undefined || route.possession !== 'required'
        : scheme === row.scheme,
    )
    .flatMap(({ scheme, challenge }) =>
      challenge ? `${scheme} ${challenge(parameters, denial).map(quoted).join(', ')}` : [],
    )
    .join(', ')
}

/**
 * All scopes that the route needs, or the first of alternatives; and the token's scopes that a client would lose if it
 * asked for no more. Without a token, the rule's scopes without templates, and the scopes the MCP server offers.
 */
const scopesOf = ({ answer, params }: Denial, route: Route): string => {
  const { requiredScopes = params?.anyOf?.slice(0, 1), heldScopes = [] } = params ?? {}
  if (requiredScopes) return [...new Set([...requiredScopes, ...heldScopes])].join(' ')
  if (answer !== 'unauthenticated') return ''
  const { mode, scopes } = route.scopes
  const plain = scopes.filter(({ parts }) => parts.length === 1).map(({ source }) => source)
  const needed = mode === 'all' ? plain : plain.slice(0, 1)
  return [...new Set([...needed, ...(route.mcp?.offeredScopes ?? [])])].join(' ')
}
