import { claimPath } from '../../model/claims.ts'
import {
  clientIn,
  ENTRA,
  HOUR,
  hasId,
  MINUTE,
  type Profile,
  paths,
  RFC9068,
  type Shared,
} from './profile.ts'
import { WORKLOADS } from './workloads.ts'

export type { Profile, Shared } from './profile.ts'

/** Profiles by name, as `profile` of an issuer's table gives it. Each says where it differs from RFC 9068. */
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
    audienceParameter: 'audience',
    entityProfiles: true,
    maxLifetime: 24 * HOUR,
    mark: /\.auth0\.com$/,
    slash: true,
    shorten:
      'in Auth0, Applications > APIs > the API > Settings, set Maximum Access Token Lifetime (once called Token Expiration) to 900 seconds, and Implicit / Hybrid Flow Access Token Lifetime to no more',
    identify:
      'in Auth0, Applications > APIs > the API > Settings, choose RFC 9068 as JSON Web Token (JWT) Profile, whose tokens have it, then write it into required_claims',
  },
  /** Custom authorization servers of Okta. Access tokens of the Okta org itself are for Okta's own API. */
  okta: {
    ...RFC9068,
    types: ['absent'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'cid', 'iat', 'jti'],
    ...clientIn('cid'),
    scope: paths('scp'),
    maxLifetime: HOUR,
    mark: /\.(?:okta|oktapreview|okta-emea|okta-gov)\.com$/,
    slash: false,
    shorten:
      'in Okta, Security > API > Authorization Servers > the server > Access Policies, set "Access token lifetime is" in every rule to 15 minutes (5 is the least)',
    identify: hasId('tokens of Okta'),
  },
  /** Microsoft Entra ID, tokens of version 1.0 (`appid`) and 2.0 (`azp`). */
  entra: {
    ...RFC9068,
    types: ['jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'iat', 'tid', 'ver'],
    ...clientIn('azp', 'appid'),
    // Its scopes name the resource, and it refuses the parameter.
    audienceParameter: 'none',
    scope: paths('scp'),
    scopeElse: paths('roles'),
    maxLifetime: 90 * MINUTE,
    mark: ENTRA,
    slash: false,
    shorten:
      'in Entra, give the app registration of the API a token lifetime policy with AccessTokenLifetime "00:15:00" (10 minutes is the least; clients with continuous access evaluation get tokens of up to 28 hours all the same, which max_lifetime refuses)',
    identify:
      'Entra has none (its uti names a token too, but is nothing to revoke by here): keep lifetimes short',
  },
  /** The payload's `typ` says what a token of Keycloak is; all of them name a client. */
  keycloak: {
    ...RFC9068,
    types: ['jwt', 'at+jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'azp', 'iat', 'jti'],
    claims: { typ: ['Bearer', 'DPoP'] },
    ...clientIn('azp', 'client_id'),
    scopeElse: paths('realm_access.roles'),
    slash: false,
    shorten:
      "in Keycloak, Realm settings > Tokens, set Access Token Lifespan to 5 minutes, and look for a longer one in the clients' Advanced settings",
    identify: hasId('tokens of Keycloak'),
  },
  /** User pools of Amazon Cognito, whose access tokens have `aud` only where one was asked for. */
  cognito: {
    ...RFC9068,
    types: ['absent'],
    audienceClaim: 'client_id',
    requiredClaims: ['iss', 'exp', 'sub', 'client_id', 'token_use', 'iat', 'jti'],
    claims: { token_use: 'access' },
    ...clientIn('client_id'),
    sessionId: claimPath('origin_jti'),
    maxLifetime: HOUR,
    mark: /\/\/cognito-idp\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/,
    slash: false,
    shorten:
      'in Cognito, App clients > the client > Edit, set Access token expiration to 15 minutes (5 is the least), for each client in audiences',
    identify: hasId('tokens of Cognito'),
  },
  /** OAuth access tokens of Clerk, with `aud` only where `resource` was asked for. */
  clerk: {
    ...RFC9068,
    ...clientIn('client_id'),
    scope: paths('scope', 'scp'),
    maxLifetime: 24 * HOUR,
    mark: /\.clerk\.accounts\.dev$|\/\/clerk\./,
    slash: false,
    identify: hasId('OAuth access tokens of Clerk'),
  },
  /** WorkOS Connect. Session tokens of AuthKit have neither audience nor client. */
  workos: {
    ...RFC9068,
    ...clientIn('client_id'),
    types: ['absent', 'at+jwt'],
    maxLifetime: HOUR,
    mark: /\.authkit\.app$/,
    slash: false,
    identify: hasId('access tokens of WorkOS Connect'),
  },
  /** Connected Apps of Stytch. Session tokens have the same audience, and no client. */
  stytch: {
    ...RFC9068,
    ...clientIn('client_id'),
    types: ['jwt', 'at+jwt', 'absent'],
    maxLifetime: HOUR,
    mark: /\.customers\.stytch\.(?:com|dev)$/,
    slash: false,
    identify: hasId("access tokens of Stytch's Connected Apps"),
  },
  /**
   * Agentic JWT (its draft, version -00). A token may also have a top-level claim that names the workflow: it must
   * agree with the intent.
   */
  'agentic-jwt': {
    ...RFC9068,
    types: ['jwt', 'at+jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'iat', 'jti'],
    agentId: paths('sub'),
    workflowId: paths('intent.workflow_id', 'workflow_id'),
    maxLifetime: 10 * MINUTE,
    agentic: true,
  },
  /** Issuers that follow RFC 7519 only. */
  generic: {
    ...RFC9068,
    types: ['at+jwt', 'jwt'],
    requiredClaims: ['iss', 'exp', 'aud', 'iat'],
    agentId: paths('client_id', 'azp', 'sub'),
    scope: paths('scope', 'scp'),
  },
  ...WORKLOADS,
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof PROFILES

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[]

/** What an issuer shares with strangers, whichever profile its entry names. */
export function sharedOf(iss: string): Shared | undefined {
  const rows: readonly Profile[] = Object.values(PROFILES)
  return rows.find(({ shared }) => shared?.issuers.includes(iss))?.shared
}

/** The lifetime above which an issuer is named in a warning, in seconds. */
export const LONG_LIFETIME = 15 * MINUTE
