import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import type { AssertionRule } from '../../src/gate/model/assertion.ts'
import type { ClaimGrant } from '../../src/gate/model/claims.ts'
import type { DetailRule } from '../../src/gate/model/details.ts'
import type { Decryption, DelegationRule, Issuer, KeyTimes } from '../../src/gate/model/issuer.ts'
import type { McpRule, McpUse } from '../../src/gate/model/mcp.ts'
import type { Gate, Policy } from '../../src/gate/model/policy.ts'
import type { RevocationPlacement } from '../../src/gate/model/revocation.ts'
import type { AuthenticationRule, CorsRule, Route, Target } from '../../src/gate/model/route.ts'
import { ACME, CHAT, GATE, policy } from '../policy/support.ts'

/** As a file is read: no value of a secret is known. */
const UNKNOWN = { has: () => true, secret: () => undefined }

interface Keys {
  readonly gate?: object
  readonly acme?: object
  readonly rule?: object
  /** Further variables, for tokens of an issuer that takes grants. */
  readonly vars?: object
}
const RULE = { ...CHAT, match: 'GET,POST /v1/{id}' }
const OTHER = { ...CHAT, match: 'GET /other', audiences: ['urn:other'] }
const policyOf = ({ gate, acme, rule, vars: more }: Keys): Policy => {
  const vars = {
    ...more,
    GATE: { ...GATE, ...gate },
    ISSUERS: {
      acme: { ...ACME, agent_prefix: 'a/', ...(more && { scopes_from: 'both' }), ...acme },
      // Beside it, so that a rule may ask for steps.
      beta: { issuer: 'https://auth.beta.example', agent_prefix: 'b/', profile: 'agentic-jwt' },
    },
    ROUTES: [{ ...RULE, ...rule }, OTHER],
  }
  return policy(vars, UNKNOWN)
}

/** Keys before and after, of which one is the member's own; or why it never changes by itself. */
type Row = readonly [one: object, other: object] | string

/** Each member of a part of a policy, so that one more is not forgotten. */
type Rows<Part> = { readonly [Name in keyof Required<Part>]: Row }

