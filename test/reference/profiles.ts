/** What each profile of an issuer fills in: the table of docs/issuers.md, "Profiles". */

/** How access tokens differ from ID tokens, beside the client id: a claim that must have a value. */
export type Distinction = { claim: string; values: unknown[] } | { claim: string; pattern: string }

/** What a profile says about the tokens of an issuer. */
export interface Profile {
  /** Header types in lower case; `absent` is a token without a type. */
  typ: string[]
  agentId: string[]
  /** Whether the types are entity profiles (`sub_profile`). */
  entityProfiles: boolean
  clientId: string[]
  /** Whether a token without a client id is refused. */
  clientRequired: boolean
  /** Claims with scopes: all present ones together. */
  scope: string[]
  /** Claims that are read only if none of `scope` is present. */
  scopeOtherwise: string[]
  required: string[]
  /** Longest lifetime, in seconds. */
  lifetime: number
  distinctions: Distinction[]
  /** Default algorithms, if they differ from those of other issuers. */
  algorithms?: string[]
  workflow: string[]
  session: string
  /** Whether `aud` must be one value. */
  oneAudience: boolean
  /** Whether `audiences` of the issuer and the rule have an effect. */
  readsAudiences: boolean
  /** Whether `iat` may be missing. */
  iatMayBeMissing: boolean
  /** The value of a key's `use`. */
  keyUse: 'sig' | 'jwt-svid'
}

const MINUTE = 60
const HOUR = 3600
const FULL = ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti']

const DEFAULTS: Profile = {
  typ: ['at+jwt'],
  agentId: ['client_id'],
  entityProfiles: false,
  clientId: ['client_id'],
  clientRequired: true,
  scope: ['scope'],
  scopeOtherwise: [],
  required: FULL,
  lifetime: 15 * MINUTE,
  distinctions: [],
  workflow: ['workflow_id'],
  session: 'sid',
  oneAudience: false,
  readsAudiences: true,
  iatMayBeMissing: false,
  keyUse: 'sig',
}

/** Profiles whose tokens need no client id. */
const OTHERWISE_KNOWN = { clientId: ['client_id', 'azp'], clientRequired: false }

/** What the profiles of workloads have in common, except `azure-workload`. */
const WORKLOAD: Profile = {
  ...DEFAULTS,
  typ: ['jwt'],
  scope: [],
  oneAudience: true,
  readsAudiences: false,
}

