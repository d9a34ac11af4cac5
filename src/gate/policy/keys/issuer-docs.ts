import type { ComparedDocs } from '../reading/table.ts'
import { AGENTIC_DOCS } from './agentic.ts'
import { DELEGATION_DOCS } from './delegation.ts'
import type { ISSUER_KEYS } from './issuer-keys.ts'
import { KEY_TIMES_DOCS } from './keys.ts'

export const ISSUER_DOCS: ComparedDocs<typeof ISSUER_KEYS> = {
  issuer: {
    description:
      "The `iss` of this issuer's tokens, compared exactly. With profile `spiffe` the [trust domain](issuers.md#spiffe), `spiffe://NAME`.",
    example: 'https://auth.acme.example',
    compare: 'elsewhere',
  },
  jwks_uri: {
    description:
      "Address of the issuer's keys. Without it the gate reads the RFC 8414 metadata, then OpenID discovery; the document's `issuer` must equal this one.",
    unset: 'discovered',
    example: 'https://auth.acme.example/jwks',
    compare: 'opaque',
  },
  jwks: {
    description:
      'The public keys themselves, as a JWK set. Nothing is fetched then; beside `jwks_uri` it is a mistake.',
    example: {
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
    },
    compare: 'accepts',
  },
  jwks_cache: {
    description:
      'How long fetched keys are used: [its keys](configuration/issuers.md#keys-of-jwks_cache).',
    default: { max_fresh: '1h', stale_if_error: '24h', cooldown: '30s' },
    example: { max_fresh: '10m' },
    compare: KEY_TIMES_DOCS,
  },
  audiences: {
    description:
      'Accepted values of `aud`; a token needs one of them. With profile `cognito` they are required, and compared with `client_id`. With a profile of [workloads](issuers.md#workloads) other than `spiffe` they are a mistake. For a rule with `mcp` they must [include its resource](mcp.md#the-resource).',
    unset: "the rule's `resource`",
    example: ['https://api.example.com'],
    compare: 'elsewhere',
  },
  algorithms: {
    description:
      'Accepted algorithms: ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, Ed25519 (also written `EdDSA`), ML-DSA-44, ML-DSA-65, ML-DSA-87. `none` and HMAC are mistakes.',
    unset:
      '`["ES256", "RS256", "PS256", "Ed25519"]`; with `aws` and `spiffe` those of their platforms',
    example: ['ES256'],
    compare: 'algorithms',
  },
  typ: {
    description:
      'Accepted header types. Case and a leading `application/` do not matter. `"absent"` means a token without a type.',
    unset: 'by profile',
    example: ['at+jwt'],
    compare: 'accepts',
  },
  max_lifetime: {
    description:
      'Longest accepted lifetime of a token, `exp` - `iat`. The [profiles](issuers.md#profiles) have 15m to 24h.',
    unset: 'by profile',
    example: '15m',
    compare: 'elsewhere',
  },
  profile: {
    description:
      'What this issuer\'s tokens look like: one of [these](issuers.md#profiles). It sets the defaults that are marked "by profile".',
    default: 'rfc9068',
    example: 'okta',
    compare: 'opaque',
  },
  ...AGENTIC_DOCS,
  required_claims: {
    description:
      "Names of claims that a token must have. The list replaces the profile's; `exp` must be there with every profile, and `iat` with all but `spiffe`.",
    unset: 'by profile',
    example: ['sub', 'jti'],
    compare: 'requires',
  },
  claims: {
    description:
      "Claim path → what the claim must be: a value, a list of values, or a table with [its keys](configuration/issuers.md#keys-of-claims). They apply in addition to the profile's.",
    example: { tenant: 'acme' },
    compare: 'elsewhere',
  },
  agent_id: {
    description:
      "Claim path of the agent's id, or a list of claim paths: the first present one is used.",
    unset: 'by profile',
    example: ['act.sub', 'azp'],
    compare: 'opaque',
  },
  agent_prefix: {
    description:
      'Text before this issuer\'s agent ids. With several issuers no prefix may begin another. `""` begins all prefixes, so write `"acme/"` and `"beta/"`, or set [`GATE.shared_ids`](configuration/gate.md#keys-of-gate).',
    default: '',
    example: 'acme/',
    compare: 'opaque',
  },
  agent_type: {
    description:
      "Claim path of the agent's [type](configuration/delegation.md#agent-types). Beside `entity_profiles` it is a mistake.",
    default: 'agent_type',
    example: 'agent.kind',
    compare: 'opaque',
  },
  entity_profiles: {
    description:
      "Reads the agent's [types](configuration/delegation.md#agent-types) from its entity profiles (`sub_profile`), in place of `agent_type`.",
    unset: '`false`; `true` with `actor` and `auth0` unless `agent_type` is written',
    example: true,
    compare: 'opaque',
  },
  workflow_id: {
    description:
      "Claim path of the [workflow's](configuration/delegation.md#workflows) id, or a list of claim paths: the first present one is used. All present ones must be equal.",
    unset: '`"workflow_id"`; `"run_id"` with `github-actions`, `"pipeline_id"` with `gitlab`',
    example: ['workflow_id', 'intent.workflow_id'],
    compare: 'opaque',
  },
  session_id: {
    description:
      'Claim path of the session to which the token belongs. A [revocation](revocation.md) of kind `session` covers the tokens of the session.',
    unset: '`"sid"`; `"origin_jti"` with `cognito`',
    example: 'session_id',
    compare: 'opaque',
  },
  scope: {
    description:
      "Claim path of the token's scopes, or a list: the scopes of all present claims together. A claim is a string of scopes, or an array with one scope in each member.",
    unset: 'by profile',
    example: ['scope', 'permissions'],
    compare: 'opaque',
  },
  scopes_from: {
    description:
      'Where the scopes of its tokens come from: `"token"`, what the token says; `"grants"`, the [grants](grants.md) of the policy, whatever the token says; `"both"`.',
    default: 'token',
    example: 'grants',
    compare: ['token', 'both'],
  },
  admin: {
    description:
      'Whether this issuer\'s `edgewarden:` scopes are accepted: `"own"`, for what belongs to this issuer; `"all"`, for every issuer. Otherwise they are ignored.',
    default: false,
    example: 'own',
    compare: [false, 'own', 'all'],
  },
  rules: {
    description:
      "Whether rules accept this issuer's tokens. With `false` only the gate's own endpoints accept them, and need `admin`. This is for [an operator's key](revocation.md#an-operator-key). Origins then never see its agents, so `agent_prefix` may be left out. With `\"named\"` only rules whose `issuers` name it accept them: for the [canaries of a drill](drill.md).",
    default: true,
    example: false,
    compare: 'elsewhere',
  },
  operator: {
    description:
      "The person who has this issuer's key: everything that the key does is shown under this name. Only for [an operator's key](revocation.md#an-operator-key), so it needs `jwks` and `rules = false`. The token itself cannot say who it is: whoever has the key can write any name into it.",
    example: 'maria',
    compare: 'neutral',
  },
  person: {
    description:
      'People of this issuer [sign in at the console](console.md#sign-in-as-a-person): [its keys](configuration/issuers.md#keys-of-person). It needs `admin` and [`GATE.console`](console.md), and is a mistake beside `jwks`.',
    example: { client_id: 'edgewarden-console' },
    compare: 'opaque',
  },
  events: {
    description:
      'Who sends [security events](events.md) about subjects of this issuer: [a list of transmitters](configuration/issuers.md#keys-of-events).',
    example: [
      {
        issuer: 'https://idp.acme.example',
        audience: 'https://api.example.com',
        authorization: 'IDP_EVENTS',
        jwks_uri: 'https://idp.acme.example/keys',
        accept: ['account-disabled', 'account-enabled'],
      },
    ],
    compare: 'opaque',
  },
  possession: {
    description:
      'Which tokens of this issuer are accepted. `"if-bound"`: a token with `cnf` needs its [proof](possession.md), a token without `cnf` needs none; `"required"`: only tokens with `cnf`.',
    default: 'if-bound',
    example: 'required',
    compare: 'restriction',
  },
  agents: {
    description:
      "Which of this issuer's agents are accepted: as in [GATE](configuration/gate.md#keys-of-gate), which it can only narrow.",
    default: 'any',
    example: 'approved',
    compare: 'restriction',
  },
  decrypt: {
    description:
      "How the gate opens this issuer's encrypted tokens: [its keys](configuration/issuers.md#keys-of-decrypt). Without it they are refused.",
    example: { secret: 'ACME_DECRYPT' },
    compare: 'permission',
  },
  delegation: {
    description:
      'Limits on the `act` claim: [its keys](configuration/delegation.md#keys-of-delegation).',
    default: { max_depth: 3 },
    example: { require_actor: true },
    compare: DELEGATION_DOCS,
  },
  allow_insecure_http: {
    description:
      'Allows http URLs for this issuer. It is a mistake unless the issuer is on a loopback host.',
    default: false,
    example: true,
    compare: 'flag',
  },
}
