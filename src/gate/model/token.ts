import type { CryptoKey } from 'jose'
import type { JsonObject } from '../base/json.ts'
import type { ClaimGrant } from './claims.ts'
import type { Algorithm, Issuer } from './issuer.ts'

/** The token of a request. Nothing in it is verified. Only its header and who it claims to be from can be read here. */
export interface Credential {
  /** The token as sent. */
  readonly token: string
  /** Where it was sent, if not in `Authorization`: the name of the header. */
  readonly header?: string
  /** The whole Authorization header, or {@link credentialText}; token memory finds tokens by it. */
  readonly authorization: string
  /** The scheme of that header in its usual spelling: `Bearer` or `DPoP`. */
  readonly scheme: string
  /** The decrypted content, if the token was encrypted; the members below are then read from it. */
  readonly opened?: Opened
  readonly algorithm: Algorithm
  /** The `typ` in lower case, without `application/`; `absent` where there is none. */
  readonly type: string
  readonly kid?: string
  /** The `iss`; of a token without one, the trust domain of its `sub`. */
  readonly claimedIssuer: string
  /** The trust domain of `sub`, if that is a workload's SPIFFE ID. */
  readonly trustDomain?: string
}

/** The header in which tokens are sent (RFC 6750 §2.1). A rule may name others beside it. */
export const AUTHORIZATION = 'authorization'

/**
 * A credential in its usual spelling. The token of another header than `Authorization` is another credential: no header
 * has a line break.
 * @example credentialText({ scheme: 'Bearer', token: 'a.b.c' }) // 'Bearer a.b.c'
 */
export function credentialText({
  header,
  scheme,
  token,
}: Pick<Credential, 'header' | 'scheme' | 'token'>): string {
  return header === undefined ? `${scheme} ${token}` : `${header}\n${token}`
}

/** The content of an encrypted token. It is unverified: everyone with the public key can write it. */
export interface Opened {
  /** The issuer's entry whose key decrypted it. */
  readonly by: Issuer
  /** The compact JWS inside. */
  readonly signed: string
}

/** The compact JWS to verify: the token itself, or the decrypted one. */
export function signedOf({ token, opened }: Credential): string {
  return opened?.signed ?? token
}

/** The member of a credential with its claims, which no other file can name. A WeakMap would cost much at each collection. */
const SEALED = Symbol('claims')

/** A credential with its parsed claims, hidden until its signature is verified. */
export function seal(credential: Credential, claims: JsonObject): Credential {
  return { ...credential, [SEALED]: claims } as Credential
}

/** The claims of {@link seal}; only for the stage that verifies the signature. Never copy them to a credential with another token. */
export function unseal(credential: Credential): JsonObject | undefined {
  return (credential as { readonly [SEALED]?: JsonObject })[SEALED]
}

/** An issuer's key for one algorithm, ready for verifying. */
export interface VerificationKey {
  readonly key: CryptoKey
  readonly kid?: string
}

declare const verified: unique symbol

/** Claims whose signature was verified with a key of their issuer. Only the stage `signature` creates one. */
export interface VerifiedToken {
  readonly [verified]: true
  readonly claims: JsonObject
  /** The issuer's entry whose key verified it. */
  readonly issuer: Issuer
  readonly key: VerificationKey
}

/** A verified token that is for this resource and currently valid (RFC 9068 §2.2). */
export interface AccessToken {
  readonly claims: JsonObject
  readonly issuer: string
  /** The issuer's entry by which the claims were read. */
  readonly entry: Issuer
  readonly subject?: string
  readonly clientId?: string
  /** The session of the person at the issuer. */
  readonly session?: string
  readonly id?: string
  readonly kid?: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  readonly expires: number
  /** Scope tokens that the gate accepts, in the token's order; then those of grants. */
  readonly scopes: readonly string[]
  /** The grants of the policy that match the token's claims; absent where there are none. */
  readonly granted?: readonly ClaimGrant[]
}

/** An actor (RFC 8693 §4.1); `issuer` is the namespace of `sub`. */
export interface Actor {
  readonly sub: string
  readonly issuer: string
}

/** The calling agent; its id is unique only within its issuer. */
export interface AgentIdentity {
  /** The agent's id at its issuer, without prefix. */
  readonly id: string
  /** `agent_prefix` and id, as origins get it. */
  readonly name: string
  readonly issuer: string
  readonly subject?: string
  readonly clientId?: string
  /** The type as in the token; several entity profiles are separated by spaces. */
  readonly type?: string
  /** The single types; present only where there are several. */
  readonly types?: readonly string[]
  readonly workflowId?: string
  /** The step of the workflow; only of Agentic JWT. */
  readonly step?: string
  /** The chain of actors, the current (outermost) one first; empty without `act`. */
  readonly actors: readonly Actor[]
}

/**
 * What an Agentic JWT says of its agent's code and chain; empty for another token. `agents`, `steps`: `any` if the rule
 * expects no hash, `stated` if it lists this hash or its ids, `repeated` if the hash has the last id twice.
 */
export interface Intent {
  readonly checksum?: string
  readonly registration?: string
  /** The thumbprint of the key that it is bound to (RFC 7638). */
  readonly jkt?: string
  readonly agents?: 'any' | 'stated' | 'repeated'
  readonly steps?: Intent['agents']
}

/** The agent types that a rule's list is compared with. */
export function typesOf({ type, types }: AgentIdentity): readonly string[] {
  return types ?? (type === undefined ? [] : [type])
}

/** The token's scopes that a request uses. */
export type Grant = readonly string[]

/** The methods of proof of possession, by the names that origins get. */
export const POSSESSIONS = ['bearer', 'dpop', 'mtls'] as const

export type Possession = (typeof POSSESSIONS)[number]

/** A verified proof that may be used once: its key, its id and its URL. */
export interface ProofUse {
  /** The thumbprint of its key (RFC 7638). */
  readonly jkt: string
  readonly jti: string
  readonly htu: string
  /** Whole seconds since the epoch, from which on no gate accepts it. */
  readonly expires: number
}
