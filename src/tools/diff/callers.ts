import type { Issuer } from '../../core/model/issuer.ts'
import { takesIssuer } from '../../core/model/route.ts'
import { resolveScope } from '../../core/model/scope.ts'
import { needsOf } from '../../policy/rows.ts'
import { type Excess, ISSUERS, listed, type Met } from './matched-rule.ts'
import { canBeCovered } from './scopes.ts'
import { tokenExcess } from './tokens.ts'

/**
 * Callers whom a request's rule in one policy lets pass, and its rule in another policy does not.
 * Without a rule nobody passes. Knows callers with and without a token, and of a token all that
 * the policy compares; not conditions and limits, which are the rule's settings.
 */
export function callerExcess(
  one: Met | undefined,
  other: Met | undefined,
  placeholder: string,
): readonly Excess[] {
  if (!one || other?.route.access === 'public') return []
  const asked = other && { asked: askedBy(other) }
  const { access, mode } = one.route
  if (access === 'public') return [{ who: 'anyone, without a token,', ...asked }]
  const found: Excess[] = []
  if (mode === 'shadow' && other?.route.mode !== 'shadow') {
    found.push({ who: 'anyone, whatever their token (shadow mode),', ...asked })
  }
  if (access === 'optional' && other?.route.access !== 'optional') {
    found.push({ who: 'callers without a token', ...asked })
  }
  for (const issuer of takenBy(one)) {
    const here = { ...one, issuer }
    if (!canBeCovered(here)) continue
    const there =
      other && takesIssuer(other.route, issuer.issuer)
        ? other.policy.issuers.get(issuer.issuer)
        : undefined
    if (other && there && canBeCovered({ ...other, issuer: there })) {
      found.push(...tokenExcess(here, { ...other, issuer: there }, placeholder))
    } else found.push({ who: whoPasses(one), issuer: issuer.name, ...asked })
  }
  return found
}

const takenBy = ({ policy, route }: Met): readonly Issuer[] =>
  [...policy.issuers.values()].filter(({ issuer }) => takesIssuer(route, issuer))

const askedBy = (met: Met): string => {
  const { route } = met
  const names = takenBy(met).filter((issuer) => canBeCovered({ ...met, issuer }))
  if (names.length === 0) return 'nobody'
  const types = route.agentTypes ? ` as ${listed(route.agentTypes)}` : ''
  return `${needsOf(route)} of ${listed(names.map(({ name }) => name))}${types}`
}

/** Whose tokens a rule lets pass, in words. */
const whoPasses = ({ route, params }: Met): string => {
  const { mode, scopes } = route.scopes
  const names = scopes
    .filter((template) => resolveScope(template, params) !== undefined)
    .map(({ source }) => `\`${source}\``)
  const types = route.agentTypes ? `${listed(route.agentTypes)} ` : ''
  const workflow = route.workflow ? ', of the workflow the request names,' : ''
  const held = names.length === 0 ? '' : ` with ${listed(names, mode === 'all' ? 'and' : 'or')}`
  return `${types}tokens of ${ISSUERS}${held}${workflow}`
}
