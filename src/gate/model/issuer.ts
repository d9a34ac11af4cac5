import type { CryptoKey } from 'jose'
import type { JsonObject } from '../base/json.ts'
import type { ClaimGrant, ClaimPath, ClaimRule } from './claims.ts'

/** Signature algorithms of issuers (RFC 7518 §3.1, RFC 9864, RFC 9964). No MAC, no `none`. */
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

/**
 * The algorithm of a name; `EdDSA` is read as `Ed25519`, its fully-specified form (RFC 9864 §2.2).
 * @example
 * algorithmOf('EdDSA') // 'Ed25519'
 * algorithmOf('none') // undefined
 */
export function algorithmOf(name: unknown): Algorithm | undefined {
  return name === 'EdDSA' ? 'Ed25519' : ALGORITHMS.find((algorithm) => algorithm === name)
}

/** The source of an issuer's keys. */
export type KeyLocation =
  | { readonly kind: 'inline'; readonly keys: readonly JsonObject[] }
  | { readonly kind: 'uri'; readonly uri: string }
  /** RFC 8414 metadata, then OpenID discovery. Neither kind of document may be at an origin in `never`. */
  | { readonly kind: 'discovery'; readonly never: readonly string[] }

/** How long fetched keys are used, in milliseconds. */
export interface KeyTimes {
  /** Longest freshness lifetime (RFC 9111 §4.2); a longer one of the issuer is cut. */
  readonly maxFresh: number
  /** Highest age of keys that are used while the issuer is unreachable (RFC 5861 §4). */
  readonly staleIfError: number
  /** Least time between two fetches for unknown key ids. */
  readonly cooldown: number
}

/** The claim that contains the audience of an issuer's access tokens. */
export type AudienceClaim = 'aud' | 'client_id'

/** Admin access of an issuer's tokens: none, revocations of its own issuer, or all. */
export type AdminReach = false | 'own' | 'all'

/** An actor or subject of the policy; `issuer` defaults to that of the token. */
export interface ActorRule {
  readonly sub: string
  readonly issuer?: string
}

/**
 * Further forms of Agentic JWT, beside a strict reading of its draft: a checksum without `sha256:`; the
 * proof beside `Bearer`; `cnf.jkt`; hashes in which the current agent or step is twice.
 */
export const AGENTIC_FORMS = ['bare-checksum', 'bearer-proof', 'jkt', 'repeated-agent'] as const

/** Whether a token must have a `may_act` (RFC 8693 §4.4); a present one must name the actor. */
export type MayAct = 'if_present' | 'required'

/** Limits on delegation (RFC 8693 §4.1). An absent list allows all. */
export interface DelegationRule {
  /** Most actors in the chain, the current one included. */
  readonly maxDepth: number
  readonly requireActor: boolean
  /** Allowed current (outermost) actors. */
  readonly actors?: readonly ActorRule[]
  /** Allowed subjects. */
  readonly subjects?: readonly ActorRule[]
  /** Other issuers that `act.iss` may name. */
  readonly issuers: ReadonlySet<string>
  /** Whether `may_act` is checked; absent: not at all. */
  readonly mayAct?: MayAct
}

/** A trusted authorization server, as configured. */
export interface Issuer {
  /** The name of the issuer's table in the configuration. */
  readonly name: string
  /** The profile that supplies defaults to its entry. */
  readonly profile: string
  /** The exact value of `iss` (RFC 8414 §2), or the SPIFFE ID of a trust domain. */
  readonly issuer: string
  /** Set where its tokens identify workloads and are not access tokens: `aud` must be one value. */
  readonly workload?: true
  /** The `hint` of a refusal because of the audience; absent: that of the code. */
  readonly audienceHint?: string
  /** Present where its tokens are Agentic JWTs: the further forms that are accepted. */
  readonly agentic?: ReadonlySet<(typeof AGENTIC_FORMS)[number]>
  /** `alert`: an agent whose code is not approved is accepted; absent: it is refused. */
  readonly changed?: 'alert'
  /** Whether it is a SPIFFE trust domain, whose tokens are JWT-SVIDs. */
  readonly trustDomain?: true
  readonly keys: KeyLocation
  readonly keyTimes: KeyTimes
  readonly allowInsecureHttp: boolean
  readonly algorithms: readonly Algorithm[]
  /** Accepted `typ` values, in lower case and without `application/`; `absent` allows a token without `typ`. */
  readonly types: ReadonlySet<string>
  readonly audienceClaim: AudienceClaim
  /** Accepted audiences; default: the rule's resource, but not for `client_id`. */
  readonly audiences?: readonly string[]
  /** Most seconds between `iat` and `exp`. */
  readonly maxLifetime: number
  readonly requiredClaims: readonly string[]
  /** Claim rules of the profile, then of the entry; all must be met. */
  readonly claims: readonly ClaimRule[]
  /** Claims that name the client; the first present one is used. */
  readonly clientId: readonly ClaimPath[]
  /** Whether a token without a client is refused. */
  readonly clientRequired: boolean
  /** Claims that name the agent; the first present one is used. */
  readonly agentId: readonly ClaimPath[]
  readonly agentPrefix: string
  readonly agentType: ClaimPath
  /** Whether agent types are read from `sub_profile` (entity profiles) instead of `agentType`. */
  readonly entityProfiles?: boolean
  /** Claims that name the workflow: the first present one is used, and all present ones must be equal. */
  readonly workflowId: readonly ClaimPath[]
  /** The claim that names the session. */
  readonly sessionId: ClaimPath
  /** Claims that contain scopes; those of all present ones are joined. */
  readonly scope: readonly ClaimPath[]
  /** Scope claims that are read where all of `scope` are absent. */
  readonly scopeElse: readonly ClaimPath[]
  /** Absent where scopes come from the token alone; then there are no grants. */
  readonly scopesFrom?: 'grants' | 'both'
  /** The grants of the policy for its tokens, in file order. */
  readonly grants?: readonly ClaimGrant[]
  readonly admin: AdminReach
  /** `false`: no rule accepts its tokens, only the gate's own endpoints do. `named`: only rules that name it. */
  readonly rules?: false | 'named'
  /** The person who has its key; set only where no rule accepts its tokens. */
  readonly operator?: string
  /** Present where its people can sign in at the console. */
  readonly person?: SignIn
  /** Who may send security events about its subjects. */
  readonly events?: readonly Transmitter[]
  /** Whether its tokens must be bound to a key, as in a rule. */
  readonly possession?: 'required'
  /** Set where only approved agents are accepted. */
  readonly agents?: 'approved'
  /** Present where its tokens may be encrypted. */
  readonly decrypt?: Decryption
  readonly delegation: DelegationRule
  /** Whether each actor in `act` must have an `iss`. */
  readonly actorIssuer?: boolean
  /** The claim that contains the scopes of the parent token. */
  readonly parentScope?: ClaimPath
}

