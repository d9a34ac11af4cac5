import type { CryptoKey } from 'jose'
import { base64UrlDecode, utf8Encode } from '../bytes.ts'
import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, denials } from '../denial.ts'
import { deepFreeze } from '../json.ts'
import { LIMITS } from '../limits.ts'
import { perObject } from '../memo.ts'
import type { Algorithm, Issuer } from '../model/issuer.ts'
import type { KeyFault, KeySource } from '../model/ports.ts'
import type { VerificationKey } from '../model/token.ts'
import { type Credential, signedOf, unseal, type VerifiedToken } from '../model/token.ts'
import { fail, ok, onceKnown } from '../result.ts'
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
    "The issuer's keys are not available at the moment",
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
  /** The caller's network address, if known. */
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

/** A kind of key and the parameters of `crypto.subtle.verify` for it. */
type Scheme = readonly [kind: string, parameters: VerifyParameters]

interface VerifyParameters {
  readonly name: string
  readonly hash?: string
  readonly saltLength?: number
}

const ecdsa = (curve: string, hash: string): Scheme => [`ECDSA ${curve}`, { name: 'ECDSA', hash }]
const PKCS1 = 'RSASSA-PKCS1-v1_5'
const pkcs1 = (hash: string): Scheme => [`${PKCS1} ${hash}`, { name: PKCS1 }]
const pss = (hash: string, saltLength: number): Scheme => [
  `RSA-PSS ${hash}`,
  { name: 'RSA-PSS', saltLength },
]
const plain = (name: string): Scheme => [name, { name }]

/** Algorithms of WebCrypto (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1, RFC 9964). */
const SCHEMES: Readonly<Record<Algorithm, Scheme>> = {
  ES256: ecdsa('P-256', 'SHA-256'),
  ES384: ecdsa('P-384', 'SHA-384'),
  ES512: ecdsa('P-521', 'SHA-512'),
  RS256: pkcs1('SHA-256'),
  RS384: pkcs1('SHA-384'),
  RS512: pkcs1('SHA-512'),
  PS256: pss('SHA-256', 32),
  PS384: pss('SHA-384', 48),
  PS512: pss('SHA-512', 64),
  Ed25519: plain('Ed25519'),
  'ML-DSA-44': plain('ML-DSA-44'),
  'ML-DSA-65': plain('ML-DSA-65'),
  'ML-DSA-87': plain('ML-DSA-87'),
}

/** The kind of a key, as in {@link Scheme}; for an unusable key, the reason instead. */
const kindOf = perObject(({ type, usages, algorithm }: CryptoKey): string => {
  const { name, hash, namedCurve, modulusLength } = algorithm as KeyAlgorithm
  const more = hash?.name ?? namedCurve
  if (type !== 'public' || !usages.includes('verify')) return 'not for verifying'
  if (modulusLength !== undefined && modulusLength < LIMITS.rsaBits) return 'RSA, too short'
  return more === undefined ? name : `${name} ${more}`
})

interface KeyAlgorithm {
  readonly name: string
  readonly hash?: { readonly name: string }
  readonly namedCurve?: string
  readonly modulusLength?: number
}

/**
 * Verifies the signature by WebCrypto with one key and one algorithm of the issuer (RFC 7515 §5.2). A remembered token
 * is accepted if key and issuer's entry are the same objects as then. Only this stage creates a {@link VerifiedToken}.
 * Does not check claims.
 */
export const signature = stage({
  name: 'signature',
  establishes: 'the signature was verified with a key of the issuer',
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

/**
 * Verifies with WebCrypto instead of jose, which would decode header and payload a second time. The stage `credential`
 * has read the header and refused `crit` and `b64`. Throws for a key of the wrong kind.
 */
const verify = async (
  issuer: Issuer,
  credential: Credential,
  key: VerificationKey,
): Promise<Signed> => {
  const claims = unseal(credential)
  return claims && (await isSigned(credential, key.key))
    ? // Frozen, because other requests share the remembered token.
      ok({ token: Object.freeze({ claims: deepFreeze(claims), issuer, key }) as VerifiedToken })
    : fail(deny('signature_invalid'))
}

/** Whether the key made the signature; `false` where WebCrypto cannot read it. Throws for a key of the wrong kind. */
const isSigned = async (credential: Credential, key: CryptoKey): Promise<boolean> => {
  const [kind, parameters] = SCHEMES[credential.algorithm]
  if (kindOf(key) !== kind)
    throw new Error(`the key is not one of ${credential.algorithm}: ${kindOf(key)}`)
  const signed = signedOf(credential)
  const end = signed.lastIndexOf('.')
  const signature = base64UrlDecode(signed.slice(end + 1))
  if (!signature) return false
  try {
    return await crypto.subtle.verify(parameters, key, signature, utf8Encode(signed.slice(0, end)))
  } catch {
    return false
  }
}
