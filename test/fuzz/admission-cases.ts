import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import type { Connection } from '../../src/gate/model/connection.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { Kind } from '../../src/gate/model/revocation.ts'
import { policy } from '../gate/policy/support.ts'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { createEncryptionKey, encrypt, secretOf } from '../kit/encryption.ts'
import { ISSUER, NOW, RESOURCE } from '../kit/facts.ts'
import { FOREIGN, minted } from '../line-cases.ts'

/** Policies, tokens and requests in which every option of a rule is in play. */

const SEALING = await createEncryptionKey()
const BETA = 'https://auth.beta.example'
/** Its tokens need proofs. */
const GAMMA = 'https://auth.gamma.example'
const PAGE = 'https://app.example'
/** A second API behind the same gate. */
const OTHER_HOST = 'docs.example.com'
/** What the origin knows the gate by, and never reaches an agent. */
export const SECRET = 'inject-3f9ac1'

const any = { scopes: [] }
const IDENTITY_HEADERS = { tenant: 'tenant', 'x-groups': 'groups', 'x-level': 'team.level' }
const GATE = {
  resource: RESOURCE,
  origin: 'https://origin.example.com',
  assertion: 'identity',
  identity_headers: IDENTITY_HEADERS,
  hosts: ['api.example.com', OTHER_HOST],
}
const ISSUERS = {
  acme: {
    issuer: ISSUER,
    agent_prefix: 'acme/',
    agent_id: ['act.sub', 'client_id'],
    delegation: { issuers: ['beta'], parent_scope: 'parent' },
    decrypt: { secret: 'ACME_KEYS' },
  },
  beta: { issuer: BETA, agent_prefix: 'beta/', scopes_from: 'both' },
  gamma: {
    issuer: GAMMA,
    agent_prefix: 'gamma/',
    profile: 'agentic-jwt',
    max_lifetime: '15m',
    agentic_forms: ['bearer-proof'],
  },
}
const GRANTS = [
  { issuer: 'beta', claims: { tenant: 'blue' }, scopes: ['docs:2', 'all'], agent_type: 'crawler' },
  { issuer: 'beta', claims: { groups: 'a' }, scopes: ['own:1:a'], agent_id: 'team:{team.level}' },
  { issuer: 'beta', claims: { acr: 'pwd' }, scopes: [], agent_type: 'planner' },
]
export const ROUTES = [
  { match: 'GET /docs/{id}', scopes: ['docs:read'] },
  { match: 'GET /own/{id}/{part}', scopes: ['own:{id}:{part}'] },
  { match: 'GET /either/{id}', scopes: { any: ['docs:{id}', 'own:{id}:a', 'all'] } },
  { match: 'GET /crawl', ...any, agent_types: ['crawler'] },
  { match: 'GET /runs/{run}', scopes: ['docs:read'], workflow: 'path:run' },
  { match: 'GET /by-header', ...any, workflow: 'header:x-run' },
  { match: 'GET /by-query/{id}', scopes: ['docs:{id}'], workflow: 'query:run' },
  { match: 'GET /deep', ...any, delegation: { max_depth: 1, require_actor: true } },
  { match: 'GET /tools/{id}', ...any, authorization_details: [{ type: 't', identifier: '{id}' }] },
  { match: 'GET /strong', ...any, acr_values: ['phr'] },
  { match: 'GET /lately', scopes: ['docs:read'], max_age: '1m' },
  {
    match: 'GET /when/{id}',
    ...any,
    when: 'token.tenant == request.params.id && agent.depth < 2',
  },
  { match: 'GET /work', ...any, when: 'now < timestamp(token.until) || request.country == "DE"' },
  { match: 'GET /tenant', ...any, claims: { tenant: 'blue' }, forward_claims: { 'x-u': 'until' } },
  { match: 'GET /limited', ...any, rate_limit: { limit: 3, period: '1m' } },
  { match: 'GET /by-run', ...any, rate_limit: { daily: 4, per: 'workflow' } },
  { match: 'GET /once', ...any, single_use: true },
  { match: 'GET /short', ...any, max_lifetime: '11m' },
  { match: 'GET /shadow/{id}', scopes: ['docs:{id}'], mode: 'shadow' },
  { match: 'GET /optional', scopes: ['docs:read'], access: 'optional' },
  { match: 'GET /open', access: 'public' },
  {
    match: 'GET,POST /mcp/{team}',
    scopes: ['docs:read'],
    mcp: {
      tools: {
        echo: [],
        team: ['docs:{team}'],
        'files_*': ['own:{arguments.id}:a'],
        crawl: { scopes: [], agent_types: ['crawler'] },
        pay: { scopes: [], when: 'arguments.amount < 5.0 && token.tenant == "blue"' },
        near: {
          scopes: { any: ['all', 'docs:1'] },
          when: {
            condition: 'request.country == "FR" && request.headers["x-class"] == "public"',
            headers: ['x-class'],
          },
        },
      },
      prompts: { summarize: ['docs:{team}'] },
      resources: { 'file:///docs/*': ['docs:1'] },
      methods: ['logging/setLevel'],
      revisions: ['2025-06-18', '2025-11-25'],
      origins: [PAGE],
      offered_scopes: ['all'],
      refusals: 'json-rpc',
      max_body: 1_024,
    },
  },
]

