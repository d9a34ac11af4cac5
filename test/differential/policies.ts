/** Policies from every key of the tables that decide. Mistakes are taken out again by `cases.ts`. */
import type { Json, JsonObject } from '../reference/types.ts'
import { askPeople } from './asking.ts'
import type { Dice } from './dice.ts'
import { mcpTable } from './mcp.ts'
import type { Vars } from './shapes.ts'
import { hashOf, PROFILES } from './tokens.ts'
import { ACRS, API, FILES, SCOPES, STEPS, TENANTS, TYPES } from './words.ts'

type Keys = Record<string, (dice: Dice) => Json | undefined>

/** Some of the keys with values. */
function some(dice: Dice, keys: Keys, probability: number): JsonObject {
  return Object.fromEntries(
    Object.entries(keys).flatMap(([name, make]) => {
      const value = dice.chance(probability) ? make(dice) : undefined
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

const REVOCATION = (dice: Dice): Json =>
  dice.pick<Json>([
    'strict',
    'bounded',
    { consistency: 'strict' },
    { max_staleness: '10s' },
    { consistency: 'bounded', max_staleness: '1s' },
  ])

const CLAIM_HEADERS = (dice: Dice): Json =>
  dice.pick<Json>([
    { 'X-Tenant': 'tenant' },
    { 'x-level': 'level', 'X-Name': 'nested.name' },
    { 'X-Groups': 'groups' },
    { 'X-User': 'sub' },
  ])

const GATE: Keys = {
  hosts: (dice) =>
    dice.pick([
      ['api.example.com', 'files.example.com'],
      ['api.example.com', 'alt.example.com', 'files.example.com'],
    ]),
  origin_via: () => 'ORIGIN_CERT',
  insecure_http: () => true,
  clock_tolerance: (dice) => dice.pick(['0s', '30s', '1s']),
  proof_max_age: (dice) => dice.pick(['30s', '10s']),
  proof_max_ahead: (dice) => dice.pick(['0s', '10s']),
  dpop_nonce: () => true,
  prefix: () => '/.gate',
  revocation: REVOCATION,
  assertion: (dice) =>
    dice.pick<Json>([
      'off',
      'identity',
      'request',
      'body',
      { binding: 'body', max_body: 64 },
      { binding: 'request', algorithm: 'ES256' },
    ]),
  identity_prefix: () => 'x-acme-agent-',
  identity_headers: CLAIM_HEADERS,
  strip_headers: () => ['x-debug', 'x-internal'],
  client_ip: (dice) => dice.pick(['connection', 'none', 'x-client-ip']),
  address_limit: (dice) =>
    dice.pick<Json>([{ limit: 3, period: '60s' }, { binding: 'RL' }, { limit: 2, period: '10s' }]),
  timeout: () => '30s',
  on_revocation: (dice) => dice.pick(['end-all', 'ignore']),
  on_expiry: (dice) => dice.pick(['finish', 'cut']),
  finish_within: () => '30s',
  request_id: () => 'always',
  shared_ids: () => true,
  agents: () => 'approved',
  in_flight: (dice) => 1 + dice.below(4),
  lift: () => ['2hT1Zs0yX3kq8bN5vC7m9A'],
  mode: () => 'shadow',
  journal: () => ({ allowed: 1 }),
  console: () => ({ host: 'ops.example.com' }),
  denial_docs: () => 'https://docs.example.com/denials',
}

const CLAIMS = (dice: Dice): Json =>
  dice.pick<Json>([
    { tenant: 'blue' },
    { tenant: ['blue', 'red'] },
    { tenant: { pattern: 'b.*' } },
    { level: { min: 2, max: 5 } },
    { level: { max: 5 } },
    { level: 3 },
    { groups: 'readers' },
    { 'nested.name': ['n', '100%'] },
    { tenant: { pattern: '[a-z]+' }, level: { min: 1 } },
  ])

const DELEGATION: Keys = {
  max_depth: (dice) => dice.pick([0, 1, 2, 4]),
  require_actor: (dice) => dice.chance(0.7),
  actors: (dice) =>
    dice.pick<Json>([
      ['planner', 'orchestrator'],
      ['helper'],
      [{ sub: 'planner', issuer: 'acme' }],
    ]),
  subjects: (dice) =>
    dice.pick<Json>([['alice'], ['alice', 'planner'], [{ sub: 'alice', issuer: 'acme' }]]),
  may_act: (dice) => dice.pick(['if_present', 'required']),
}

const FORMS = ['bare-checksum', 'bearer-proof', 'jkt', 'repeated-agent']

const ISSUER: Keys = {
  jwks_cache: () => ({ max_fresh: '10m', stale_if_error: '1h', cooldown: '10s' }),
  audiences: (dice) => dice.pick([['urn:api'], [API, 'urn:api']]),
  algorithms: (dice) =>
    dice.pick([['ES256'], ['ES256', 'RS256'], ['ES256', 'EdDSA', 'PS256', 'ES384']]),
  typ: (dice) =>
    dice.pick([['at+jwt', 'absent'], ['jwt'], ['application/at+jwt'], ['absent', 'jwt', 'at+jwt']]),
  max_lifetime: (dice) => dice.pick(['2m', '5m', '1h']),
  agentic_forms: (dice) => dice.some(FORMS, 0.6),
  changed: (dice) => dice.pick(['alert', 'hold']),
  required_claims: (dice) => dice.pick([['tenant'], [], ['jti', 'level']]),
  claims: CLAIMS,
  agent_id: (dice) =>
    dice.pick<Json>(['sub', ['agent_id', 'client_id', 'sub'], ['act.sub', 'client_id']]),
  agent_type: (dice) => dice.pick(['kind', 'nested.kind']),
  entity_profiles: (dice) => dice.chance(0.7),
  workflow_id: (dice) => dice.pick<Json>(['flow', ['workflow_id', 'flow']]),
  session_id: (dice) => dice.pick(['session', 'nested.session']),
  scope: (dice) => dice.pick<Json>(['scp', ['scope', 'scp'], 'nested.scopes']),
  scopes_from: (dice) => dice.pick(['grants', 'both', 'token']),
  admin: (dice) => dice.pick<Json>([false, 'own', 'all']),
  rules: (dice) => dice.pick<Json>([false, 'named']),
  possession: () => 'required',
  agents: () => 'approved',
  decrypt: (dice) =>
    dice.pick<Json>([
      { secret: 'DECRYPT' },
      { secret: 'DECRYPT', key_management: ['RSA-OAEP-256'], content_encryption: ['A256GCM'] },
      { secret: 'LATER' },
    ]),
  delegation: (dice) => ({
    ...some(dice, DELEGATION, 0.3),
    ...(dice.chance(0.4) && { issuers: ['beta'] }),
    ...(dice.chance(0.4) && { parent_scope: 'parent_scope' }),
  }),
  allow_insecure_http: () => true,
}

const CONDITIONS = [
  ...['token.tenant == "blue"', 'has(token.level) && token.level >= 2'],
  ...['token.level < 5 || request.method == "GET"', 'agent.id == "planner" || agent.depth == 0'],
  ...['request.country in ["DE", "AT"]', 'request.asn == 64500', 'request.bot_score > 30'],
  ...['"docs:read" in agent.scopes', 'has(agent.type) && agent.type in ["planner", "crawler"]'],
  'agent.types.exists(t, t == "planner")',
  'request.path.startsWith("/v1") && request.host == "api.example.com"',
  'inNetwork(request.ip, ["192.0.2.0/24", "2001:db8::/32"])',
  ...['now < timestamp("2026-01-01T00:01:45Z")', 'now - timestamp(token.iat) < duration("90s")'],
  ...['token.groups.exists(g, g == "readers")', 'token.sub.matches("^a[a-z]+$")'],
  ...['agent.subject != agent.client_id', 'has(agent.actor) ? agent.actor.sub == "planner" : true'],
  'has(agent.actor) && has(agent.actor.issuer) && agent.actor.issuer.contains("beta")',
  'has(token.act) && has(token.act.act)',
  'request.params.id == "a b" || request.params.id == "7"',
  'inNetwork(request.ip, ["192.0.2.0/24", token.tenant])',
  ...['request.asn == 64500 || inNetwork(token.sub, ["192.0.2.0/24"])', 'size(agent.scopes) > 1'],
  ...['request.tls == "TLSv1.3"', 'has(agent.workflow_id) && agent.workflow_id.startsWith("run")'],
  'agent.name.endsWith("planner") && agent.issuer.contains("acme")',
  ...['string(token.level) + "x" == "3x"', 'has(agent.step) && agent.step == "step_1"'],
  '!(token.tenant == "red")',
]

const WHEN = (dice: Dice): Json =>
  dice.pick<Json>([
    dice.pick(CONDITIONS),
    dice.pick(CONDITIONS),
    dice.pick(CONDITIONS),
    { condition: 'request.headers["x-tier"] == "gold"', headers: ['x-tier'] },
    {
      condition: '"x-tier" in request.headers && request.headers["x-tier"] in ["gold", "silver"]',
      headers: ['x-tier'],
    },
    { condition: 'int(request.query["limit"]) <= 10', query: ['limit'] },
    { condition: dice.pick(CONDITIONS), headers: ['x-tier'], query: ['limit'] },
  ])

const RULE: Keys = {
  host: (dice) => dice.pick(['api.example.com', 'files.example.com']),
  resource: (dice) => dice.pick([FILES, `${API}/v1`]),
  access: (dice) => dice.pick(['public', 'optional', 'optional']),
  issuers: (dice) => dice.pick([['acme'], ['acme', 'beta'], ['beta']]),
  claims: CLAIMS,
  audiences: (dice) => dice.pick([['urn:api'], ['urn:rule', API]]),
  max_lifetime: (dice) => dice.pick(['1m', '5m']),
  agent_types: (dice) => dice.some(TYPES, 0.7),
  workflow: (dice) => dice.pick(['path:id', 'header:x-run', 'query:run']),
  steps: (dice) => dice.some(STEPS, 0.6),
  delegation_chains: (dice) =>
    dice.pick<Json>([
      [['planner'], ['agent-42'], ['helper']],
      [hashOf(['boss', 'planner'])],
      [['boss', 'planner'], ['helper']],
    ]),
  step_sequences: (dice) =>
    dice.pick<Json>([
      [['step_1'], ['step_2'], ['step_1', 'step_2']],
      [hashOf(['step_3'])],
      [['step_1', 'step_1']],
    ]),
  delegation: (dice) => ({
    ...some(dice, DELEGATION, 0.3),
    ...(dice.chance(0.2) && { issuers: ['beta'] }),
  }),
  authorization_details: (dice) =>
    dice.pick<Json>([
      [{ type: 'document', actions: ['write'] }],
      [{ type: 'document', actions: ['read'], identifier: 'documents/{id}' }],
      [{ type: 'tool', datatypes: ['text'], privileges: ['editor'] }],
      [
        { type: 'tool', locations: [API] },
        { type: 'document', actions: ['read', 'write'] },
      ],
    ]),
  acr_values: () => ACRS.slice(0, 1),
  max_age: (dice) => dice.pick(['5m', '100s']),
  when: WHEN,
  cors: (dice) =>
    dice.pick<Json>([
      { origins: ['https://app.example'] },
      { origins: ['*'], methods: ['GET'], headers: [] },
      {
        origins: ['https://app.example'],
        expose: ['X-Total'],
        credentials: true,
        max_age: '10m',
        headers: ['x-run'],
      },
    ]),
  origin: (dice) =>
    dice.pick(['https://other.example.com', 'https://other.example.com/base', 'service:DOCS']),
  origin_via: () => 'ORIGIN_CERT',
  forward_claims: CLAIM_HEADERS,
  remove_response_headers: () => ['Server'],
  strip_prefix: () => '/v1',
  timeout: () => '10s',
  on_revocation: (dice) => dice.pick(['end-all', 'ignore', 'end-streams']),
  on_expiry: (dice) => dice.pick(['finish', 'cut']),
  finish_within: () => '30s',
  inject: (dice) =>
    dice.pick<Json>([
      { Authorization: 'Bearer \u0024{API_KEY}' },
      { 'X-Api-Key': '\u0024{API_KEY}' },
    ]),
  forward_token: () => true,
  encoded_slash: () => true,
  ambiguous_paths: (dice) => dice.pick(['allow', 'allow', 'refuse']),
  mode: (dice) => dice.pick(['shadow', 'enforce']),
  revocation: REVOCATION,
  rate_limit: (dice) =>
    dice.pick<Json>([
      { limit: 2, period: '60s' },
      { daily: 2 },
      {
        limit: 3,
        period: '10s',
        daily: 4,
        per: dice.pick(['agent', 'client', 'workflow', 'issuer']),
      },
      { binding: 'RL', per: dice.pick(['agent', 'client', 'workflow', 'issuer']) },
      { limit: 1, period: '30s', per: 'workflow' },
    ]),
  single_use: () => true,
  in_flight: (dice) => 1 + dice.below(4),
  credential: (dice) => ({
    headers: dice.pick([
      ...[['authorization', 'x-api-key'], ['x-api-key'], ['api-key', 'x-goog-api-key']],
      ['authorization', 'x-debug', 'api-key'],
    ]),
  }),
  token_subprotocols: (dice) => dice.pick([['openai-insecure-api-key.'], ['own.', 'mcp.auth.']]),
  possession: (dice) => dice.pick(['required', 'if-bound']),
  agents: () => 'approved',
  replay: (dice) => dice.pick(['window', 'exact']),
}

const PATHS = [
  ...['/v1/docs/{id}', '/v1/docs/{id}', '/v1/docs/{id}/parts/{part}', '/v1/docs/{id}:copy'],
  ...['/v1/admin', '/v1/*', '/files/*', '/*', '/v1/docs', '/v1/docs/', '/v1/{a}/{b}'],
  ...['/v1/report.json', '/.well-known/openid-configuration', '/v1/docs/{id}.json', '/c++/admin'],
  ...['/c++/*', '/v1/caf%C3%A9', '/v1/docs/{id}/admin'],
]
const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET,POST',
  'POST',
  'GET,POST',
  '*',
  'PUT,DELETE',
  'PATCH',
  'HEAD',
]

function scopesOf(dice: Dice, path: string): Json {
  const name = /\{(\w+)\}/.exec(path)?.[1]
  const templates = name ? [`docs:read:{${name}}`, `{${name}}:x`] : ['docs:write']
  if (path.includes('{part}')) templates.push('p:{id}:{part}', 'p:{id}:{part}')
  return dice.pick<Json>([
    [],
    [dice.pick(SCOPES)],
    [dice.pick(SCOPES)],
    dice.some(SCOPES, 0.4),
    [dice.pick(templates)],
    { any: ['docs:read', dice.pick(templates)] },
    { any: [dice.pick(SCOPES), dice.pick(SCOPES)] },
  ])
}

function ruleOf(dice: Dice, density: number): JsonObject {
  if (dice.chance(0.13)) return mcpRule(dice, density)
  const path = dice.pick(PATHS)
  const table: JsonObject = {
    match: `${dice.pick(METHODS)} ${path}`,
    scopes: scopesOf(dice, path),
    ...some(dice, RULE, density),
  }
  if (table.access === 'public') {
    return Object.fromEntries(
      Object.entries(table).filter(([name]) => PUBLIC.includes(name)),
    ) as JsonObject
  }
  if (
    typeof table.workflow === 'string' &&
    table.workflow.startsWith('path:') &&
    !path.includes('{id}')
  ) {
    table.workflow = 'query:run'
  }
  if (!path.startsWith('/v1')) delete table.strip_prefix
  return table
}

/** Keys that a public rule may have. */
const PUBLIC = [
  ...['match', 'host', 'resource', 'access', 'cors', 'origin', 'strip_prefix', 'timeout', 'mode'],
  ...['encoded_slash', 'ambiguous_paths', 'remove_response_headers'],
]

function mcpRule(dice: Dice, density: number): JsonObject {
  const {
    single_use: _,
    token_subprotocols: __,
    workflow: ___,
    access: ____,
    mode: _____,
    credential: ______,
    ...rest
  } = some(dice, RULE, density * 0.7)
  return {
    match: dice.pick([
      'GET,POST,DELETE /mcp',
      'POST /mcp',
      '* /mcp',
      'GET,POST,DELETE /v1/{id}/mcp',
    ]),
    scopes: dice.pick<Json>([[], ['mcp:connect']]),
    ...rest,
    mcp: mcpTable(dice),
  }
}

const ISSUERS = {
  acme: 'https://auth.acme.example',
  beta: 'https://auth.beta.example',
  gamma: 'https://auth.gamma.example',
}

function issuerOf(
  dice: Dice,
  name: string,
  density: number,
  profile = dice.chance(0.45) ? 'rfc9068' : dice.pick(PROFILES),
): JsonObject {
  const isAgentic = profile === 'agentic-jwt'
  const { agentic_forms: forms, changed, ...keys } = some(dice, ISSUER, density)
  const table: JsonObject = {
    issuer:
      profile === 'spiffe'
        ? `spiffe://${name}.example`
        : profile === 'entra' && dice.chance(0.5)
          ? `https://${name}.example/${'1'.repeat(8)}-1111-1111-1111-${'1'.repeat(12)}/v2.0`
          : ISSUERS[name as keyof typeof ISSUERS],
    ...(profile !== 'rfc9068' && { profile }),
    agent_prefix: `${name}/`,
    ...keys,
    ...(isAgentic && dice.chance(0.5) && { agentic_forms: forms ?? ['jkt'] }),
    ...(isAgentic && dice.chance(0.5) && { changed: changed ?? 'alert' }),
  }
  if (profile === 'cognito' && !table.audiences) table.audiences = ['planner', 'agent-42']
  if (profile === 'spiffe' || dice.chance(0.12))
    table.jwks_uri = `https://keys.${name}.example/jwks`
  else if (dice.chance(0.08)) table.jwks = { keys: ['@key:a1', '@key:ed'] }
  if (['github-actions', 'gitlab', 'kubernetes', 'gcp', 'aws'].includes(profile)) {
    table.scopes_from = 'grants'
  }
  return table
}

function grantsOf(dice: Dice, issuers: Record<string, JsonObject>): JsonObject[] {
  return Object.entries(issuers).flatMap(([issuer, table]) => {
    if (table.scopes_from === undefined || table.scopes_from === 'token') return []
    return Array.from({ length: 1 + dice.below(3) }, () => ({
      issuer,
      claims: dice.pick<JsonObject>([
        {},
        { tenant: dice.pick(TENANTS) },
        { groups: 'readers' },
        { repository_id: '123' },
        { sub: ['alice', 'bob'] },
        { level: { min: 3 } },
        { tenant: { pattern: '[a-z]+' } },
      ]),
      scopes: dice.some(SCOPES, dice.pick([0.5, 1])),
      ...(dice.chance(0.25) && { agent_type: dice.pick(TYPES) }),
      ...(dice.chance(0.25) && {
        agent_id: dice.pick(['t:{tenant}', 'l:{level}', 'repo:{repository_id}', 's:{sub}-{jti}']),
      }),
    }))
  })
}

/** Rules behind others, for what these do not match. */
const WIDE: ((dice: Dice) => JsonObject)[] = [
  () => ({ match: '* /*', scopes: [] }),
  () => ({ match: 'GET,POST /v1/*', scopes: [] }),
  (dice) => ({ match: 'GET /*', scopes: [dice.pick(SCOPES)] }),
  () => ({ match: 'GET /*', access: 'public' }),
]

/** The same rule for another host. */
const twinOf = (dice: Dice, rule: JsonObject): JsonObject => ({
  ...structuredClone(rule),
  host: rule.host === 'files.example.com' ? 'api.example.com' : 'files.example.com',
  ...(rule.access !== 'public' && dice.chance(0.5) && { scopes: ['admin:all'] }),
})

/** Sets a key, each as often as the others. */
function focus(dice: Dice, gate: JsonObject, issuer: JsonObject, rule: JsonObject): void {
  const set = (table: JsonObject, keys: Keys) => {
    const [name, make] = dice.pick(Object.entries(keys))
    table[name] = make(dice)
  }
  const ways = [
    () => set(gate, GATE),
    () => set(issuer, ISSUER),
    () => set(rule, RULE),
    () => set(rule, RULE),
  ]
  dice.pick(ways)()
}

const OF_AGENTIC = ['delegation_chains', 'step_sequences', 'steps']

/** Gives keys what they need beside, so that fewer of them are mistakes. */
function suit(dice: Dice, issuers: Record<string, JsonObject>, routes: JsonObject[]): void {
  const all = Object.values(issuers)
  const { acme = {} } = issuers
  const isAsked = routes.some((rule) => OF_AGENTIC.some((name) => name in rule))
  if (isAsked && all.every(({ profile }) => profile !== 'agentic-jwt')) {
    if (dice.chance(0.5)) {
      for (const name of Object.keys(acme)) delete acme[name]
      Object.assign(acme, issuerOf(dice, 'acme', 0, 'agentic-jwt'))
    } else for (const rule of routes) for (const name of OF_AGENTIC) delete rule[name]
  }
  for (const rule of routes) {
    if (rule.access !== 'public') continue
    for (const name of Object.keys(rule)) if (!PUBLIC.includes(name)) delete rule[name]
  }
  for (const issuer of all) if (issuer.rules === false) issuer.admin = 'all'
  nameSome(dice, issuers, routes)
}

/** Rules name issuers with `rules = "named"`: some of them, and those that would accept no token otherwise. */
function nameSome(dice: Dice, issuers: Record<string, JsonObject>, routes: JsonObject[]): void {
  const of = (value: Json) => Object.keys(issuers).filter((name) => issuers[name]?.rules === value)
  const named = of('named')
  if (named.length === 0) return
  const hasOthers = Object.values(issuers).some(({ rules = true }) => rules === true)
  for (const rule of routes) {
    if (rule.access === 'public') continue
    if (rule.issuers === undefined && hasOthers && dice.chance(0.5)) continue
    rule.issuers = [...new Set([...((rule.issuers as string[] | undefined) ?? []), ...named])]
  }
}

/** A policy, perhaps with mistakes. */
export function varsOf(dice: Dice): Vars {
  const density = dice.pick([0.02, 0.05, 0.08, 0.12])
  const names = ['acme', 'beta', 'gamma'].slice(0, 1 + dice.below(3))
  const issuers = Object.fromEntries(names.map((name) => [name, issuerOf(dice, name, density)]))
  const routes = Array.from({ length: 1 + dice.below(4) }, () => ruleOf(dice, density))
  if (dice.chance(0.4)) routes.push(dice.pick(WIDE)(dice))
  if (dice.chance(0.15)) routes.push(twinOf(dice, routes[0] ?? {}))
  const gate = some(dice, GATE, dice.pick([0, 0.02, 0.05]))
  for (let left = dice.pick([0, 1, 1, 2]); left > 0; left--) {
    focus(dice, gate, issuers.acme ?? {}, routes[0] ?? {})
  }
  suit(dice, issuers, routes)
  const grants = grantsOf(dice, issuers)
  const vars: Vars = {
    GATE: {
      resource: dice.pick([API, API, API, `${API}/v1`]),
      origin: dice.pick([
        'https://origin.example.com',
        'https://origin.example.com/base',
        'service:ORIGIN',
      ]),
      ...gate,
    },
    ISSUERS: issuers,
    ROUTES: routes,
    ...(dice.chance(0.4) && {
      SCOPES: dice.pick<JsonObject>([
        { 'admin:all': ['docs:write', 'files:all'], 'docs:write': ['docs:read'] },
        { 'docs:write': ['docs:read'] },
        {
          'admin:all': ['docs:*', 'docs:read:*'],
          'docs:write': ['p:*'],
          'files:all': ['docs:write'],
        },
      ]),
    }),
    ...(grants.length > 0 && { GRANTS: grants }),
  }
  if (dice.chance(routes.some((rule) => rule.mcp) ? 0.4 : 0.2)) askPeople(dice, vars)
  return vars
}
