import { type ClaimPath, claimPath } from '../core/model/claims.ts'
import type { AudienceClaim } from '../core/model/issuer.ts'

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
  /** As in an issuer's entry; they hold beside the entry's own. */
  readonly claims: Readonly<Record<string, string | readonly string[]>>
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
   * What is read where none of `scope` is there. Roles: beside scopes they are the user's, and an
   * agent must not have all that its user may do.
   */
  readonly scopeElse: readonly ClaimPath[]
  /** Seconds. */
  readonly maxLifetime: number
  /** Where some issuers of the profile sign for everybody: the policy must then pin an owner. */
  readonly shared?: Shared
}

const paths = (...names: readonly string[]) => names.map(claimPath)

const MINUTE = 60
const HOUR = 60 * MINUTE

/** RFC 9068 §2.1, §2.2. */
const RFC9068 = {
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
const clientIn = (...names: readonly string[]) => ({
  agentId: paths(...names),
  clientId: paths(...names),
  clientRequired: true,
})

/** By the name an issuer's entry gives. Each says where it differs from RFC 9068. */
export const PROFILES = {
  rfc9068: RFC9068,
  /** RFC 9068 with draft-mcguinness-oauth-actor-profile: who acts is in `act`, or is the client. */
  actor: {
    ...RFC9068,
    agentId: paths('act.sub', 'client_id'),
    entityProfiles: true,
    actorIssuer: true,
  },
  /** Both dialects of an Auth0 API: its own (`jwt`, `azp`) and RFC 9068 (`at+jwt`, `client_id`). */
  auth0: {
    ...RFC9068,
    types: ['jwt', 'at+jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'iat'],
    ...clientIn('azp', 'client_id'),
    entityProfiles: true,
    maxLifetime: 24 * HOUR,
  },
  /** Custom authorization servers of Okta. Those of the org are for Okta's own API. */
  okta: {
    ...RFC9068,
    types: ['absent'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'cid', 'iat', 'jti'],
    ...clientIn('cid'),
    scope: paths('scp'),
    maxLifetime: HOUR,
  },
  /** Microsoft Entra ID, tokens of version 1.0 (`appid`) and 2.0 (`azp`). */
  entra: {
    ...RFC9068,
    types: ['jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'iat', 'tid', 'ver'],
    ...clientIn('azp', 'appid'),
    scope: paths('scp'),
    scopeElse: paths('roles'),
    maxLifetime: 90 * MINUTE,
  },
  /** The payload's `typ` says what a token of Keycloak is; all of them name a client. */
  keycloak: {
    ...RFC9068,
    types: ['jwt', 'at+jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'azp', 'iat', 'jti'],
    claims: { typ: ['Bearer', 'DPoP'] },
    ...clientIn('azp', 'client_id'),
    scopeElse: paths('realm_access.roles'),
  },
  /** User pools of Amazon Cognito, whose access tokens have `aud` only where one was asked for. */
  cognito: {
    ...RFC9068,
    types: ['absent'],
    audienceClaim: 'client_id',
    requiredClaims: ['iss', 'exp', 'sub', 'client_id', 'token_use', 'iat', 'jti'],
    claims: { token_use: 'access' },
    ...clientIn('client_id'),
    maxLifetime: HOUR,
  },
  /** OAuth access tokens of Clerk, with `aud` only where `resource` was asked for. */
  clerk: {
    ...RFC9068,
    ...clientIn('client_id'),
    scope: paths('scope', 'scp'),
    maxLifetime: 24 * HOUR,
  },
  /** WorkOS Connect. Session tokens of AuthKit have neither audience nor client. */
  workos: {
    ...RFC9068,
    ...clientIn('client_id'),
    types: ['absent', 'at+jwt'],
    maxLifetime: HOUR,
  },
  /** Connected Apps of Stytch. Session tokens have the same audience, and no client. */
  stytch: {
    ...RFC9068,
    ...clientIn('client_id'),
    types: ['jwt', 'at+jwt', 'absent'],
    maxLifetime: HOUR,
  },
  /** Issuers that follow RFC 7519 only. */
  generic: {
    ...RFC9068,
    types: ['at+jwt', 'jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'iat'],
    agentId: paths('client_id', 'azp', 'sub'),
    scope: paths('scope', 'scp'),
  },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof PROFILES

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[]

/** For the row of `github-actions`; with that row only its own `shared` names it. */
export const GITHUB: Shared = {
  issuers: ['https://token.actions.githubusercontent.com'],
  pins: paths('repository_owner_id', 'repository_id', 'enterprise_id'),
  strangers: 'a workflow of any GitHub account',
}

/** What an issuer shares with strangers, whichever profile its entry names. */
export function sharedOf(iss: string): Shared | undefined {
  const rows: readonly Profile[] = Object.values(PROFILES)
  return [GITHUB, ...rows.flatMap(({ shared }) => shared ?? [])].find(({ issuers }) =>
    issuers.includes(iss),
  )
}

/** The lifetime above which an issuer is named in a warning, in seconds. */
export const LONG_LIFETIME = 15 * MINUTE