/** Every option of a rule that a mixed rule may have; of two of one name the later counts. */
export const OPTIONS: readonly object[] = [
  { host: OTHER_HOST },
  { host: OTHER_HOST, resource: `https://${OTHER_HOST}/v1` },
  { resource: `https://${OTHER_HOST}` },
  { scopes: ['docs:{id}'] },
  { scopes: { any: ['docs:{id}', 'all'] } },
  { access: 'optional' },
  { issuers: ['acme'] },
  { issuers: ['beta'] },
  { audiences: ['urn:other', RESOURCE] },
  { audiences: ['urn:other'] },
  { max_lifetime: '11m' },
  { claims: { tenant: ['blue', 'red'], 'team.level': { min: 1, max: 5 } } },
  { agent_types: ['crawler', 'planner'] },
  { workflow: 'path:id' },
  { workflow: 'header:x-run' },
  { workflow: 'query:run' },
  { steps: ['step-2'] },
  { delegation_chains: [['planner', 'worker'], '0123456789abcdef'] },
  { step_sequences: [['step-1', 'step-2']] },
  { delegation: { max_depth: 0 } },
  { delegation: { require_actor: true, issuers: ['beta'] } },
  { delegation: { actors: ['helper', { issuer: 'beta', sub: 'helper' }] } },
  { delegation: { subjects: ['alice'] } },
  { delegation: { may_act: 'if_present' } },
  { delegation: { may_act: 'required' } },
  { authorization_details: [{ type: 't', identifier: '{id}' }] },
  {
    authorization_details: [
      { type: 'u', actions: ['read'], datatypes: ['d'], privileges: ['p'], locations: ['urn:l'] },
    ],
  },
  { acr_values: ['phr', 'mfa'] },
  { max_age: '1m' },
  { when: 'inNetwork(request.ip, "192.0.2.0/24") && token.tenant == "blue"' },
  { when: 'request.country == "FR" && request.asn == 64500' },
  { when: 'request.colo == "CDG" || request.tls == "TLSv1.3" && agent.depth == 0' },
  { when: 'request.bot_score > 29 || agent.type == "crawler"' },
  { when: `request.host == "${OTHER_HOST}" || request.path.endsWith("/1")` },
  { when: 'request.method != "POST" || now < timestamp(token.until)' },
  {
    when: {
      condition: '"x-class" in request.headers || request.query["class"] == token.tenant',
      headers: ['x-class'],
      query: ['class'],
    },
  },
  { approval: { unless: 'request.country == "FR"' } },
  { cors: { origins: [PAGE], credentials: true, expose: ['x-a'], max_age: '1m' } },
  { cors: { origins: ['*'], headers: [] } },
  { origin: 'https://second.example.net/base' },
  { origin: 'service:BEHIND' },
  { origin_via: 'CERTIFICATE' },
  { strip_prefix: '/mixed' },
  { timeout: '60s' },
  { on_revocation: 'end-all' },
  { on_revocation: 'ignore' },
  { on_expiry: 'cut' },
  { on_expiry: 'finish', finish_within: '1m' },
  { inject: { authorization: `Bearer \${KEY}` } },
  { inject: { 'x-key': `\${KEY}`, 'x-both': `a \${KEY} b` } },
  { forward_claims: { 'x-until': 'until', 'x-teams': 'groups' } },
  { forward_claims: { 'x-client': 'client_id', 'x-all': 'all' } },
  { remove_response_headers: ['server', 'x-powered-by', 'set-cookie'] },
  { forward_token: true, in_flight: 2, audit_path: 'full', audit_mask: ['id'] },
  { mode: 'shadow' },
  { revocation: 'strict' },
  { revocation: { consistency: 'bounded', max_staleness: '1s' } },
  { rate_limit: { limit: 3, period: '1m', daily: 5, per: 'client' } },
  { rate_limit: { limit: 9, period: '1m', per: 'issuer' } },
  { rate_limit: { binding: 'RL' } },
  { single_use: true },
  { token_subprotocols: ['mcp.auth.'] },
  { credential: { headers: ['authorization', 'x-api-key'] } },
  { possession: 'if-bound' },
  { agents: 'approved' },
  { replay: 'window' },
  { encoded_slash: true },
  { ambiguous_paths: 'allow' },
]

