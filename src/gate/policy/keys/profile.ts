import type { JsonObject } from '../../base/json.ts'
import { type ClaimExpectation, type ClaimPath, claimPath } from '../../model/claims.ts'
import type { Algorithm, AudienceClaim, SignIn } from '../../model/issuer.ts'

/** Issuers that sign for everybody with an account there, whatever audience is asked for. */
export interface Shared {
  /** Each exactly as `iss` has it; not an operator's own installation. */
  readonly issuers: readonly string[]
  /** Claims with an id of the owner that nobody else can ever get. One of them pins an owner. */
  readonly pins: readonly ClaimPath[]
  /** Who gets such a token, in words: `a workflow of any GitHub account`. */
  readonly strangers: string
}

/** What an issuer's tokens look like where its entry does not say otherwise. */
export interface Profile {
  readonly types: readonly string[]
  readonly audienceClaim: AudienceClaim
  readonly requiredClaims: readonly string[]
  /** As in an issuer's entry; they apply in addition to the entry's own. */
  readonly claims: Readonly<Record<string, ClaimExpectation>>
  readonly agentId: readonly ClaimPath[]
  readonly clientId: readonly ClaimPath[]
  /** Whether a token that names no client is refused: ID tokens of most issuers name none. */
  readonly clientRequired: boolean
  /** Whether agents' types are their entity profiles unless the entry names a claim. */
  readonly entityProfiles?: boolean
  /** Whether every actor in `act` must name its issuer, whatever the entry says. */
  readonly actorIssuer?: boolean
  readonly scope: readonly ClaimPath[]
  /**
   * Claims that are read if the token has none of `scope`: roles. In a token with scopes, roles say what the user
   * may do, and the agent must not be able to do all of that.
   */
  readonly scopeElse: readonly ClaimPath[]
  readonly workflowId?: readonly ClaimPath[]
  readonly sessionId?: ClaimPath
  readonly algorithms?: readonly Algorithm[]
  /** As in the sign-in that is made of it; `resource` (RFC 8707 §2) where it is absent. */
  readonly audienceParameter?: SignIn['audienceParameter']
  /** Seconds. */
  readonly maxLifetime: number
  /** Whether its tokens are Agentic JWTs. */
  readonly agentic?: true
  /** As in the issuer that is made of it. */
  readonly workload?: true
  readonly trustDomain?: true
  /** Matches scheme and host of its issuers, and of no others. */
  readonly mark?: RegExp
  /** Whether `iss` ends in a slash in its tokens, where that is known. */
  readonly slash?: boolean
  /** How to shorten its tokens' lifetime and how to add `jti`, in the words of its own console. */
  readonly shorten?: string
  readonly identify?: string
  /** How to request a token with another audience, in the words of the platform: the `hint` of a refusal. */
  readonly audienceHint?: string
  /** Claims of such a token that cannot have a made-up value. */
  readonly sample?: JsonObject
  /** Where some issuers of the profile sign for everybody: the policy must then pin an owner. */
  readonly shared?: Shared
}

/** Claim paths, as they are written in a policy. */
export function paths(...names: readonly string[]): readonly ClaimPath[] {
  return names.map(claimPath)
}

export const MINUTE = 60
export const HOUR = 60 * MINUTE

/** RFC 9068 §2.1, §2.2. */
export const RFC9068 = {
  types: ['at+jwt'],
  audienceClaim: 'aud',
  requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
  claims: {},
  agentId: paths('client_id'),
  clientId: paths('client_id', 'azp'),
  clientRequired: false,
  scope: paths('scope'),
  scopeElse: [],
  maxLifetime: 15 * MINUTE,
} as const satisfies Profile

/** An agent is the client that these claims name, and every access token names one. */
export function clientIn(...names: readonly string[]) {
  return { agentId: paths(...names), clientId: paths(...names), clientRequired: true }
}

/** Hosts of Microsoft Entra ID. */
export const ENTRA =
  /\/\/(?:login\.microsoftonline\.(?:com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)$|\.ciamlogin\.com$/

/** The hint to a workload whose token is for another resource. */
export function forResource(how: string): string {
  return `${how}; the metadata names this resource`
}

/** For issuers whose tokens already have `jti`. */
export function hasId(tokens: string): string {
  return `${tokens} have it: write it into required_claims`
}
