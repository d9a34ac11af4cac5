import { type ClaimPath, claimPath } from '../model/claims.ts'

/** What an issuer's tokens look like where its entry does not say otherwise. */
export interface Profile {
  readonly types: readonly string[]
  readonly requiredClaims: readonly string[]
  readonly agentId: readonly ClaimPath[]
  readonly scope: readonly ClaimPath[]
  /** Seconds. */
  readonly maxLifetime: number
}

const paths = (...names: readonly string[]) => names.map(claimPath)

const MINUTE = 60

/** By the name an issuer's entry gives. */
export const PROFILES = {
  /** RFC 9068 §2.1, §2.2. */
  rfc9068: {
    types: ['at+jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
    agentId: paths('client_id'),
    scope: paths('scope'),
    maxLifetime: 15 * MINUTE,
  },
  /** Issuers that follow RFC 7519 only. */
  generic: {
    types: ['at+jwt', 'jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'iat'],
    agentId: paths('client_id', 'azp', 'sub'),
    scope: paths('scope', 'scp'),
    maxLifetime: 15 * MINUTE,
  },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof PROFILES

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[]

/** The lifetime above which an issuer is named in a warning, in seconds. */
export const LONG_LIFETIME = 15 * MINUTE