/** What GATE may have of its own in a mixed policy. */
const GATES: readonly object[] = [
  { assertion: 'off' },
  { assertion: 'request' },
  { assertion: { binding: 'body', algorithm: 'EdDSA', max_body: 64 } },
  { identity_headers: { 'x-forwarded-user': 'sub', 'x-scopes': 'scope', 'x-groups': 'groups' } },
  { identity_prefix: 'x-ai-caller-' },
  { strip_headers: ['x-class'] },
  { insecure_http: true },
  { mode: 'shadow' },
  { revocation: { consistency: 'strict' } },
  { request_id: 'always', on_revocation: 'ignore' },
  { address_limit: { limit: 6, period: '1m' } },
  { clock_tolerance: '0s', timeout: '60s' },
]

const NAMES: Readonly<Record<string, string>> = { ACME_KEYS: secretOf(SEALING), KEY: SECRET }
const ENV = { has: () => true, secret: (name: string) => NAMES[name] }

const VARS = { GATE, ISSUERS, ROUTES, GRANTS }
const FIRST = policy(VARS, ENV)
/** Another reading of the same; another where scopes include others; and one that has the rules of the first. */
export const POLICIES: readonly Policy[] = [
  FIRST,
  policy(VARS, ENV),
  policy({ ...VARS, SCOPES: { all: ['docs:read', 'docs:1'], 'docs:2': ['docs:read'] } }, ENV),
  { ...FIRST, includedBy: (scope) => (scope === 'docs:read' ? [] : [scope, 'all']) },
]

/** Which options each mixed rule has, and GATE. */
export interface Mix {
  readonly gate: readonly number[]
  readonly rules: readonly (readonly number[])[]
}

const subset = (of: readonly unknown[], minLength: number, maxLength: number) =>
  fc.uniqueArray(fc.nat({ max: of.length - 1 }), { minLength, maxLength })

export const mixes: fc.Arbitrary<Mix> = fc.record({
  gate: subset(GATES, 0, 2),
  rules: fc.tuple(subset(OPTIONS, 1, 3), subset(OPTIONS, 1, 3)),
})

/** Options that cannot be written beside others: the first stays. */
const EXCLUDED: readonly (readonly [string, string])[] = [
  ['access', 'inject'],
  ['forward_token', 'credential'],
  ['access', 'single_use'],
  ['access', 'approval'],
  ['forward_token', 'inject'],
  ['issuers', 'steps'],
  ['issuers', 'delegation_chains'],
  ['issuers', 'step_sequences'],
  ['origin', 'origin_via'],
]

/** People who can approve, and the console at which they sign in. It needs keys to sign with. */
const PEOPLE = {
  issuer: 'https://people.example',
  ...{ agent_prefix: 'people/', admin: 'own', rules: false, person: { client_id: 'gate' } },
}
const CONSOLE = { host: 'ops.example.com' }

