import type { JWK } from 'jose'
import type { Possession } from './token.ts'

/** The `typ` of an assertion (RFC 8725 §3.11); a token with it is never accepted as an access token. */
export const ASSERTION_TYP = 'agent-assertion+jwt'

/** The name of the assertion's header, after the gate's identity prefix. */
export const ASSERTION_HEADER = 'assertion'

/** The scope of an assertion: any request, one method and URL, or also one body. */
export type AssertionBinding = 'identity' | 'request' | 'body'

/** Signature algorithms of assertions (RFC 7518 §3.4, RFC 8037 §3.1). */
export const ASSERTION_ALGORITHMS = ['ES256', 'EdDSA'] as const

export type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number]

/** Algorithms of all keys that the gate generates. Security events are signed with RS256. */
export const KEY_ALGORITHMS = [...ASSERTION_ALGORITHMS, 'RS256'] as const
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]

/** A private key of the operator's secret. Whether its private and public parts match is not checked. */
export interface OperatorKey {
  /** Its position in the secret, from 1. */
  readonly place: number
  readonly algorithm: AssertionAlgorithm
  readonly privateJwk: JWK
}

/** The settings of keys that sign. */
export interface KeyRule {
  /** The algorithm of generated keys. */
  readonly algorithm: KeyAlgorithm
  /** Private keys of the operator's secret; the first that is not withdrawn signs. Empty where keys are generated. */
  readonly operatorKeys: readonly OperatorKey[]
  /** Thumbprints (RFC 7638) of keys that no longer sign and are no longer published. */
  readonly withdrawn: readonly string[]
}

/** The settings for the assertions that origins get. */
export interface AssertionRule extends KeyRule {
  readonly binding: AssertionBinding
  readonly algorithm: AssertionAlgorithm
  /** For `body`: most bytes of a body that is buffered. */
  readonly maxBody: number
}

/** The actor (RFC 8693 §4.1); `act` in it is the actor before. */
export interface ActClaim {
  readonly sub: string
  readonly iss: string
  readonly act?: ActClaim
}

/**
 * The claims of an assertion about one request to one origin. It is valid for at most a minute. Times are seconds since
 * the epoch. Claims that RFC 7519, 8693, 9068 or 9449 register have the meaning given there.
 */
export interface AssertionClaims {
  /** The `resource` of the gate. */
  readonly iss: string
  /** The origin, as the policy spells it. */
  readonly aud: string
  readonly iat: number
  /** Never later than the `exp` of the token. */
  readonly exp: number
  readonly jti: string
  /** The agent: the value of `X-Agent-Id` before encoding; unique together with `agent_iss`. */
  readonly sub: string
  /** The issuer of the agent's token. */
  readonly agent_iss: string
  /** The `sub` of the token: the subject that the agent acts for. */
  readonly agent_sub?: string
  readonly client_id?: string
  /** `scope`: the scopes of the token. `grant`: those that this request uses. */
  readonly scope?: string
  readonly grant?: string
  readonly agent_type?: string
  readonly workflow_id?: string
  readonly workflow_step?: string
  readonly act?: ActClaim
  readonly token_jti?: string
  /**
   * Methods and path pattern of the rule, as the origin sees them: `GET,HEAD /v1/documents/{id}`. Parameters that the
   * rule's checks read have the request's value, with `*` as `%2A`. Only a `{+id}` value may contain an escaped slash.
   */
  readonly route: string
  readonly possession: Possession
  /** The method, and the URL without its query (RFC 9449 §4.2), as they are sent to the origin. */
  readonly htm?: string
  readonly htu?: string
  /** base64url SHA-256 of the query as sent, without `?`; absent where the query is absent or empty. */
  readonly htq?: string
  /** base64url SHA-256 of the body's bytes, or of no bytes where there is no body. */
  readonly bdh?: string
}
