import type { ComparedDocs } from '../reading/table.ts'
import { RULE_APPROVAL } from './approval.ts'
import { CREDENTIAL_DOCS } from './credential.ts'
import { DELEGATION_DOCS } from './delegation.ts'
import { RULE_IN_FLIGHT } from './limit.ts'
import type { ROUTE_KEYS } from './route-keys.ts'

const AS_IN_GATE = 'As in [GATE](configuration/gate.md#keys-of-gate).'

export const ROUTE_DOCS: ComparedDocs<typeof ROUTE_KEYS> = {
  match: {
    description:
      'Methods and [path](configuration/paths.md): one method, several with commas, or `*` for GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS. GET includes HEAD.',
    example: 'GET /v1/models/{model}',
    compare: 'elsewhere',
  },
  host: {
    description: 'Limits the rule to requests for this host: lower-case, without port.',
    unset: 'any of `hosts`',
    example: 'api.example.com',
    compare: 'elsewhere',
  },
  resource: {
    description: 'Identifier and audience of this rule, for a second API or host.',
    unset: "GATE's",
    example: 'https://files.example.com',
    compare: 'secured',
  },
  scopes: {
    description:
      'Scopes that the token needs: a list (all are needed), or a table with [its keys](configuration/routes.md#keys-of-scopes). `{name}` takes a path parameter; `[]` accepts any valid token.',
    unset: 'required unless public',
    example: ['documents:read:{id}'],
    compare: 'elsewhere',
  },
  access: {
    description:
      '`"public"` reads no token, but still removes headers. `"optional"` also accepts a request without `Authorization`, and forwards it without an identity; a request with `Authorization` must have an accepted token.',
    default: 'required',
    example: 'public',
    compare: 'elsewhere',
  },
  issuers: {
    description: 'Names of the issuers whose tokens the rule accepts.',
    unset: 'all',
    example: ['acme'],
    compare: 'elsewhere',
  },
  claims: {
    description:
      'What claims must be, [as with an issuer](configuration/issuers.md#keys-of-claims). Both apply.',
    example: { tenant: 'acme' },
    compare: 'elsewhere',
  },
  audiences: {
    description: "Accepted values of `aud`, in place of the issuer's.",
    unset: 'from `resource`',
    example: ['api://documents'],
    compare: 'elsewhere',
  },
  max_lifetime: {
    description: "Longest accepted lifetime of a token. It can only be shorter than the issuer's.",
    unset: "the issuer's",
    example: '5m',
    compare: 'elsewhere',
  },
  agent_types: {
    description:
      'Allowed [agent types](configuration/delegation.md#agent-types); the agent needs one of them. A token without a type is denied.',
    unset: 'any',
    example: ['sub-agent'],
    compare: 'elsewhere',
  },
  workflow: {
    description:
      'Where the request names the [workflow](configuration/delegation.md#workflows) that the token must belong to: `"path:NAME"`, `"header:NAME"` or `"query:NAME"`, exactly once. Not `access_token`, nor a header with a credential or cookies.',
    example: 'path:run',
    compare: 'elsewhere',
  },
  steps: {
    description:
      'Steps of [Agentic JWT](agentic-jwt.md#workflow-steps); the token must be for one of them. Require the workflow in `claims` too: another workflow may have a step with the same id.',
    unset: 'any',
    example: ['step_3'],
    compare: 'restrictionByAccepts',
  },
  delegation_chains: {
    description:
      'Expected values of [`delegation_chain`](agentic-jwt.md#expected-hashes): each a hash, or a list of agent ids that ends with the calling agent.',
    unset: 'any',
    example: [['supervisor', 'planner', 'patcher']],
    compare: 'restrictionByAccepts',
  },
  step_sequences: {
    description:
      'Expected values of [`step_sequence_hash`](agentic-jwt.md#expected-hashes): each a hash, or a list of step ids that ends with the current step.',
    unset: 'any',
    example: [['step_1', 'step_2', 'step_3']],
    compare: 'restrictionByAccepts',
  },
  delegation: {
    description:
      "Limits on the `act` claim: [its keys](configuration/delegation.md#keys-of-delegation). The issuer's apply as well; a rule can only narrow them.",
    unset: "the issuer's",
    example: { max_depth: 1 },
    compare: DELEGATION_DOCS,
  },
  authorization_details: {
    description:
      "What the token's `authorization_details` must allow, beside `scopes`: a list of tables with [these keys](configuration/routes.md#keys-of-authorization_details).",
    example: [{ type: 'document', actions: ['read'] }],
    compare: 'restriction',
  },
  acr_values: {
    description:
      "Allowed values of the token's `acr`, which says how the user was authenticated: [step-up](configuration/routes.md#step-up).",
    unset: 'any',
    example: ['urn:example:mfa'],
    compare: 'restrictionByAccepts',
  },
  max_age: {
    description:
      'How long ago the user may have been authenticated (`auth_time`), in whole seconds: [step-up](configuration/routes.md#step-up).',
    example: '5m',
    compare: 'restrictionByLarger',
  },
  when: {
    description:
      'A [condition](configuration/conditions.md) in CEL over token, request and time, or a table with [its keys](configuration/conditions.md#keys-of-when).',
    example: 'request.country in ["DE", "AT"]',
    compare: 'restriction',
  },
  approval: RULE_APPROVAL,
  cors: {
    description:
      'Allows cross-origin requests: [its keys](configuration/routes.md#keys-of-cors). Without it a preflight is 403.',
    example: { origins: ['https://app.example.com'] },
    compare: 'permission',
  },
  origin: {
    description: "Where this rule's requests go.",
    unset: "GATE's",
    example: 'service:DOCUMENTS',
    compare: 'destination',
  },
  origin_via: {
    description:
      "Name of the binding through which this rule's origin is reached, as in [GATE](configuration/gate.md#keys-of-gate).",
    unset: "that of GATE, if the rule uses GATE's `origin`",
    example: 'ORIGIN_CERT',
    compare: 'opaque',
  },
  strip_prefix: {
    description:
      'Literal segments to remove from the front of the path. Only whole segments are removed.',
    example: '/v1',
    compare: 'opaque',
  },
  timeout: { description: AS_IN_GATE, unset: "GATE's", example: '10s', compare: 'neutral' },
  on_revocation: {
    description: AS_IN_GATE,
    unset: "GATE's",
    example: 'end-all',
    compare: ['end-all', 'end-streams', 'ignore'],
  },
  on_expiry: {
    description: AS_IN_GATE,
    unset: "GATE's",
    example: 'cut',
    compare: ['cut', 'finish'],
  },
  finish_within: {
    description: AS_IN_GATE,
    unset: "GATE's",
    example: '30s',
    compare: 'largerWhereBoth',
  },
  inject: {
    description: `Header name → template with \`\${NAME}\`, where NAME is a secret: the origin's [own credential](configuration/headers.md#injected-credentials). Only where access is \`"required"\`.`,
    example: { Authorization: `Bearer \${OPENAI_API_KEY}` },
    compare: 'permission',
  },
  forward_claims: {
    description:
      "Header name → claim path, as GATE's `identity_headers`, for this rule: [claims in headers](configuration/headers.md#claims-in-headers). Not on a public rule.",
    example: { 'X-Tenant': 'tenant' },
    compare: 'opaque',
  },
  remove_response_headers: {
    description:
      "Names of headers to remove from answers of this rule's origin. Each is a whole name; [some headers](configuration/headers.md#headers-of-answers) must stay.",
    example: ['Server', 'X-Powered-By'],
    compare: 'requires',
  },
  audit_path: {
    description:
      'What records in [the audit](audit.md#which-path-was-called) say of the path: `"template"`, only the rule; `"values"`, also the values of all its parameters; `"full"`, the path itself, without the query.',
    default: 'template',
    example: 'full',
    compare: 'neutral',
  },
  audit_mask: {
    description:
      'Path parameters whose values [no record in the audit](audit.md#which-path-was-called) has, whatever `audit_path` and `AUDIT.path_values` say. The path of a record has `{name}` in their place.',
    unset: 'none',
    example: ['id'],
    compare: 'neutral',
  },
  forward_token: {
    description:
      'Sends `Authorization` to the origin. The origin can then act as the agent elsewhere. On a public rule it is sent as it came, unverified.',
    default: false,
    example: true,
    compare: 'flag',
  },
  mode: {
    description:
      '`"enforce"` or `"shadow"`: [shadow mode](configuration/gate.md#shadow-mode). A rule with `inject`, `mcp` or `approval` is always enforced.',
    unset: "GATE's",
    example: 'shadow',
    compare: 'elsewhere',
  },
  revocation: {
    description:
      '`"strict"`, `"bounded"`, or a table with `consistency` and `max_staleness` of [GATE.revocation](configuration/revocation-set.md#keys-of-gaterevocation). It replaces GATE\'s `revocation` as a whole: keys that a table leaves out have their defaults, not GATE\'s values.',
    unset: "GATE's",
    example: 'strict',
    compare: { late_by: { compare: 'larger' } },
  },
  rate_limit: {
    description:
      'How often each agent may use this rule: [its keys](configuration/rate-limits.md#keys-of-rate_limit).',
    example: { limit: 100, period: '60s' },
    compare: 'restrictionByQuota',
  },
  in_flight: RULE_IN_FLIGHT,
  single_use: {
    description:
      'Accepts each token [once](configuration/rate-limits.md#single-use). Only where access is `"required"`, and not with `mcp`.',
    default: false,
    example: true,
    compare: 'guard',
  },
  credential: {
    description:
      'In which headers the token may be sent: [its keys](configuration/routes.md#tokens-in-another-header). Not with `mcp`.',
    unset: '`Authorization` only',
    example: { headers: ['authorization', 'x-api-key'] },
    compare: CREDENTIAL_DOCS,
  },
  token_subprotocols: {
    description:
      'Prefixes of WebSocket subprotocols in which a browser may send its token: [tokens from a browser](configuration/routes.md#tokens-from-a-browser). Not on a public rule.',
    unset: 'none',
    example: ['openai-insecure-api-key.'],
    compare: 'acceptsMore',
  },
  agents: {
    description:
      'Which agents are accepted: as in [GATE](configuration/gate.md#keys-of-gate), which it can only narrow.',
    default: 'any',
    example: 'approved',
    compare: 'restriction',
  },
  possession: {
    description:
      'Which tokens the rule accepts. `"if-bound"`: a token with `cnf` needs its [proof](possession.md), a token without `cnf` needs none; `"required"`: only tokens with `cnf`. It can only narrow what the issuer has.',
    default: 'if-bound',
    example: 'required',
    compare: 'restriction',
  },
  replay: {
    description:
      'How often a [DPoP proof](possession.md#replay) is accepted. `"exact"`: once, by a call to `REPLAYS`; `"window"`: until it is too old, without a call.',
    default: 'exact',
    example: 'window',
    compare: 'permission',
  },
  mcp: {
    description:
      'Which tools, prompts and resources of the MCP server behind the rule may be used, [by name](mcp.md#configuration).',
    example: { tools: { search: ['tools:search'] } },
    compare: 'elsewhere',
  },
  encoded_slash: {
    description:
      'Allows `%2F` inside a `{name}` segment. It is forwarded as it came, and cannot be part of a scope.',
    default: false,
    example: true,
    compare: 'flag',
  },
  ambiguous_paths: {
    description:
      'With `"allow"` the gate forwards a path that [some servers read](configuration/paths.md#readings-of-other-servers) as a path of an earlier rule. It still refuses a path that differs from an earlier rule only in case, escapes or the last slash.',
    default: 'refuse',
    example: 'allow',
    compare: 'permission',
  },
}