const mixedRule = (
  chosen: readonly number[],
  i: number,
  gate: { on_revocation?: unknown; assertion?: unknown },
) => {
  const rule: Record<string, unknown> = {
    match: `GET,POST,OPTIONS /mixed/${i}/{id}`,
    ...any,
    ...Object.assign({}, ...chosen.map((one) => OPTIONS[one])),
  }
  for (const [kept, other] of EXCLUDED) if (kept in rule) delete rule[other]
  if (gate.assertion === 'off') delete rule.approval
  if (rule.on_expiry === 'cut') delete rule.finish_within
  if ((rule.on_revocation ?? gate.on_revocation) === 'ignore') {
    delete rule.on_expiry
    delete rule.finish_within
  }
  return rule
}

/** A policy of rules of mixed options, behind one that some servers would read their paths as. */
export const mixedPolicy = ({ gate, rules }: Mix): Policy => {
  const own = Object.assign({}, GATE, ...gate.map((one) => GATES[one]))
  const mixed = rules.map((chosen, i) => mixedRule(chosen, i, own))
  const ROUTES = [{ match: 'GET /mixed/0/admin', ...any }, ...mixed]
  const needsPeople = mixed.some((rule) => 'approval' in rule)
  const people = needsPeople && { people: PEOPLE }
  const console = needsPeople && { console: CONSOLE }
  return policy(
    { ISSUERS: { ...ISSUERS, ...people }, ROUTES, GRANTS, GATE: { ...own, ...console } },
    ENV,
  )
}

/** What most of the rules let pass. */
const GOOD = {
  aud: [RESOURCE, `https://${OTHER_HOST}`, `https://${OTHER_HOST}/v1`, 'urn:other'],
  scope: 'docs:read docs:1 own:1:a',
  authorization_details: [
    { type: 't', identifier: '1' },
    { type: 'u', actions: ['read'], datatypes: ['d'], privileges: ['p'], locations: ['urn:l'] },
  ],
  auth_time: NOW - 10,
  acr: 'phr',
  until: '2026-01-01T00:00:30Z',
  groups: ['a', 'b'],
  team: { level: 3 },
}
const hashOf = (...ids: readonly string[]) =>
  createHash('sha256').update(ids.join('|')).digest('hex').slice(0, 16)
const AGENT_KEY = await createProofKey()
const AGENTIC = {
  cnf: { jwk: AGENT_KEY.publicJwk },
  intent: {
    workflow_id: 'run-1',
    workflow_step: 'step-2',
    executed_by: 'worker',
    delegation_chain: hashOf('planner', 'worker'),
    step_sequence_hash: hashOf('step-1', 'step-2'),
  },
  agent_proof: { agent_checksum: `sha256:${'a'.repeat(64)}`, registration_id: 'reg_worker_1' },
}
const SIGNED = [
  {},
  { jti: 'token-2', auth_time: NOW - 50.5 },
  { act: { sub: 'helper' }, parent: 'docs:read docs:1 own:1:a' },
  { jti: 'token-3', scope: 'all docs:2 own:2:b', agent_type: 'crawler', tenant: '1' },
  { scope: 'docs:read', acr: 'pwd', workflow_id: '1', until: 'never', jti: 'token-6' },
  { act: { sub: 'helper', act: { sub: 'deep', iss: BETA } }, scope: 'docs:read all' },
  { parent: 'docs:1', scope: 'docs:1 docs:read' },
  { act: { sub: 'helper', iss: BETA } },
  { exp: NOW + 30, jti: 'token-4' },
  { iat: NOW + 3, nbf: NOW + 4.5, jti: 'token-5', until: '2026-01-01T00:01:00Z' },
  { workflow_id: undefined, client_id: 'other', tenant: 'red' },
  { sid: 'session-1', jti: 'token-14' },
  { sub: 'mallory', workflow_id: 'run-2', jti: undefined },
  { agent_type: 'crawler', jti: 'token-12' },
  { iss: BETA, aud: ['urn:other', RESOURCE], jti: 'token-7', groups: [] },
  { iss: BETA, jti: 'token-13' },
  { iss: BETA, jti: 'token-14', scope: 'docs:1', acr: 'pwd' },
  {
    iss: BETA,
    jti: 'token-15',
    scope: 'docs:1',
    acr: 'pwd',
    tenant: 'red',
    team: { level: 'a:b' },
  },
  { act: { sub: 'helper' }, may_act: { sub: 'helper' }, tenant: ['blue', 'x'], jti: 'token-8' },
  { act: { sub: 'helper' }, workflow_id: '1', exp: NOW + 700, jti: 'token-11' },
  { act: { sub: 'helper' }, may_act: { sub: 'another' }, team: { level: 9 }, jti: 'token-9' },
  { iss: GAMMA, sub: 'worker', jti: 'token-16', ...AGENTIC },
  { iss: GAMMA, sub: 'other', jti: 'token-17', ...AGENTIC },
  { aud: RESOURCE, groups: { not: 'told' }, jti: 'token-10' },
].map((claims) => minted({ ...GOOD, ...claims }))
const AGENTIC_TOKENS: ReadonlySet<string> = new Set(
  SIGNED.filter((token) => decodeJwt(token).iss === GAMMA),
)
/** Bare, and sealed once or twice: each of those is another token. */
export const TOKENS: readonly string[] = [
  ...SIGNED,
  ...(await Promise.all(SIGNED.slice(0, 3).map((token) => encrypt(token, SEALING)))),
  await encrypt(SIGNED[1] ?? '', SEALING),
  minted({}, FOREIGN.privateKey),
]