const GATE_ROWS: Rows<Gate> = {
  resource: [{}, { resource: 'https://api.example.com/v1' }],
  hosts: [{}, { hosts: ['api.example.com', 'b.example.com'] }],
  inFlight: [{}, { in_flight: 8 }],
  insecureHttp: [{}, { insecure_http: true }],
  clockTolerance: [{}, { clock_tolerance: '9s' }],
  proofMaxAge: [{}, { proof_max_age: '9s' }],
  proofMaxAhead: [{}, { proof_max_ahead: '9s' }],
  dpopNonce: [{}, { dpop_nonce: true }],
  prefix: [{}, { prefix: '/.gate' }],
  identityPrefix: [{}, { identity_prefix: 'x-caller-' }],
  stripHeaders: [{}, { strip_headers: ['x-role'] }],
  ownHeaders: [{}, { identity_headers: { 'x-user': 'sub' } }],
  identityHeaders: [
    { identity_headers: { 'x-user': 'sub' } },
    { identity_headers: { 'x-user': 'id' } },
  ],
  clientIp: [{}, { client_ip: 'x-real-ip' }],
  addressLimit: [{}, { address_limit: { limit: 9, period: '1s' } }],
  requestId: [{}, { request_id: 'always' }],
  journal: [{}, { journal: { allowed: 0.5 } }],
  console: [{}, { console: { host: 'ops.example.com' } }],
  denialDocs: [{}, { denial_docs: 'https://docs.example.com/denials' }],
  revocation: [{}, { revocation: { max_staleness: '1m' } }],
  placement: [{}, { revocation: { shards: 2 } }],
  assertion: [{}, { assertion: 'off' }],
  agents: [{}, { agents: 'approved' }],
  lift: [{}, { lift: ['abc'] }],
}
const ASSERTION_ROWS: Rows<AssertionRule> = {
  binding: [{}, { assertion: 'body' }],
  algorithm: [{}, { assertion: { algorithm: 'EdDSA' } }],
  maxBody: [{}, { assertion: { max_body: 2_048 } }],
  operatorKeys: 'what a secret holds, of which only its name is in the policy',
  withdrawn: [{}, { assertion: { withdrawn: ['A'.repeat(43)] } }],
}
const PLACEMENT_ROWS: Rows<RevocationPlacement> = {
  shards: [{}, { revocation: { shards: 2 } }],
  locations: [{}, { revocation: { locations: ['weur'] } }],
  jurisdiction: [{}, { revocation: { jurisdiction: 'eu' } }],
}
const ISSUER_ROWS: Rows<Issuer> = {
  name: 'what the table is called',
  profile: [{}, { profile: 'keycloak' }],
  issuer: [{}, { issuer: 'https://auth.other.example' }],
  agentic: [{ profile: 'agentic-jwt' }, { profile: 'agentic-jwt', agentic_forms: ['jkt'] }],
  changed: [{ profile: 'agentic-jwt' }, { profile: 'agentic-jwt', changed: 'alert' }],
  workload: [{}, { profile: 'kubernetes' }],
  trustDomain: 'the profile’s, and the issuer is another',
  keys: [{}, { jwks_uri: 'https://keys.acme.example/k' }],
  keyTimes: [{}, { jwks_cache: { max_fresh: '30m' } }],
  allowInsecureHttp: 'only of an issuer on a loopback host, which is another',
  algorithms: [{ algorithms: ['RS256', 'PS256'] }, { algorithms: ['PS256', 'RS256'] }],
  types: [{}, { typ: ['at+jwt', 'jwt'] }],
  audienceClaim: 'the profile’s',
  audiences: [{}, { audiences: ['urn:x'] }],
  maxLifetime: [{}, { max_lifetime: '1h' }],
  requiredClaims: [{}, { required_claims: [] }],
  claims: [{}, { claims: { tenant: 'a' } }],
  clientId: 'the profile’s',
  clientRequired: 'the profile’s',
  agentId: [{}, { agent_id: 'sub' }],
  agentPrefix: [{}, { agent_prefix: 'acme/' }],
  agentType: [{}, { agent_type: 'kind' }],
  entityProfiles: [{}, { entity_profiles: true }],
  workflowId: [{}, { workflow_id: 'run' }],
  scope: [{}, { scope: ['scp'] }],
  scopesFrom: [{}, { scopes_from: 'both' }],
  grants: 'those of GRANTS, whose members have rows of their own',
  scopeElse: [{ profile: 'entra' }, { profile: 'entra', scope: ['scp'] }],
  admin: [{}, { admin: 'own' }],
  possession: [{}, { possession: 'required' }],
  agents: [{}, { agents: 'approved' }],
  rules: [{ admin: 'own' }, { admin: 'own', rules: false }],
  decrypt: [{}, { decrypt: { secret: 'KEY' } }],
  delegation: [{}, { delegation: { max_depth: 9 } }],
  actorIssuer: 'the profile’s',
  parentScope: [{}, { delegation: { parent_scope: 'parent' } }],
}
const grant = (more: object) => ({
  GRANTS: [{ issuer: 'acme', claims: { team: 'a' }, scopes: ['x'], ...more }],
})
const GRANT_ROWS: Rows<ClaimGrant> = {
  name: 'where it is written',
  claims: [grant({}), grant({ claims: { team: 'b' } })],
  scopes: [grant({}), grant({ scopes: ['y'] })],
  agentType: [grant({}), grant({ agent_type: 'ci' })],
  agentId: [grant({}), grant({ agent_id: 'team:{team}' })],
}
const KEY_TIMES_ROWS: Rows<KeyTimes> = {
  maxFresh: [{}, { jwks_cache: { max_fresh: '30m' } }],
  staleIfError: [{}, { jwks_cache: { stale_if_error: '2h' } }],
  cooldown: [{}, { jwks_cache: { cooldown: '20s' } }],
}
const DECRYPTION_ROWS: Rows<Decryption> = {
  secret: [{ decrypt: { secret: 'KEY' } }, { decrypt: { secret: 'OTHER' } }],
  keyManagement: [
    { decrypt: { secret: 'KEY' } },
    { decrypt: { secret: 'KEY', key_management: ['ECDH-ES'] } },
  ],
  contentEncryption: [
    { decrypt: { secret: 'KEY' } },
    { decrypt: { secret: 'KEY', content_encryption: ['A128GCM'] } },
  ],
  keys: 'what a secret holds, of which only its name is in the policy',
}
const DELEGATION_ROWS: Rows<DelegationRule> = {
  maxDepth: [{}, { delegation: { max_depth: 1 } }],
  requireActor: [{}, { delegation: { require_actor: true } }],
  actors: [{}, { delegation: { actors: ['bot'] } }],
  subjects: [{}, { delegation: { subjects: ['alice', { issuer: 'acme', sub: 'bob' }] } }],
  issuers: [{}, { delegation: { issuers: ['beta'] } }],
  mayAct: [{}, { delegation: { may_act: 'required' } }],
}
const inject = (template: string) => ({ inject: { 'x-key': template } })
const ROUTE_ROWS: Rows<Route> = {
  name: 'methods and path as they are written',
  methods: [{}, { match: 'POST /v1/{id}' }],
  path: [{}, { match: 'GET,POST /v1/*' }],
  host: [{}, { host: 'api.example.com', scopes: [] }],
  resource: [{ audiences: ['x'] }, { audiences: ['x'], resource: 'https://api.example.com/v1' }],
  access: [{}, { access: 'optional' }],
  scopes: [{}, { scopes: [] }],
  issuers: [{}, { issuers: ['acme'] }],
  audiences: [{}, { audiences: ['urn:x'] }],
  maxLifetime: [{}, { max_lifetime: '1m' }],
  claims: [{}, { claims: { tenant: 'a' } }],
  agentTypes: [{}, { agent_types: ['worker'] }],
  workflow: [{}, { workflow: 'header:x-run' }],
  steps: [{}, { steps: ['s'] }],
  delegationChains: [{}, { delegation_chains: [['a', 'b']] }],
  stepSequences: [{}, { step_sequences: ['0123456789abcdef'] }],
  delegation: [{}, { delegation: { max_depth: 0 } }],
  authorizationDetails: [{}, { authorization_details: [{ type: 't' }] }],
  authentication: [{}, { max_age: '5m' }],
  when: [{}, { when: 'true' }],
  cors: [{}, { cors: { origins: ['https://app.example.com'] } }],
  mode: [{}, { mode: 'shadow' }],
  revocation: [{}, { revocation: 'strict' }],
  rateLimit: [{}, { rate_limit: { limit: 9, period: '1s' } }],
  singleUse: [{}, { single_use: true }],
  tokenSubprotocols: [{}, { token_subprotocols: ['mcp.auth.'] }],
  possession: [{}, { possession: 'required' }],
  agents: [{}, { agents: 'approved' }],
  replay: [{}, { replay: 'window' }],
  target: [{}, { origin: 'https://other.example.net' }],
  inject: [inject('$' + '{KEY}'), inject('$' + '{KEY}' + '$' + '{KEY}')],
  forwardClaims: [{}, { forward_claims: { 'x-user': 'sub' } }],
  removedFromAnswers: [{}, { remove_response_headers: ['x-powered-by'] }],
  secrets: 'those of inject',
  forwardToken: [{}, { forward_token: true }],
  encodedSlash: [{}, { encoded_slash: true }],
  inFlight: [{ in_flight: 4 }, { in_flight: 8 }],
  onRevocation: [{}, { on_revocation: 'ignore' }],
  finishWithin: [{}, { finish_within: '1m' }],
  ambiguousPaths: [{}, { ambiguous_paths: 'allow' }],
  mcp: [{}, { mcp: { tools: { t: [] } } }],
  endpoint: 'no rule of a policy has one',
}
const TARGET_ROWS: Rows<Target> = {
  url: [{}, { origin: 'https://other.example.net' }],
  audience: [{}, { origin: `${GATE.origin}/` }],
  service: [{ origin: 'service:API' }, { origin: 'service:OTHER' }],
  via: [{ origin_via: 'CERT' }, { origin_via: 'OTHER' }],
  stripPrefix: [{}, { strip_prefix: '/v1' }],
  timeout: [{}, { timeout: '1m' }],
}
const AUTHENTICATION_ROWS: Rows<AuthenticationRule> = {
  acrValues: [{ max_age: '5m' }, { max_age: '5m', acr_values: ['gold'] }],
  maxAge: [{ max_age: '5m' }, { max_age: '6m' }],
}
const detail = (more: object) => ({ authorization_details: [{ type: 't', ...more }] })
const DETAIL_ROWS: Rows<DetailRule> = {
  type: [detail({}), detail({ type: 'u' })],
  identifier: [detail({}), detail({ identifier: 'd/{id}' })],
  actions: [detail({}), detail({ actions: ['read'] })],
  datatypes: [detail({}), detail({ datatypes: ['d'] })],
  privileges: [detail({}), detail({ privileges: ['p'] })],
  locations: [detail({}), detail({ locations: ['https://api.example.com/a'] })],
}
const cors = (more: object) => ({ cors: { origins: ['https://app.example.com'], ...more } })
const CORS_ROWS: Rows<CorsRule> = {
  origins: [cors({}), { cors: { origins: ['*'] } }],
  methods: [cors({}), cors({ methods: ['GET'] })],
  headers: [cors({}), cors({ headers: ['x-h'] })],
  expose: [cors({}), cors({ expose: ['x-e'] })],
  credentials: [cors({}), cors({ credentials: true })],
  maxAge: [cors({}), cors({ max_age: '60s' })],
}
const mcp = (more: object) => ({ mcp: { tools: { t: ['x'] }, ...more } })
const MCP_ROWS: Rows<McpRule> = {
  names: [mcp({}), mcp({ prompts: { p: [] } })],
  methods: [mcp({}), mcp({ methods: ['logging/setLevel'] })],
  revisions: [mcp({}), mcp({ revisions: ['2025-11-25'] })],
  origins: [mcp({}), mcp({ origins: ['https://app.example.com'] })],
  maxBody: [mcp({}), mcp({ max_body: 2_048 })],
  refusals: [mcp({}), mcp({ refusals: 'http' })],
  list: [mcp({}), mcp({ list: 'allowed' })],
  offeredScopes: [mcp({}), mcp({ offered_scopes: ['x'] })],
}
const tool = (use: object) => ({ mcp: { tools: { t: { scopes: ['x'], ...use } } } })
const USE_ROWS: Rows<McpUse> = {
  pattern: [mcp({}), { mcp: { tools: { 't*': ['x'] } } }],
  scopes: [tool({}), tool({ scopes: [] })],
  agentTypes: [tool({}), tool({ agent_types: ['worker'] })],
  when: [tool({}), tool({ when: 'arguments.a == 1' })],
}

