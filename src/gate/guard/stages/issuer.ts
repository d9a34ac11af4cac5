import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Issuer } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import { takesIssuer } from '../../model/route.ts'
import type { Credential } from '../../model/token.ts'

const deny = denials({
  issuer_unknown: [
    'invalidToken',
    'The token is from an issuer this gate does not trust',
    'Get a token from an authorization server the resource metadata lists',
  ],
  encryption_issuer_mismatch: [
    'invalidToken',
    'The token is encrypted for one issuer and comes from another',
    'The authorization server must encrypt with the key that was made for its own tokens',
  ],
  issuer_not_accepted: [
    'invalidToken',
    'This route does not accept tokens of that issuer',
    'Get a token from an issuer that this route accepts',
  ],
  algorithm_not_accepted: [
    'invalidToken',
    'The token is signed with an algorithm that is not accepted from its issuer',
    'Get a new token; if the problem persists, the operator must add the algorithm to the issuer',
  ],
  type_not_accepted: [
    'invalidToken',
    'The token is not of the type that is accepted from its issuer',
    'Send the access token of the issuer, not an ID token or another JWT',
  ],
})

type Needs = Pick<LineFacts, 'policy' | 'route' | 'credential'>

/**
 * Chooses the issuer's entry by the claimed `iss`, compared exactly, or by the trust domain of `sub` if no entry has
 * that `iss`. Checks that the rule accepts it, that its key decrypted an encrypted token, and that it allows `alg` and
 * `typ` (RFC 8725 §3.1, §3.8, §3.11). Keys are chosen by issuer, never the other way round. Verifies nothing.
 */
export const issuer = stage({
  name: 'issuer',
  establishes:
    "the rule accepts the issuer that the token names, and the issuer's entry allows its algorithm and type",
  found: ({ issuer }) => ({ issuer: issuer.issuer, entry: issuer.name }),
  denials: [deny],
  run({ policy, route, credential }: Needs): Outcome<{ issuer: Issuer }, CodeOf<typeof deny>> {
    const entry = entryOf(policy, credential)
    if (credential.opened && credential.opened.by !== entry) {
      return fail(deny('encryption_issuer_mismatch'))
    }
    if (!entry) return fail(deny('issuer_unknown'))
    if (!takesIssuer(route, entry.issuer)) return fail(deny('issuer_not_accepted'))
    if (!entry.algorithms.includes(credential.algorithm)) {
      return fail(deny('algorithm_not_accepted', { algorithm: credential.algorithm }))
    }
    // Unlike `alg`, `typ` may be any text, and unverified text is not logged.
    if (!entry.types.has(credential.type)) return fail(deny('type_not_accepted'))
    return ok({ issuer: entry })
  },
})

/** The entry of a token's issuer. A trust domain signs for itself alone (SPIFFE-ID §2.1), whatever `iss` says. */
export function entryOf(
  { issuers }: Pick<Policy, 'issuers'>,
  { claimedIssuer, trustDomain = '' }: Pick<Credential, 'claimedIssuer' | 'trustDomain'>,
): Issuer | undefined {
  const entry = issuers.get(claimedIssuer) ?? issuers.get(trustDomain)
  return entry?.trustDomain && entry.issuer !== trustDomain ? undefined : entry
}