/** Sets the proof of a request whose token needs one. */
export const prove = async ({ headers, method, url }: Request, at: number): Promise<void> => {
  const token = /^Bearer +(\S+)$/.exec(headers.get('authorization') ?? '')?.[1] ?? ''
  if (token === '' || !AGENTIC_TOKENS.has(token)) return
  const { origin, pathname } = new URL(url)
  headers.set('dpop', await proofOf(AGENT_KEY, { url: origin + pathname, method, token, now: at }))
}

/** What is sent beside the token, and how it came. */
export interface Sent {
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly host?: string
  readonly scheme?: string
  readonly query?: string
  readonly caller?: string | undefined
  readonly connection?: Connection
}

const run = (value: string) => ({ 'x-run': value })
const message = (method: string, params?: object): Partial<Sent> => ({
  method: 'POST',
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  },
})
const calls = (name: string, given: object = {}) =>
  message('tools/call', { name, arguments: given })

export const REQUESTS: readonly Sent[] = [
  ...['/docs/1', '/docs/2?a=b', '/own/1/a', '/own/2/b', '/own/1/b', '/either/1', '/either/2'],
  ...['/crawl', '/runs/run-1', '/runs/run-2', '/runs/1', '/by-header', '/by-query/1?run=run-1'],
  ...['/by-query/1?run=1', '/by-query/2?run=run-1', '/by-query/1', '/deep', '/tools/1', '/tools/2'],
  ...['/tools/a%20b', '/strong', '/lately', '/when/1', '/when/blue', '/work', '/tenant'],
  ...['/limited', '/by-run', '/once', '/short', '/shadow/1', '/shadow/2', '/optional', '/open'],
  ...['/none', '/mcp/1'],
]
  .map((path): Sent => ({ path }))
  .concat([
    { path: '/by-header', headers: run('run-1') },
    { path: '/by-header', headers: run('1') },
    { path: '/mcp/1', ...calls('echo') },
    { path: '/mcp/1', ...calls('team') },
    { path: '/mcp/2', ...calls('team') },
    { path: '/mcp/1', ...calls('files_read', { id: '1' }) },
    { path: '/mcp/1', ...calls('files_read', { id: '2' }) },
    { path: '/mcp/1', ...calls('pay', { amount: 4 }) },
    { path: '/mcp/1', ...calls('pay', { amount: 6 }) },
    { path: '/mcp/1', ...calls('crawl') },
    { path: '/mcp/1', ...calls('near') },
    { path: '/mcp/1', ...calls('none') },
    { path: '/mcp/1', ...message('prompts/get', { name: 'summarize' }) },
    { path: '/mcp/1', ...message('resources/read', { uri: 'file:///docs/a' }) },
    { path: '/mcp/1', ...message('resources/read', { uri: 'file:///etc/a' }) },
    { path: '/mcp/1', ...message('logging/setLevel', { level: 'debug' }) },
    { path: '/mcp/1', ...message('tools/list') },
  ])