/** All profiles, by name. */
export const PROFILES: Record<string, Profile> = {
  rfc9068: { ...DEFAULTS, ...OTHERWISE_KNOWN },
  actor: {
    ...DEFAULTS,
    agentId: ['act.sub', 'client_id'],
    entityProfiles: true,
    ...OTHERWISE_KNOWN,
  },
  auth0: {
    ...DEFAULTS,
    typ: ['jwt', 'at+jwt'],
    agentId: ['azp', 'client_id'],
    entityProfiles: true,
    clientId: ['azp', 'client_id'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat'],
    lifetime: 24 * HOUR,
  },
  okta: {
    ...DEFAULTS,
    typ: ['absent'],
    agentId: ['cid'],
    clientId: ['cid'],
    scope: ['scp'],
    required: ['iss', 'exp', 'aud', 'sub', 'cid', 'iat', 'jti'],
    lifetime: HOUR,
  },
  entra: {
    ...DEFAULTS,
    typ: ['jwt'],
    agentId: ['azp', 'appid'],
    clientId: ['azp', 'appid'],
    scope: ['scp'],
    scopeOtherwise: ['roles'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'tid', 'ver'],
    lifetime: 90 * MINUTE,
  },
  keycloak: {
    ...DEFAULTS,
    typ: ['jwt', 'at+jwt'],
    agentId: ['azp', 'client_id'],
    clientId: ['azp', 'client_id'],
    scopeOtherwise: ['realm_access.roles'],
    required: ['iss', 'exp', 'aud', 'sub', 'azp', 'iat', 'jti'],
    distinctions: [{ claim: 'typ', values: ['Bearer', 'DPoP'] }],
  },
  cognito: {
    ...DEFAULTS,
    typ: ['absent'],
    required: ['iss', 'exp', 'sub', 'client_id', 'token_use', 'iat', 'jti'],
    lifetime: HOUR,
    distinctions: [{ claim: 'token_use', values: ['access'] }],
    session: 'origin_jti',
  },
  clerk: {
    ...DEFAULTS,
    scope: ['scope', 'scp'],
    lifetime: 24 * HOUR,
  },
  workos: {
    ...DEFAULTS,
    typ: ['absent', 'at+jwt'],
    lifetime: HOUR,
  },
  stytch: {
    ...DEFAULTS,
    typ: ['jwt', 'at+jwt', 'absent'],
    lifetime: HOUR,
  },
  // `intent` and `agent_proof` distinguish its tokens; the stage `agentic_jwt` checks them.
  'agentic-jwt': {
    ...DEFAULTS,
    typ: ['jwt', 'at+jwt'],
    agentId: ['sub'],
    ...OTHERWISE_KNOWN,
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'jti'],
    lifetime: 10 * MINUTE,
    workflow: ['workflow_id', 'intent.workflow_id'],
  },
  generic: {
    ...DEFAULTS,
    typ: ['at+jwt', 'jwt'],
    agentId: ['client_id', 'azp', 'sub'],
    ...OTHERWISE_KNOWN,
    scope: ['scope', 'scp'],
    required: ['iss', 'exp', 'aud', 'iat'],
  },
  'github-actions': {
    ...WORKLOAD,
    agentId: ['repository_id'],
    clientId: ['workflow_ref'],
    required: [
      ...['iss', 'exp', 'aud', 'sub', 'iat', 'jti'],
      ...['repository_id', 'repository_owner_id', 'run_id'],
    ],
    workflow: ['run_id'],
  },
  gitlab: {
    ...WORKLOAD,
    agentId: ['project_id'],
    clientId: ['project_id'],
    required: [
      ...['iss', 'exp', 'aud', 'sub', 'iat', 'jti'],
      ...['namespace_id', 'pipeline_id', 'job_id'],
    ],
    lifetime: HOUR,
    workflow: ['pipeline_id'],
  },
  kubernetes: {
    ...WORKLOAD,
    typ: ['absent', 'jwt'],
    agentId: ['sub'],
    clientId: ['/kubernetes.io/serviceaccount/uid'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'kubernetes.io'],
    lifetime: HOUR,
    distinctions: [{ claim: 'sub', pattern: 'system:serviceaccount:[^:]+:[^:]+' }],
  },
  gcp: {
    ...WORKLOAD,
    agentId: ['sub'],
    clientId: ['azp'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'azp', 'email', 'email_verified'],
    lifetime: HOUR,
    distinctions: [
      { claim: 'email', pattern: '[^@]+@[a-z0-9.-]+\\.gserviceaccount\\.com' },
      { claim: 'email_verified', values: [true] },
    ],
  },
  aws: {
    ...WORKLOAD,
    typ: ['jwt', 'absent'],
    agentId: ['sub'],
    clientId: ['/https:~1~1sts.amazonaws.com~1/aws_account'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'jti', 'https://sts.amazonaws.com/'],
    lifetime: HOUR,
    distinctions: [{ claim: 'sub', pattern: 'arn:aws[a-z-]*:iam::\\d{12}:role/.+' }],
    algorithms: ['ES384', 'RS256'],
  },
  'azure-workload': {
    ...DEFAULTS,
    typ: ['jwt'],
    agentId: ['oid'],
    clientId: ['azp', 'appid'],
    scope: ['roles'],
    required: ['iss', 'exp', 'aud', 'sub', 'iat', 'oid', 'tid', 'ver', 'idtyp'],
    lifetime: 25 * HOUR,
    distinctions: [{ claim: 'idtyp', values: ['app'] }],
  },
  spiffe: {
    ...WORKLOAD,
    typ: ['absent', 'jwt', 'jose'],
    agentId: ['sub'],
    clientId: ['sub'],
    required: ['exp', 'aud', 'sub'],
    algorithms: ['ES256', 'ES384', 'RS256', 'PS256'],
    readsAudiences: true,
    iatMayBeMissing: true,
    keyUse: 'jwt-svid',
  },
}
