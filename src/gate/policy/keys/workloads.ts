import {
  clientIn,
  ENTRA,
  forResource,
  HOUR,
  hasId,
  MINUTE,
  type Profile,
  paths,
  RFC9068,
} from './profile.ts'

/** Claims that every such token of a platform has. */
const SIGNED = ['iss', 'exp', 'aud', 'sub', 'iat']

/**
 * Defaults for tokens that a platform signs for the workloads that run on it. Such tokens are ID tokens by shape, for
 * one audience, without scopes: a claim called `scope` is not one.
 */
const WORKLOAD = {
  ...RFC9068,
  types: ['jwt'],
  requiredClaims: [...SIGNED, 'jti'],
  scope: [],
  maxLifetime: HOUR,
  workload: true,
} as const satisfies Profile

/**
 * Profiles of workloads by name, as `profile` of an issuer's table gives it: their tokens need no secret. All are from
 * documentation.
 */
export const WORKLOADS = {
  /** Jobs of GitHub Actions. `sub` may have names that somebody else can get. */
  'github-actions': {
    ...WORKLOAD,
    requiredClaims: [...SIGNED, 'jti', 'repository_id', 'repository_owner_id', 'run_id'],
    ...clientIn('workflow_ref'),
    agentId: paths('repository_id'),
    workflowId: paths('run_id'),
    maxLifetime: 15 * MINUTE,
    mark: /\/\/token\.actions\.(?:githubusercontent|[a-z0-9-]+\.ghe)\.com$/,
    slash: false,
    audienceHint: forResource(
      'In GitHub Actions, request the token for this resource: core.getIDToken(audience), or &audience= at the end of ACTIONS_ID_TOKEN_REQUEST_URL',
    ),
    shared: {
      issuers: ['https://token.actions.githubusercontent.com'],
      pins: paths('repository_owner_id', 'repository_id', 'enterprise_id'),
      strangers: 'a workflow of any GitHub account',
    },
  },
  /** Jobs of GitLab CI/CD. People who sign in with GitLab have tokens of the same issuer, without a pipeline. */
  gitlab: {
    ...WORKLOAD,
    requiredClaims: [...SIGNED, 'jti', 'namespace_id', 'pipeline_id', 'job_id'],
    ...clientIn('project_id'),
    workflowId: paths('pipeline_id'),
    mark: /\/\/gitlab\.com$/,
    slash: false,
    shorten:
      "a token of GitLab lives as long as the job's timeout: set timeout of the job to 15 minutes",
    audienceHint: forResource(
      "In .gitlab-ci.yml, write this resource as the one aud of the token in the job's id_tokens",
    ),
    shared: {
      issuers: ['https://gitlab.com'],
      pins: paths('namespace_id', 'project_id'),
      strangers: 'a pipeline of any account of GitLab.com',
    },
  },
  /**
   * Projected service account tokens. Tokens that are stored in Secrets never expire and have no claim `kubernetes.io`.
   */
  kubernetes: {
    ...WORKLOAD,
    types: ['absent', 'jwt'],
    requiredClaims: [...SIGNED, 'kubernetes.io'],
    claims: { sub: { pattern: 'system:serviceaccount:[^:]+:[^:]+' } },
    ...clientIn('/kubernetes.io/serviceaccount/uid'),
    agentId: paths('sub'),
    mark: /\/\/(?:oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|container\.googleapis\.com)$|\.oic\.[a-z0-9-]+\.azure\.com$/,
    shorten: 'set expirationSeconds of the projected serviceAccountToken to 900 (600 is the least)',
    identify: hasId('tokens of Kubernetes 1.32 and newer'),
    audienceHint: forResource(
      'In the pod, mount a projected serviceAccountToken whose audience is this resource; by hand: kubectl create token --audience',
    ),
    sample: {
      sub: 'system:serviceaccount:default:test',
      'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'test', uid: 'test' } },
    },
  },
  /** ID tokens of Google's service accounts. Tokens of people have an `email` of another domain. */
  gcp: {
    ...WORKLOAD,
    requiredClaims: [...SIGNED, 'azp', 'email', 'email_verified'],
    claims: {
      email: { pattern: '[^@]+@[a-z0-9.-]+\\.gserviceaccount\\.com' },
      email_verified: true,
    },
    ...clientIn('azp'),
    agentId: paths('sub'),
    mark: /\/\/accounts\.google\.com$/,
    slash: false,
    shorten: 'ID tokens of Google live an hour, whatever is asked for',
    identify: 'ID tokens of Google have none: revoke the agent',
    audienceHint: forResource(
      'Request the ID token for this resource: audience= at the metadata server, audience of generateIdToken, or print-identity-token --audiences of gcloud',
    ),
    sample: { email: 'test@project.iam.gserviceaccount.com' },
    shared: {
      issuers: ['https://accounts.google.com'],
      pins: paths('sub', 'google.compute_engine.project_number'),
      strangers: 'a service account of any Google Cloud project',
    },
  },
  /** Outbound identity federation of AWS IAM: each account has an issuer. Users and the root user are not workloads. */
  aws: {
    ...WORKLOAD,
    types: ['jwt', 'absent'],
    requiredClaims: [...SIGNED, 'jti', 'https://sts.amazonaws.com/'],
    claims: { sub: { pattern: 'arn:aws[a-z-]*:iam::\\d{12}:role/.+' } },
    ...clientIn('/https:~1~1sts.amazonaws.com~1/aws_account'),
    agentId: paths('sub'),
    algorithms: ['ES384', 'RS256'],
    mark: /\.tokens\.sts\.[a-z0-9.-]+\.aws$/,
    slash: false,
    shorten:
      'request them with --duration-seconds 900, or limit sts:DurationSeconds in the IAM policy',
    audienceHint: forResource(
      'Request the token for this resource: aws sts get-web-identity-token --audience',
    ),
    sample: {
      sub: 'arn:aws:iam::123456789012:role/test',
      'https://sts.amazonaws.com/': { aws_account: '123456789012' },
    },
  },
  /** Access tokens that Entra gives to an application or managed identity on its own. Others lack `idtyp`. */
  'azure-workload': {
    ...RFC9068,
    types: ['jwt'],
    requiredClaims: [...SIGNED, 'oid', 'tid', 'ver', 'idtyp'],
    claims: { idtyp: 'app' },
    ...clientIn('azp', 'appid'),
    agentId: paths('oid'),
    scope: paths('roles'),
    maxLifetime: 25 * HOUR,
    mark: ENTRA,
    slash: false,
    shorten:
      'tokens of managed identities live a day, whatever is set; for applications set a token lifetime policy',
    identify:
      'Entra has none (its uti names a token too, but is nothing to revoke by here): revoke the agent',
    audienceHint:
      "Request the token for the API's application in Entra: its application ID URI as resource= at the metadata server, or with /.default as scope. The operator knows this URI",
  },
  /** JWT-SVIDs (SPIFFE JWT-SVID §2, §3). The entry is the trust domain. */
  spiffe: {
    ...WORKLOAD,
    types: ['absent', 'jwt', 'jose'],
    requiredClaims: ['exp', 'aud', 'sub'],
    ...clientIn('sub'),
    algorithms: ['ES256', 'ES384', 'RS256', 'PS256'],
    maxLifetime: 15 * MINUTE,
    trustDomain: true,
    mark: /^spiffe:/,
    slash: false,
    identify: 'a JWT-SVID need not have it: keep default_jwt_svid_ttl short',
    audienceHint:
      'Request a JWT-SVID whose only audience is the one that this API accepts, by the option -audience of spire-agent. Unless the operator names another audience, it is the resource that the metadata names',
  },
} as const satisfies Record<string, Profile>