/** Security events that can change the revocation set, by the specification that defines them: RISC 1.0 and CAEP 1.0. */
export const EVENTS = {
  risc: ['account-disabled', 'account-enabled', 'account-purged', 'sessions-revoked'],
  caep: [
    'session-revoked',
    'token-claims-change',
    'credential-change',
    'assurance-level-change',
    'device-compliance-change',
  ],
} as const
export const SIGNALS = [...EVENTS.risc, ...EVENTS.caep] as const
export type SignalName = (typeof SIGNALS)[number]

/** A secret whose value is an `Authorization` header. */
export interface HeaderSecret {
  /** Its name. */
  readonly secret: string
  /** Its value; absent where the policy was read without secrets. */
  readonly authorization?: string
}
/** What an event does. `alert`: nothing but its record in the audit. */
export type Effect = 'alert' | 'lift' | 'session' | 'step-up' | 'revoke'

const CHANGE = ['step-up', 'revoke', 'alert'] as const
/** What each event may do. The first effect is the default. */
export const EFFECTS = {
  'account-disabled': ['revoke', 'alert'],
  'account-enabled': ['lift', 'alert'],
  'account-purged': ['revoke', 'alert'],
  'sessions-revoked': ['revoke', 'step-up', 'alert'],
  'session-revoked': ['session', 'step-up', 'revoke', 'alert'],
  'token-claims-change': CHANGE,
  'credential-change': CHANGE,
  'assurance-level-change': CHANGE,
  'device-compliance-change': CHANGE,
} as const satisfies Record<SignalName, readonly [Effect, ...Effect[]]>

/** Who sends security events (RFC 8417) about subjects of one issuer. */
export interface Transmitter {
  /** The transmitter as key lookups take it: its `iss` and keys. Never an issuer of tokens. */
  readonly source: Issuer
  readonly audience: string
  /** Its `Authorization` header where it sends events to the gate. */
  readonly push?: HeaderSecret
  /** Where the gate asks it for events (RFC 8936), and the `Authorization` header of that request. */
  readonly poll?: HeaderSecret & { readonly endpoint: string }
  readonly accept: ReadonlySet<SignalName>
  readonly effects: Readonly<Record<SignalName, Effect>>
}

/** How people of an issuer sign in at the console. */
export interface SignIn {
  /** Set where Cloudflare Access signs people in; absent for the code flow. */
  readonly access?: boolean
  /** Empty with `access`. */
  readonly clientId: string
  /** The claim of the ID token that names the person. */
  readonly claim: ClaimPath
  readonly scopes: readonly string[]
  /** The parameter that names the audience of the access token; `none` where the scopes do. */
  readonly audienceParameter: 'resource' | 'audience' | 'none'
}

/** Key management algorithms of encrypted tokens (RFC 7518 §4.1): no shared keys, no passwords. */
export const KEY_MANAGEMENT = ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'] as const

export type KeyManagement = (typeof KEY_MANAGEMENT)[number]

/** Content encryption algorithms (RFC 7518 §5.1). */
export const CONTENT_ENCRYPTION = ['A128GCM', 'A256GCM', 'A128CBC-HS256'] as const

export type ContentEncryption = (typeof CONTENT_ENCRYPTION)[number]

/** A private key of the gate. Its key material cannot be read from it, so it cannot reach a log. */
export interface DecryptionKey {
  readonly kid?: string
  /** The algorithms of its issuer that the key can be used with. */
  readonly algorithms: readonly KeyManagement[]
  /** Imports the key on first use and keeps it; `undefined` where the runtime cannot use it. Never throws. */
  load(): Promise<CryptoKey | undefined>
}

/** Decryption settings of one issuer. */
export interface Decryption {
  /** Name of the secret that contains the keys. */
  readonly secret: string
  readonly keyManagement: readonly KeyManagement[]
  readonly contentEncryption: readonly ContentEncryption[]
  /** Absent where the policy was read without secrets; no token can then be decrypted. */
  readonly keys?: readonly DecryptionKey[]
}