const MIXED_PATHS = ['/mixed/0/1', '/mixed/1/1', '/mixed/0/run-1', '/mixed/1/run-1', '/mixed/1/2']
/** Requests of mixed rules. */
export const MIXED: readonly Sent[] = [
  ...MIXED_PATHS.map((path): Sent => ({ path })),
  ...MIXED_PATHS.slice(0, 2).flatMap((path): Sent[] => [
    { path, host: OTHER_HOST },
    { path, headers: run('run-1') },
    { path, query: '?run=run-1&class=blue' },
    { path, headers: { 'x-class': 'public' } },
    { path, method: 'POST', body: '{"a":1}' },
  ]),
  { path: '/mixed/0/a%2Fb' },
  { path: '/mixed/0/admin.' },
]

const CONNECTION: Connection = {
  country: 'FR',
  asn: 64_500,
  colo: 'CDG',
  tls: 'TLSv1.3',
  botScore: 80,
}
/** How a request comes that says nothing else. */
export const USUAL = {
  method: 'GET',
  host: 'api.example.com',
  scheme: 'https',
  query: '',
  caller: '192.0.2.7',
  connection: CONNECTION,
} as const satisfies Partial<Sent>

/** In what two requests of one token may differ; each is laid over a request by itself. */
export const DIFFERENCES: readonly Partial<Sent>[] = [
  { host: OTHER_HOST },
  { host: 'api.example.com:8443' },
  { host: 'elsewhere.example.net' },
  { scheme: 'http' },
  ...['?run=run-1', '?run=1', '?run=run-1&run=1', '?class=blue', '?class=x', '?a=b'].map(
    (query) => ({ query }),
  ),
  ...['?access_token=a', '?_method=DELETE', '?%72un=run-1', '?RUN=1'].map((query) => ({ query })),
  ...[
    run('run-1'),
    run('1'),
    { x_run: '1' },
    { ...run('run-1'), connection: 'x-run' },
    { 'x-class': 'public' },
    { 'x-class': 'public, x' },
    { origin: PAGE },
    { origin: 'https://evil.example' },
    { 'x-agent-id': 'operator', 'x-ai-caller-id': 'operator', tenant: 'red', 'x-key': 'a' },
    { 'cf-connecting-ip': '198.51.100.1', 'x-forwarded-for': '198.51.100.1', forwarded: 'for=a' },
    { 'content-digest': 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:' },
    { upgrade: 'websocket', connection: 'upgrade' },
    { cookie: 'a=b', range: 'bytes=0-1', 'accept-encoding': 'gzip' },
    { 'mcp-protocol-version': '2025-03-26' },
  ].map((headers) => ({ headers: headers as Record<string, string> })),
  { method: 'HEAD' },
  { method: 'DELETE' },
  { method: 'POST', body: '' },
  { method: 'POST', body: 'another body' },
  { method: 'POST', body: 'x'.repeat(2_000) },
  {
    method: 'OPTIONS',
    headers: { origin: PAGE, 'access-control-request-method': 'GET' },
  },
  { caller: '203.0.113.9' },
  { caller: undefined },
  { connection: {} },
  ...[
    { country: 'DE' },
    { country: undefined },
    { asn: 64_501 },
    { colo: 'FRA', tls: 'TLSv1.2' },
    { botScore: 1 },
    { botScore: undefined },
  ].map((changed) => ({ connection: { ...CONNECTION, ...changed } })),
]

export const REVOCABLE: readonly (readonly [Kind, string])[] = [
  ['subject', 'alice'],
  ['session', 'session-1'],
  ['token', 'token-2'],
  ['agent', 'helper'],
  ['client', 'planner'],
  ['workflow', 'run-1'],
  ['key', 'key-1'],
  ['issuer', ''],
]
