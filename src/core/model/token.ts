import type { CryptoKey } from 'jose'
import type { JsonObject } from '../json.ts'
import type { Algorithm, Issuer } from './issuer.ts'

/**
 * The one token a request presents. Nothing in it is verified; only its header and the issuer it
 * claims can be read from here.
 */
export interface Credential {
  /** As it was sent. */
  readonly token: string
  /** The whole header that it was sent in: what it is remembered by. */
  readonly authorization: string
  /** Of that header, in its usual spelling: `Bearer`. */
  readonly scheme: string
  /** What was inside, where it was encrypted; all the rest is read from there. */
  readonly opened?: Opened
  readonly algorithm: Algorithm
  /** Lower-case, without `application/`; `absent` where there is none. */
  readonly type: string
  readonly kid?: string
  readonly claimedIssuer: string
}

/** What was inside an encrypted token. Whoever has the public key can have written it. */
export interface Opened {
  /** The entry whose key opened it. */
  readonly by: Issuer
  /** The compact JWS that was in it. */
  readonly signed: string
}

/** The compact JWS to verify: the token itself, or what was inside it. */
export function signedOf({ token, opened }: Credential): string {
  return opened?.signed ?? token
}

const sealed = new WeakMap<Credential, JsonObject>()

/** Lays aside what a credential's payload says: parsed once, read by nobody before it is verified. */
export function seal(credential: Credential, claims: JsonObject): void {
  sealed.set(credential, claims)
}

/** What was laid aside with {@link seal}; only for the stage that has verified the signature. */
export function unseal(credential: Credential): JsonObject | undefined {
  return sealed.get(credential)
}

/** A key of an issuer that fits one algorithm, ready to verify with. */
export interface VerificationKey {
  readonly key: CryptoKey
  readonly kid?: string
}

declare const verified: unique symbol

/** Claims whose signature was verified with a key of their issuer. Only `signature` makes one. */
export interface VerifiedToken {
  readonly [verified]: true
  readonly claims: JsonObject
  /** The entry whose key verified it. */
  readonly issuer: Issuer
  readonly key: VerificationKey
}

/** A verified token that is meant for this resource and lives now (RFC 9068 §2.2). */
export interface AccessToken {
  readonly claims: JsonObject
  readonly issuer: string
  /** The issuer's entry, by which the claims were read. */
  readonly entry: Issuer
  readonly subject?: string
  readonly clientId?: string
  readonly id?: string
  readonly kid?: string
  /** Seconds since the epoch. */
  readonly issuedAt: number
  readonly expires: number
  /** Scope tokens the gate counts, in the token's order. */
  readonly scopes: readonly string[]
}

/** Who acts (RFC 8693 §4.1); `issuer` is the namespace of `sub`. */
export interface Actor {
  readonly sub: string
  readonly issuer: string
}

/** Who is calling: unique only together with its issuer. */
export interface AgentIdentity {
  /** The issuer's own id for the agent, without prefix. */
  readonly id: string
  /** `agent_prefix` and id: what the origin is told. */
  readonly name: string
  readonly issuer: string
  readonly subject?: string
  readonly clientId?: string
  /** As the token has it; of several entity profiles all, with spaces between. */
  readonly type?: string
  /** Each of several. */
  readonly types?: readonly string[]
  readonly workflowId?: string
  /** Outermost (current) actor first; empty without `act`. */
  readonly actors: readonly Actor[]
}

/** What a rule for some types of agent is held against. */
export function typesOf({ type, types }: AgentIdentity): readonly string[] {
  return types ?? (type === undefined ? [] : [type])
}

/** The scopes of its token that a request uses. */
export type Grant = readonly string[]

/** How a token can be shown to belong to its sender, by the names that origins know. */
export const POSSESSIONS = ['bearer', 'dpop', 'mtls'] as const

export type Possession = (typeof POSSESSIONS)[number]
