import type { JsonObject } from '../base/json.ts'
import type { Algorithm } from './issuer.ts'

/**
 * The one token a request presents. Nothing in it is verified; only its header and the issuer it
 * claims can be read from here.
 */
export interface Credential {
  readonly token: string
  readonly algorithm: Algorithm
  /** Lower-case, without `application/`; `absent` where there is none. */
  readonly type: string
  readonly kid?: string
  readonly claimedIssuer: string
}

declare const verified: unique symbol

/** Claims whose signature was verified with a key of their issuer. Only `signature` makes one. */
export interface VerifiedToken {
  readonly [verified]: true
  readonly token: string
  readonly claims: JsonObject
  readonly kid?: string
}

/** A verified token that is meant for this resource and lives now (RFC 9068 §2.2). */
export interface AccessToken {
  readonly claims: JsonObject
  readonly issuer: string
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
  readonly type?: string
  readonly workflowId?: string
  /** Outermost (current) actor first; empty without `act`. */
  readonly actors: readonly Actor[]
}

/** The scopes of its token that a request uses. */
export type Grant = readonly string[]

/** How the token was shown to belong to its sender. */
export type Possession = 'bearer'

/** What is asked of the resource. */
export interface Operation {
  readonly kind: 'http'
  readonly method: string
}
