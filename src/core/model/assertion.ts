import type { JWK } from 'jose'
import type { Possession } from './token.ts'

/** The `typ` of an assertion (RFC 8725 §3.11): no access token has it, and none may. */
export const ASSERTION_TYP = 'agent-assertion+jwt'

/** The header an origin finds it in, after the gate's identity prefix. */
export const ASSERTION_HEADER = 'assertion'

/** What an assertion is bound to: nothing, one request's method and URL, or its body as well. */
export type AssertionBinding = 'identity' | 'request' | 'body'

/** What assertions are signed by (RFC 7518 §3.4, RFC 8037 §3.1). */
export const ASSERTION_ALGORITHMS = ['ES256', 'EdDSA'] as const

export type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number]

/** A private key of the operator's secret. Whether its halves belong together is not known. */
export interface OperatorKey {
  /** In the secret, from 1. */
  readonly place: number
  readonly algorithm: AssertionAlgorithm
  readonly privateJwk: JWK
}

/** How the origins of a gate are told who is calling. */
export interface AssertionRule {
  readonly binding: AssertionBinding
  /** Of keys that are made. */
  readonly algorithm: AssertionAlgorithm
  /** Bytes of a body that is held, for `body`. */
  readonly maxBody: number
  /** Private keys of the operator's secret, of which the first that is not withdrawn signs; empty where keys are made. */
  readonly operatorKeys: readonly OperatorKey[]
  /** Thumbprints (RFC 7638) of keys that neither sign nor are published, from now on. */
  readonly withdrawn: readonly string[]
}

/** Who acts, in whose name (RFC 8693 §4.1): the outermost actor, and in it those before. */
export interface ActClaim {
  readonly sub: string
  readonly iss: string
  readonly act?: ActClaim
}

/**
 * What the gate says of a request to one origin, for a minute at most. Times are seconds since the
 * epoch. Claims that RFC 7519, 8693, 9068 or 9449 register mean what they mean there.
 */
export interface AssertionClaims {
  /** `resource` of the gate. */
  readonly iss: string
  /** The origin, as the policy writes it. */
  readonly aud: string
  readonly iat: number
  /** Never later than the token's. */
  readonly exp: number
  readonly jti: string
  /** The agent, as `X-Agent-Id` has it before encoding; unique together with `agent_iss`. */
  readonly sub: string
  /** Who issued the agent's token. */
  readonly agent_iss: string
  /** The token's `sub`: on whose behalf the agent acts. */
  readonly agent_sub?: string
  readonly client_id?: string
  /** Scopes of the token, and those among them that this request uses. */
  readonly scope?: string
  readonly grant?: string
  readonly agent_type?: string
  readonly workflow_id?: string
  readonly act?: ActClaim
  readonly token_jti?: string
  /**
   * Methods and path pattern of the rule, as the origin sees them: `GET,HEAD /v1/documents/{id}`. Parameters that
   * the rule judges by have the value of the request, with `*` written `%2A`; only one written `{+id}` may hold an
   * escaped slash.
   */
  readonly route: string
  readonly possession: Possession
  /** Method and URL without its query (RFC 9449 §4.2), as they are sent to the origin. */
  readonly htm?: string
  readonly htu?: string
  /** base64url SHA-256 of the query as it is sent, without its `?`; absent where there is none, or an empty one. */
  readonly htq?: string
  /** base64url SHA-256 of the body's bytes; of none where there is no body. */
  readonly bdh?: string
}
