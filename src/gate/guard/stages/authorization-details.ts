import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { own } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { type AuthorizationDetail, authorizes, readDetails } from '../../model/details.ts'
import type { LineFacts } from '../../model/facts.ts'
import { resolveScope } from '../../model/scope.ts'
import type { AccessToken } from '../../model/token.ts'
import type { Routed } from './route.ts'

const deny = denials({
  authorization_details_malformed: [
    'invalidToken',
    "The token's authorization_details are not well formed",
    'The authorization server must issue a list of objects with a type, at most 64 (RFC 9396 §2)',
  ],
  authorization_details_missing: [
    'forbidden',
    'No authorization_details of the token allow this operation',
    'Request a token with authorization_details for just this operation (RFC 9396); the metadata names the types',
  ],
  authorization_details_value_invalid: [
    'forbidden',
    'A part of the path is not allowed in an identifier',
    'Use an id of letters, digits, dot, underscore, tilde and hyphen, at most 128 characters',
  ],
})

type Needs = Pick<Routed, 'route' | 'deciding'> & Pick<LineFacts, 'access'>

/**
 * Checks that for each authorization detail of the rule, one detail of the token covers it completely. Details are
 * never combined; those of other types are ignored. The claim is read only if the rule requires details.
 */
export const authorizationDetails = stage({
  name: 'authorization_details',
  establishes: "the token's authorization_details allow everything that the rule asks for",
  found: ({ route: { authorizationDetails: rules } }) =>
    rules ? { types: rules.map(({ type }) => type) } : {},
  denials: [deny],
  run({ route, deciding, access }: Needs): Outcome<object, CodeOf<typeof deny>> {
    const { authorizationDetails: rules, resource } = route
    if (!rules) return ok({})
    const held = detailsOf(access)
    if (!held) return fail(deny('authorization_details_malformed'))
    for (const rule of rules) {
      const identifier = rule.identifier && resolveScope(rule.identifier, deciding)
      if (rule.identifier && identifier === undefined) {
        return fail(deny('authorization_details_value_invalid', { type: rule.type }))
      }
      if (!held.some((one) => authorizes(one, rule, identifier, resource))) {
        return fail(
          deny('authorization_details_missing', {
            // As the rule writes it, because the journal does not contain values of paths.
            needed: { ...rule, identifier: rule.identifier?.source },
            held: held.map(({ type }) => type),
          }),
        )
      }
    }
    return ok({})
  },
})

/** The details of a token, empty without the claim; `undefined` where it is malformed. */
const detailsOf = ({ claims }: AccessToken): readonly AuthorizationDetail[] | undefined => {
  const claim = own(claims, 'authorization_details')
  return claim === undefined ? [] : readDetails(claim)
}
