import type { JsonObject } from '../base/json.ts'
import type { ClaimPath, ClaimRule } from './claims.ts'

/** Signature algorithms an issuer may be allowed (RFC 7518 §3.1, RFC 9864). No MAC, no `none`. */
export const ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'Ed25519',
] as const

export type Algorithm = (typeof ALGORITHMS)[number]

/** The algorithm a name stands for: `EdDSA` is read as its fully-specified form (RFC 9864 §2.2). */
export const algorithmOf = (name: unknown): Algorithm | undefined =>
  name === 'EdDSA' ? 'Ed25519' : ALGORITHMS.find((algorithm) => algorithm === name)

/** Where an issuer's keys are. */
export type KeyLocation =
  | { readonly kind: 'inline'; readonly keys: readonly JsonObject[] }
  | { readonly kind: 'uri'; readonly uri: string }
  /** RFC 8414 metadata, then OpenID discovery. */
  | { readonly kind: 'discovery' }

/** Whose endpoints of the gate an issuer's tokens may use. */
export type AdminReach = false | 'own' | 'all'

/** An actor as written in the policy: `issuer` is the token's own where it is absent. */
export interface ActorRule {
  readonly sub: string
  readonly issuer?: string
}

/** Limits on delegation (RFC 8693 §4.1). An absent list limits nothing. */
export interface DelegationRule {
  /** Actors in the chain, the current one included. */
  readonly maxDepth: number
  readonly requireActor: boolean
  /** Who may act, outermost actor only. */
  readonly actors?: readonly ActorRule[]
  /** On whose behalf: allowed `sub`. */
  readonly subjects?: ReadonlySet<string>
  /** Other issuers whose `act.iss` counts. */
  readonly issuers: ReadonlySet<string>
}

/** A trusted authorization server, as configured. */
export interface Issuer {
  /** The table's name in the configuration. */
  readonly name: string
  /** Exact value of `iss` (RFC 8414 §2). */
  readonly issuer: string
  readonly keys: KeyLocation
  readonly allowInsecureHttp: boolean
  readonly algorithms: readonly Algorithm[]
  /** Accepted `typ`, lower-case, without `application/`; `absent` stands for no `typ`. */
  readonly types: ReadonlySet<string>
  /** Accepted audiences; without it the route's resource. */
  readonly audiences?: readonly string[]
  /** Seconds between `iat` and `exp`, at most. */
  readonly maxLifetime: number
  readonly requiredClaims: readonly string[]
  readonly claims: readonly ClaimRule[]
  /** First present wins. */
  readonly agentId: readonly ClaimPath[]
  readonly agentPrefix: string
  readonly agentType: ClaimPath
  readonly workflowId: ClaimPath
  readonly scope: readonly ClaimPath[]
  readonly admin: AdminReach
  readonly delegation: DelegationRule
}
