import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { deepFreeze } from '../../base/json.ts'
import { fail, ok, onceKnown } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Issuer } from '../../model/issuer.ts'
import { isSigned } from '../../model/jwk.ts'
import type { KeyFault, KeySource } from '../../model/ports.ts'
import {
  type Credential,
  signedOf,
  unseal,
  type VerificationKey,
  type VerifiedToken,
} from '../../model/token.ts'
import type { CredentialFacts } from './credential.ts'

export const signatureDenials = denials({
  key_unknown: [
    'invalidToken',
    'The issuer has no key that matches this token',
    'Get a new token; if the issuer has just changed its keys, try again in half a minute',
  ],
  key_ambiguous: [
    'invalidToken',
    'Several keys of the issuer match this token, and it does not say which one signed it',
    'The authorization server must name the key of each token (kid), and give each key a name of its own',
  ],
  algorithm_unsupported: [
    'invalidToken',
    'This gate cannot verify the algorithm the token is signed with',
    'Ask the authorization server for tokens signed with ES256 or another usual algorithm',
  ],
  keys_unavailable: [
    'unavailable',
    "The issuer's keys are not available at the moment",
    'Keep the token and try again after Retry-After',
  ],
  signature_invalid: [
    'invalidToken',
    "The token's signature does not verify with its issuer's key",
    'Get a new token and send it unchanged',
  ],
})

const deny = signatureDenials

type Needs = CredentialFacts & Pick<LineFacts, 'issuer' | 'caller'>

const CODES = {
  unknown: 'key_unknown',
  ambiguous: 'key_ambiguous',
  unsupported: 'algorithm_unsupported',
  unavailable: 'keys_unavailable',
  undecided: 'key_unknown',
} as const satisfies Record<KeyFault, CodeOf<typeof deny>>

type Signed = Outcome<{ token: VerifiedToken }, CodeOf<typeof deny>>

/**
 * Verifies the signature with one key and one algorithm of the issuer (RFC 7515 §5.2). A remembered token is accepted
 * if key and issuer's entry are still the same objects. Only this stage creates a {@link VerifiedToken}.
 */
export const signature = stage({
  name: 'signature',
  establishes: 'the signature was verified with a key of the issuer',
  found: ({ token }) => ({ kid: token.key.kid }),
  denials: [deny],
  run: (
    { issuer, credential, remembered, caller }: Needs,
    { keys }: { readonly keys: KeySource },
  ): Signed | Promise<Signed> =>
    onceKnown(keys.find(issuer, credential, caller), (found) => {
      if (!found.ok) {
        const isUndecided = found.reason === 'undecided'
        return fail(deny(CODES[found.reason], isUndecided ? { issuer_asked: false } : undefined))
      }
      const known = remembered?.token
      return known?.issuer === issuer && isSameKey(known.key, found.value)
        ? ok({ token: known })
        : verify(issuer, credential, found.value)
    }),
})

const isSameKey = (one: VerificationKey, other: VerificationKey): boolean =>
  one.key === other.key && one.kid === other.kid

/**
 * Verifies by WebCrypto, because jose would decode the parts again. The stage `credential` has already refused `crit`
 * and `b64`.
 */
const verify = async (
  issuer: Issuer,
  credential: Credential,
  key: VerificationKey,
): Promise<Signed> => {
  const claims = unseal(credential)
  return claims && (await isSigned(signedOf(credential), credential.algorithm, key.key))
    ? // Frozen, because other requests share the remembered token.
      ok({ token: Object.freeze({ claims: deepFreeze(claims), issuer, key }) as VerifiedToken })
    : fail(deny('signature_invalid'))
}
