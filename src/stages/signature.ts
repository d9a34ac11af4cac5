import { compactVerify, errors } from 'jose'
import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import { deepFreeze } from '../base/json.ts'
import { fail, ok, onceKnown } from '../base/result.ts'
import type { Issuer } from '../model/issuer.ts'
import type { KeyFault, KeySource, VerificationKey } from '../model/ports.ts'
import { type Credential, signedOf, unseal, type VerifiedToken } from '../model/token.ts'
import type { CredentialFacts } from './credential.ts'

const deny = denials({
  key_unknown: [
    'invalidToken',
    'The issuer has no key that fits this token',
    'Get a new token; if the issuer has just changed its keys, try again in half a minute',
  ],
  key_ambiguous: [
    'invalidToken',
    'Several keys of the issuer fit this token, and it does not say which is meant',
    'The authorization server must name the key of each token (kid), and give no two keys one name',
  ],
  algorithm_unsupported: [
    'invalidToken',
    'This gate cannot verify the algorithm the token is signed with',
    'Ask the authorization server for tokens signed with ES256 or another usual algorithm',
  ],
  keys_unavailable: [
    'unavailable',
    "The issuer's keys cannot be had at the moment",
    'Keep the token and try again after Retry-After',
  ],
  signature_invalid: [
    'invalidToken',
    "The token's signature is not its issuer's",
    'Get a new token and send it unchanged',
  ],
})

interface Needs extends CredentialFacts {
  readonly issuer: Issuer
  /** The address of who sent it, where it is known. */
  readonly caller?: string | undefined
}

export interface Ports {
  readonly keys: KeySource
}

const CODES = {
  unknown: 'key_unknown',
  ambiguous: 'key_ambiguous',
  unsupported: 'algorithm_unsupported',
  unavailable: 'keys_unavailable',
} as const satisfies Record<KeyFault, CodeOf<typeof deny>>

type Signed = Outcome<{ token: VerifiedToken }, CodeOf<typeof deny>>

/**
 * The token was signed by its issuer: one key of that issuer's set, one algorithm, verified by
 * jose (RFC 7515 §5.2), or remembered as verified by that very key under that very entry. The only
 * maker of a {@link VerifiedToken}. Judges no claim.
 */
export const signature = stage({
  name: 'signature',
  establishes: "the token's signature was verified with a key of its issuer",
  found: ({ token }) => ({ kid: token.key.kid }),
  denials: [deny],
  run: (
    { issuer, credential, remembered, caller }: Needs,
    { keys }: Ports,
  ): Signed | Promise<Signed> =>
    onceKnown(keys.find(issuer, credential, caller), (found) => {
      if (!found.ok) return fail(deny(CODES[found.reason]))
      const known = remembered?.token
      return known?.issuer === issuer && isSameKey(known.key, found.value)
        ? ok({ token: known })
        : verify(issuer, credential, found.value)
    }),
})

const isSameKey = (one: VerificationKey, other: VerificationKey): boolean =>
  one.key === other.key && one.kid === other.kid

const verify = async (
  issuer: Issuer,
  credential: Credential,
  key: VerificationKey,
): Promise<Signed> => {
  const { algorithm } = credential
  const algorithms = algorithm === 'Ed25519' ? ['Ed25519', 'EdDSA'] : [algorithm]
  try {
    const { protectedHeader } = await compactVerify(signedOf(credential), key.key, { algorithms })
    // An extension can change what is signed (RFC 7797), and then the claims are not what was.
    if (protectedHeader.crit !== undefined) return fail(deny('signature_invalid'))
  } catch (error) {
    if (error instanceof errors.JOSEError) return fail(deny('signature_invalid'))
    throw error
  }
  const claims = unseal(credential)
  return claims
    ? // Remembered for other requests, so that none can change what the next one reads.
      ok({ token: Object.freeze({ claims: deepFreeze(claims), issuer, key }) as VerifiedToken })
    : fail(deny('signature_invalid'))
}
