import type { CryptoKey } from 'jose'
import type { JsonObject } from '../json.ts'
import type { ClaimPath, ClaimRule } from './claims.ts'

/** What an issuer may sign with (RFC 7518 §3.1, RFC 9864, RFC 9964). No MAC, no `none`. */
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
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
] as const

export type Algorithm = (typeof ALGORITHMS)[number]

/** The algorithm a name stands for: `EdDSA` is read as its fully-specified form (RFC 9864 §2.2). */
export function algorithmOf(name: unknown): Algorithm | undefined {
  return name === 'EdDSA' ? 'Ed25519' : ALGORITHMS.find((algorithm) => algorithm === name)
}

/** Where an issuer's keys are. */
export type KeyLocation =
  | { readonly kind: 'inline'; readonly keys: readonly JsonObject[] }
  | { readonly kind: 'uri'; readonly uri: string }
  /** RFC 8414 metadata, then OpenID discovery; `never` are origins it must not lead to. */
  | { readonly kind: 'discovery'; readonly never: readonly string[] }

/** How long fetched keys are believed, in milliseconds. */
export interface KeyTimes {
  /** Longest freshness lifetime (RFC 9111 §4.2), whatever the issuer says. */
  readonly maxFresh: number
  /** Age up to which keys serve while the issuer cannot be asked (RFC 5861 §4). */
  readonly staleIfError: number
  /** Between two questions that unknown key ids may cause. */
  readonly cooldown: number
}

/** The claim in which an issuer's access tokens say whom they are for. */
export type AudienceClaim = 'aud' | 'client_id'

/** Whose endpoints of the gate an issuer's tokens may use. */
export type AdminReach = false | 'own' | 'all'

/** An actor or subject as written in the policy: `issuer` is the token's own where it is absent. */
export interface ActorRule {
  readonly sub: string
  readonly issuer?: string
}

/** Whether a token's `may_act` must name its actor: where it has one, or always (RFC 8693 §4.4). */
export type MayAct = 'if_present' | 'required'

/** Limits on delegation (RFC 8693 §4.1). An absent list limits nothing. */
export interface DelegationRule {
  /** Actors in the chain, the current one included. */
  readonly maxDepth: number
  readonly requireActor: boolean
  /** Who may act, outermost actor only. */
  readonly actors?: readonly ActorRule[]
  /** On whose behalf. */
  readonly subjects?: readonly ActorRule[]
  /** Other issuers whose `act.iss` counts. */
  readonly issuers: ReadonlySet<string>
  /** Without it `may_act` is not looked at. */
  readonly mayAct?: MayAct
}

/** A trusted authorization server, as configured. */
export interface Issuer {
  /** The table's name in the configuration. */
  readonly name: string
  /** The profile its entry was filled in from. */
  readonly profile: string
  /** Exact value of `iss` (RFC 8414 §2). */
  readonly issuer: string
  readonly keys: KeyLocation
  readonly keyTimes: KeyTimes
  readonly allowInsecureHttp: boolean
  readonly algorithms: readonly Algorithm[]
  /** Accepted `typ`, lower-case, without `application/`; `absent` stands for no `typ`. */
  readonly types: ReadonlySet<string>
  readonly audienceClaim: AudienceClaim
  /** Accepted audiences; without it the route's resource, which no `client_id` is compared with. */
  readonly audiences?: readonly string[]
  /** Seconds between `iat` and `exp`, at most. */
  readonly maxLifetime: number
  readonly requiredClaims: readonly string[]
  /** Those of the profile, then those of the entry; all hold. */
  readonly claims: readonly ClaimRule[]
  /** Claims that name the client; first present wins. */
  readonly clientId: readonly ClaimPath[]
  /** Whether a token that names no client is refused. */
  readonly clientRequired: boolean
  /** First present wins. */
  readonly agentId: readonly ClaimPath[]
  readonly agentPrefix: string
  readonly agentType: ClaimPath
  /** Whether an agent's types are its entity profiles, `sub_profile`, in place of `agentType`. */
  readonly entityProfiles?: boolean
  /** First present wins; all that are present must agree. */
  readonly workflowId: readonly ClaimPath[]
  /** All present ones together. */
  readonly scope: readonly ClaimPath[]
  /** Where none of those is there. */
  readonly scopeElse: readonly ClaimPath[]
  readonly admin: AdminReach
  /** Present where its tokens may come encrypted. */
  readonly decrypt?: Decryption
  readonly delegation: DelegationRule
  /** Whether every actor in `act` must name its issuer. */
  readonly actorIssuer?: boolean
  /** The claim that holds the scopes of the token that a token was made from. */
  readonly parentScope?: ClaimPath
}

/** How the key of an encrypted token may be sent (RFC 7518 §4.1): nothing shared, no password. */
export const KEY_MANAGEMENT = ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'] as const

export type KeyManagement = (typeof KEY_MANAGEMENT)[number]

/** How its content may be encrypted (RFC 7518 §5.1). */
export const CONTENT_ENCRYPTION = ['A128GCM', 'A256GCM', 'A128CBC-HS256'] as const

export type ContentEncryption = (typeof CONTENT_ENCRYPTION)[number]

/** A private key of the gate. What it is made of cannot be read from it, so it is in no log. */
export interface DecryptionKey {
  readonly kid?: string
  /** Those it can be used with, of the ones its issuer may use. */
  readonly algorithms: readonly KeyManagement[]
  /** Imported on first use and kept; `undefined` where the runtime cannot use it. Never throws. */
  load(): Promise<CryptoKey | undefined>
}

/** What opens the encrypted tokens of one issuer. */
export interface Decryption {
  /** Name of the secret that holds the keys. */
  readonly secret: string
  readonly keyManagement: readonly KeyManagement[]
  readonly contentEncryption: readonly ContentEncryption[]
  /** Absent where the policy was read without the values of secrets: then nothing is opened. */
  readonly keys?: readonly DecryptionKey[]
}