/** Of which no value lets more pass than another. */
const NEUTRAL: readonly string[] = [
  ...['gate.prefix', 'gate.requestId', 'gate.journal', 'gate.placement', 'gate.denialDocs'],
  ...[
    'rule.resource',
    'assertion.algorithm',
    'assertion.maxBody',
    'placement.shards',
    'placement.locations',
  ],
  ...['keyTimes.cooldown', 'target.audience', 'target.timeout'],
  ...['mcp.maxBody', 'mcp.refusals', 'mcp.list', 'mcp.offeredScopes'],
]

const acmeOf = ({ issuers }: Policy) => [...issuers.values()][0]
const PARTS: readonly (readonly [
  part: string,
  keys: keyof Keys,
  rows: Readonly<Record<string, Row>>,
  of: (policy: Policy) => unknown,
])[] = [
  ['gate', 'gate', GATE_ROWS, ({ gate }) => gate],
  ['assertion', 'gate', ASSERTION_ROWS, ({ gate }) => gate.assertion],
  ['placement', 'gate', PLACEMENT_ROWS, ({ gate }) => gate.placement],
  ['issuer', 'acme', ISSUER_ROWS, acmeOf],
  ['grant', 'vars', GRANT_ROWS, (one) => acmeOf(one)?.grants?.[0]],
  ['keyTimes', 'acme', KEY_TIMES_ROWS, (one) => acmeOf(one)?.keyTimes],
  ['decrypt', 'acme', DECRYPTION_ROWS, (one) => acmeOf(one)?.decrypt],
  ['delegation', 'acme', DELEGATION_ROWS, (one) => acmeOf(one)?.delegation],
  ['rule', 'rule', ROUTE_ROWS, ({ routes }) => routes[0]],
  ['target', 'rule', TARGET_ROWS, ({ routes }) => routes[0]?.target],
  ['authentication', 'rule', AUTHENTICATION_ROWS, ({ routes }) => routes[0]?.authentication],
  ['details', 'rule', DETAIL_ROWS, ({ routes }) => routes[0]?.authorizationDetails?.[0]],
  ['cors', 'rule', CORS_ROWS, ({ routes }) => routes[0]?.cors],
  ['mcp', 'rule', MCP_ROWS, ({ routes }) => routes[0]?.mcp],
  ['tool', 'rule', USE_ROWS, ({ routes }) => routes[0]?.mcp?.names.tools.all[0]],
]

const rows = PARTS.flatMap(([part, keys, all, of]) =>
  Object.entries(all).flatMap(([member, row]) => {
    if (typeof row === 'string') return []
    const [one, other] = row.map((change) => policyOf({ [keys]: change }))
    return one && other ? [{ name: `${part}.${member}`, member, of, one, other }] : []
  }),
)

describe('a member of a policy that is another', () => {
  it.each(rows)('is told: $name', async ({ name, member, of, one, other }) => {
    const [before, after] = [one, other].map((each) => Object(of(each))[member])
    expect(before).not.toEqual(after)
    const [there, back] = [await comparePolicies(one, other), await comparePolicies(other, one)]
    const told = [there, back].map((found) => {
      if (!found.ok) throw new Error(found.reason)
      const { gains, loses, changes } = found.value
      return gains.length + loses.length + changes.length
    })
    expect(Math.min(...told)).toBeGreaterThan(0)
    const widens = [there, back].some((found) => found.ok && found.value.widens)
    expect(widens).toBe(!NEUTRAL.includes(name))
  })
})
