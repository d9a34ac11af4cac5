import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { agenticClaims, checksumOf } from '../kit/agentic.ts'
import { reply } from '../kit/answers.ts'
import { createProofKey, type ProofKey, proofOf } from '../kit/dpop.ts'
import { type EncryptionKey, encrypt } from '../kit/encryption.ts'
import type { Header } from '../kit/raw.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import type { Challenge } from './denied.ts'
import { BROKEN, SEALED } from './sealed.ts'
import { THROTTLED, UNREACHABLE } from './shards.ts'
import {
  AGENT,
  AGENTIC,
  AGENTIC_KEY,
  type Ask,
  EXPLAIN,
  GONE,
  KID,
  LATTICE,
  RESOURCE,
  REVOCATIONS,
  TWINS,
  type World,
} from './world.ts'

/**
 * Gates in one world. `main` takes encrypted tokens. `strictHttp` refuses http; the policy of `invalid` is
 * broken; `unsigned` has no key to sign with; at `flooded` an address has asked too often, and at
 * `unaddressed` nobody counts addresses. `audited` stores decisions; at `unaudited` what stores them fails. `nonces` asks
 * for them. `faulty` has a set of revocations that fails, nobody who counts
 * requests or remembers tokens, and little time for bodies, which it holds against their digest.
 */
export type GateName =
  | 'main'
  | 'strictHttp'
  | 'invalid'
  | 'faulty'
  | 'unsigned'
  | 'flooded'
  | 'unaddressed'
  | 'audited'
  | 'unaudited'
  | 'nonces'

/** A request that is denied, and how. */
export interface Case {
  readonly status: number
  readonly challenge: Challenge
  /** The gate it happens at; the main one unless given. */
  readonly at?: GateName
  readonly ask: (world: World) => Ask | Promise<Ask>
  /** The code in its place where a busy machine was too late: then it is tried again. */
  readonly late?: string
  /** Members of the body beside those every denial has. */
  readonly body?: Members
  readonly headers?: readonly Header[]
  /** Where it is one message to an MCP server that is denied: the code of JSON-RPC, and the id unless it is 1. */
  readonly rpc?: { readonly rpc: number; readonly id?: unknown }
}

/** What could be a session of an MCP server, until keys are asked for. */
const SESSION = sealedAs('mcp-session+jwt')
/** What could be a nonce of the gate. */
const NONCE = sealedAs('dpop-nonce+jwt')

function sealedAs(typ: string): string {
  const parts = [{ alg: 'ES256', typ, kid: 'k' }, { session: 'x' }]
  const [header, payload] = parts.map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  return `${header}.${payload}.${'A'.repeat(86)}`
}

/** The key that a client's tokens are bound to, and the key of who has stolen them. */
const [CLIENT, THIEF] = [await createProofKey(), await createProofKey()]

const now = () => Math.floor(Date.now() / 1000)

/** Sends a good token of `acme` with these claims and header members. */
const token =
  (claims: Members = {}, ask: Ask = {}, header: Members = {}) =>
  async (world: World): Promise<Ask> => ({ token: await world.token(claims, header), ...ask })

/** What tokens of `plain` get by their claims, where a gate has these. */
export const GRANTED = {
  issuers: { plain: { scopes_from: 'grants' } },
  grants: ['one', 'two', 'two', { pattern: '.:.' }].map((team, i) => ({
    issuer: 'plain',
    claims: { team },
    scopes: [],
    ...(typeof team === 'string' ? { agent_type: `type-${i}` } : { agent_id: 'team:{team}' }),
  })),
}

/** Sends a good token of `plain`, whose scopes come from grants. */
const plain =
  (claims: Members, ask: Ask = {}) =>
  async (world: World): Promise<Ask> => ({ token: await world.plain.mint(claims), ...ask })

/** Reads decisions as an administrator of `acme`. */
const reader = (rest: string) =>
  token({ scope: 'edgewarden:audit:read' }, { target: `/.edgewarden/decisions${rest}` })

/** Sends a token of Agentic JWT; `change` is laid over its claims. */
const agentic =
  (change: (claims: Members) => Members = () => ({}), target = '/v1/any', header: Members = {}) =>
  async (): Promise<Ask> => {
    const claims = {
      iss: AGENTIC,
      aud: RESOURCE,
      scope: 'a',
      iat: now(),
      exp: now() + 60,
      jti: 'j',
    }
    const all = { ...claims, ...agenticClaims(WORKER, ['supervisor'], ['step-1'], 'run-1') }
    const named = { typ: 'JWT', kid: KID, ...header }
    return { token: await sign(named, { ...all, ...change(all) }, AGENTIC_KEY), target }
  }
const WORKER = {
  id: 'worker',
  checksum: checksumOf('a'),
  registration: 'reg_worker_1',
  key: CLIENT,
}
const intent = (members: Members) => (claims: Members) => ({
  intent: { ...(claims.intent as Members), ...members },
})
const agentProof = (members: Members) => (claims: Members) => ({
  agent_proof: { ...(claims.agent_proof as Members), ...members },
})
/** Sends a good token of an agent of which something else was approved. */
function unapproved(fields: Members): Case['ask'] {
  return async (world) => {
    const id = `held-${++stoppedAgents}`
    const query = new URLSearchParams({ issuer: AGENTIC, agent: id })
    const answer = await world.send({
      method: 'PUT',
      target: `${AGENTS}/entry?${query}`,
      token: await world.ops.mint(ADMIN),
      body: JSON.stringify(fields),
    })
    expect(answer.status).toBe(200)
    const { key, ...worker } = WORKER
    const agent = { ...worker, id, registration: `reg_${id}_1`, key }
    const { token = '' } = await agentic(() => agenticClaims(agent))()
    const proof = await proofOf(CLIENT, { url: `${RESOURCE}/v1/any`, token })
    return {
      headers: [
        ['Authorization', `DPoP ${token}`],
        ['DPoP', proof],
      ],
    }
  }
}
const AGENTS = '/.edgewarden/agents'
const ADMIN = { scope: 'edgewarden:agents' }
let stoppedAgents = 0

/** Asks the registry, as an administrator of every issuer or of `beta`, about an agent of `beta` that was never seen. */
const registry =
  (
    method: string,
    target: string,
    body?: object,
    headers: readonly Header[] = [],
    { by = 'ops', agent = 'unseen' }: { by?: 'ops' | 'beta'; agent?: string } = {},
  ) =>
  async (world: World): Promise<Ask> => {
    const key = { issuer: world.beta.issuer, agent }
    const query = target === '/entry' ? `?${new URLSearchParams(key)}` : ''
    return {
      method,
      target: target.startsWith('/.') ? target : `${AGENTS}${target}${query}`,
      token: await world[by].mint({ ...ADMIN, client_id: 'admin', agent: { id: 'admin' } }),
      headers,
      ...(body && { body: JSON.stringify({ ...(method === 'POST' && key), ...body }) }),
    }
  }

/** Has an administrator stop another agent each time; the name of the agent. */
const stop = async (world: World, act: 'suspend' | 'retire') => {
  const agent = `stopped-${++stoppedAgents}`
  const suspend = registry('POST', '/suspend', {}, [], { agent })
  for (const ask of [
    suspend,
    ...(act === 'retire' ? [registry('POST', '/retire', {}, [], { agent })] : []),
  ]) {
    expect((await world.send(await ask(world))).status).toBe(200)
  }
  return agent
}
function stopped(act: 'suspend' | 'retire'): Case['ask'] {
  return async (world) => {
    const agent = await stop(world, act)
    return { token: await world.beta.mint({ client_id: agent, sub: agent }) }
  }
}

/** Changes a stopped agent: as an administrator of its issuer by POST. */
function afterStop(method: 'PUT' | 'POST'): Case['ask'] {
  return async (world) => {
    const agent = await stop(world, 'suspend')
    return method === 'PUT'
      ? registry(method, '/entry', {}, [], { agent })(world)
      : registry(method, '/resume', {}, [], { agent, by: 'beta' })(world)
  }
}

/** What a client of MCP opens a stream with. */
const EVENTS: readonly Header[] = [['Accept', 'text/event-stream']]

/** Sends a message to an MCP server. */
const message = (method: string, params: Members = {}) =>
  token(
    {},
    {
      method: 'POST',
      target: '/v1/mcp',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      headers: [['MCP-Protocol-Version', '2025-11-25']],
    },
  )

/** Sends a body to an MCP server, whatever it is. */
const toMcp = (body: string, headers: readonly Header[] = []) =>
  token({}, { method: 'POST', target: '/v1/mcp', body, headers })

/** Asks an MCP server for a stream. */
const stream = (...headers: readonly Header[]) =>
  token({}, { target: '/v1/mcp', headers: [...EVENTS, ...headers] })

/** A message that cannot be read as one, or not in one way only. */
const unread = (rpc: number, ask: Case['ask'], id: unknown = null): Case => ({
  ...badRequest(ask),
  rpc: { rpc, id },
})

/** One message that an MCP server does not get. */
const refused = (rpc: number, method: string, params?: Members): Case => ({
  status: 200,
  challenge: 'none',
  ask: message(method, params),
  rpc: { rpc },
})

/** Sends what is no good token. */
const bare = (ask: Ask) => () => ask

const badToken = (ask: Case['ask']): Case => ({ status: 401, challenge: 'invalid_token', ask })
/** A good token of `acme`, encrypted for another issuer. */
const encrypted = (key: EncryptionKey, header: Members = {}): Case =>
  badToken(async (world) => ({ token: await encrypt(await world.token(), key, header) }))
const forbidden = (ask: Case['ask']): Case => ({ status: 403, challenge: 'none', ask })
const tooMany = (ask: Case['ask']): Case => ({ status: 429, challenge: 'none', ask })
const badRequest = (ask: Case['ask']): Case => ({ status: 400, challenge: 'none', ask })
const unavailable = (ask: Case['ask'], at?: Case['at']): Case => ({
  status: 503,
  challenge: 'none',
  ask,
  headers: [['Retry-After', '5']],
  ...(at && { at }),
})

const admin =
  (ask: Ask, claims: Members = {}) =>
  async (world: World): Promise<Ask> => ({
    target: REVOCATIONS,
    token: await world.admin(claims),
    ...ask,
  })

const revoke =
  (entry: (world: World) => Members, by: 'ops' | 'beta' = 'ops') =>
  async (world: World): Promise<Ask> => ({
    method: 'POST',
    target: REVOCATIONS,
    token: await world[by].mint({ scope: 'edgewarden:revoke' }),
    body: JSON.stringify(entry(world)),
  })

const preflight: Header[] = [
  ['Origin', 'https://app.example.com'],
  ['Access-Control-Request-Method', 'GET'],
]

/** What is wrong with a proof of CLIENT's, or with whose it is. */
interface ProofFault {
  readonly key?: ProofKey
  readonly url?: string
  readonly method?: string
  readonly token?: string
  readonly now?: () => number
  readonly claims?: Members
  readonly header?: Members | 'none'
  readonly isReplayed?: true
}

/** Sends a token of CLIENT's with a proof. */
const bound =
  ({ key = CLIENT, header = {}, isReplayed, now: at, ...fault }: ProofFault) =>
  async (world: World): Promise<Ask> => {
    const token = await world.token({ cnf: { jkt: CLIENT.jkt } })
    const proof = await proofOf(key, {
      url: `${RESOURCE}/v1/any`,
      token,
      ...(at && { now: at() }),
      ...fault,
      ...(header !== 'none' && { header }),
    })
    const ask: Ask = {
      ...(isReplayed && { target: '/v1/bound-always' }),
      headers: [
        ['Authorization', `DPoP ${token}`],
        ...(header === 'none' ? [] : [['DPoP', proof] as const]),
      ],
    }
    if (isReplayed) await world.send(ask)
    world.origin.clear()
    return ask
  }

const badProof = (fault: ProofFault): Case => ({
  status: 401,
  challenge: 'invalid_dpop_proof',
  ask: bound(fault),
})

/** One request for every code, and what comes back. */
export const CASES: Readonly<Record<string, Case>> = {
  host_malformed: badRequest(token({}, { hosts: ['api.example.com, evil.example'] })),
  host_unknown: { status: 421, challenge: 'none', ask: token({}, { hosts: ['evil.example'] }) },
  path_ambiguous: badRequest(token({}, { target: '/v1//any' })),
  method_unknown: {
    status: 405,
    challenge: 'none',
    ask: token({}, { method: 'PROPFIND' }),
    headers: [['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']],
  },
  method_ambiguous: badRequest(token({}, { target: '/v1/any?_method=DELETE' })),
  route_unknown: { status: 404, challenge: 'none', ask: token({}, { target: '/nowhere' }) },
  insecure_transport: { ...forbidden(token()), at: 'strictHttp' },
  parameter_ambiguous: badRequest(token({}, { target: '/v1/runs-by-query?run=1&run=2' })),
  preflight_refused: forbidden(bare({ method: 'OPTIONS', headers: preflight })),

  credential_missing: { status: 401, challenge: 'plain', ask: bare({}) },
  scheme_unsupported: {
    status: 401,
    challenge: 'plain',
    ask: bare({ headers: [['Authorization', 'Token eyJhbGciOiJFUzI1NiJ9.e30.c2ln']] }),
  },
  credential_malformed: {
    status: 400,
    challenge: 'invalid_request',
    ask: token({}, { headers: [['Authorization', 'Bearer other']] }),
  },
  subprotocols_malformed: {
    status: 400,
    challenge: 'invalid_request',
    ask: bare({
      target: '/v1/socket-of-browser',
      headers: [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Protocol', 'mcp.auth.x'],
      ],
    }),
  },
  credential_header_malformed: {
    status: 400,
    challenge: 'invalid_request',
    ask: token({}, { target: '/v1/keyed', headers: [['x-api-key', 'another']] }),
  },
  credential_in_query: {
    status: 400,
    challenge: 'invalid_request',
    ask: async (world) => ({ target: `/v1/any?access_token=${await world.token()}` }),
  },
  token_too_long: badToken(token({ fill: 'x'.repeat(13_000) })),
  token_malformed: badToken(bare({ token: 'not-a-token' })),
  token_encrypted: { ...badToken(bare({ token: 'a.b.c.d.e' })), at: 'unsigned' },
  encryption_not_accepted: encrypted(SEALED, { cty: undefined }),
  decryption_failed: encrypted(SEALED, { kid: 'another' }),
  decryption_unavailable: {
    ...encrypted(BROKEN),
    status: 503,
    challenge: 'none',
    headers: [['Retry-After', '5']],
  },
  header_forbidden: badToken(token({}, {}, { jku: 'https://evil.example' })),
  algorithm_forbidden: badToken(({ acme }) => ({
    token: acme.unsigned({ alg: 'none' }, acme.claims(), 'AAAA'),
  })),
  type_forbidden: badToken(token({}, {}, { typ: 'dpop+jwt' })),

  issuer_unknown: badToken(token({ iss: 'https://evil.example' })),
  encryption_issuer_mismatch: encrypted(SEALED),
  issuer_not_accepted: badToken(token({}, { target: '/v1/beta-only' })),
  algorithm_not_accepted: badToken(async ({ acme }) => ({
    token: await acme.mint({}, {}, { key: await createKey('ES384') }),
  })),
  type_not_accepted: badToken(token({}, {}, { typ: 'JWT' })),

  key_unknown: badToken(token({}, {}, { kid: 'nobody' })),
  key_ambiguous: badToken(async ({ beta }) => ({
    token: await beta.mint({}, {}, { key: TWINS[0] }),
  })),
  algorithm_unsupported: badToken(async ({ beta }) => ({
    token: await beta.mint({}, {}, { key: LATTICE }),
  })),
  keys_unavailable: unavailable(token({ iss: GONE })),
  signature_invalid: badToken(async ({ acme, beta }) => ({
    token: await beta.mint(acme.claims()),
  })),

  time_malformed: badToken(token({ exp: 'soon' })),
  token_expired: badToken(async (w) => token({ iat: now() - 100, exp: now() - 50 })(w)),
  token_not_yet_valid: badToken(async (w) => token({ nbf: now() + 50 })(w)),
  token_issued_in_future: badToken(async (w) => token({ iat: now() + 50 })(w)),
  token_lifetime: badToken(async (w) => token({ exp: now() + 90_000 })(w)),
  audience_mismatch: badToken(token({ aud: 'https://other.example' })),
  claim_missing: badToken(token({ jti: undefined })),
  id_token: badToken(token({ nonce: 'n' })),
  claim_malformed: badToken(token({ sub: 'a\nb' })),
  claim_rejected: badToken(token({}, { target: '/v1/tenant' })),
  claim_not_encodable: badToken(token({ tenant: { id: 7 } }, { target: '/v1/told' })),
  confirmation_unsupported: badToken(token({ cnf: { kid: 'x' } })),
  token_bound: { status: 401, challenge: 'token_bound', ask: token({ cnf: { jkt: 'x' } }) },
  token_bound_elsewhere: {
    status: 401,
    challenge: 'token_bound',
    ask: async (world) => ({
      target: '/v1/keyed',
      headers: [['x-api-key', await world.token({ cnf: { jkt: 'x' } })]],
    }),
  },
  token_not_bound: badToken(async (world) => ({
    headers: [['Authorization', `DPoP ${await world.token()}`]],
  })),
  possession_required: {
    status: 401,
    challenge: 'token_bound',
    ask: token({}, { target: '/v1/bound' }),
  },

  certificate_missing: badToken(token({ cnf: { 'x5t#S256': 'x' } })),
  proof_missing: badProof({ header: 'none' }),
  proof_malformed: badProof({ claims: { jti: undefined } }),
  proof_algorithm_forbidden: badProof({ header: { alg: 'HS256' } }),
  proof_key_invalid: badProof({ header: { jwk: CLIENT.privateJwk } }),
  proof_signature_invalid: badProof({ header: { jwk: THIEF.publicJwk } }),
  proof_method_mismatch: badProof({ method: 'get' }),
  proof_url_mismatch: badProof({ url: `${RESOURCE}/v1/any/` }),
  proof_expired: badProof({ now: () => now() - 600 }),
  proof_token_mismatch: badProof({ token: 'another' }),
  proof_key_mismatch: badProof({ key: THIEF }),
  proof_replayed: badProof({ url: `${RESOURCE}/v1/bound-always`, isReplayed: true }),
  proof_nonce_required: { ...badProof({}), challenge: 'use_dpop_nonce', at: 'nonces' },
  nonce_unavailable: unavailable(bound({ claims: { nonce: NONCE } }), 'unsigned'),
  replay_unavailable: unavailable(bound({}), 'faulty'),

  delegation_malformed: badToken(token({ act: [] })),
  delegation_too_deep: forbidden(
    token({ act: { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } } }),
  ),
  actor_missing: forbidden(token({}, { target: '/v1/delegated' })),
  actor_issuer_unknown: forbidden(token({ act: { sub: 'a', iss: 'https://evil.example' } })),
  actor_not_allowed: forbidden(token({ act: { sub: 'a' } }, { target: '/v1/delegated' })),
  subject_not_allowed: forbidden(token({ act: { sub: 'planner' } }, { target: '/v1/delegated' })),
  may_act_mismatch: forbidden(
    token({ act: { sub: 'planner' }, may_act: { sub: 'a' } }, { target: '/v1/delegated' }),
  ),
  delegation_scope_exceeded: badToken(
    token({ scope: 'docs:read chat:write', parent_scope: 'docs:read' }),
  ),
  agent_issuer_mismatch: forbidden(async (world) => ({
    token: await world.token({ act: { sub: 'a', agent: 'a', iss: world.beta.issuer } }),
  })),
  key_id_missing: badToken(agentic(undefined, '/v1/any', { kid: undefined })),
  intent_malformed: badToken(agentic(() => ({ intent: undefined }))),
  executed_by_mismatch: badToken(agentic(intent({ executed_by: 'supervisor' }))),
  delegation_chain_malformed: badToken(agentic(intent({ delegation_chain: ['supervisor'] }))),
  step_sequence_malformed: badToken(agentic(intent({ step_sequence_hash: '0' }))),
  agent_proof_malformed: badToken(agentic(agentProof({ registration_id: 'reg_supervisor_1' }))),
  agent_checksum_malformed: badToken(agentic(agentProof({ agent_checksum: 'a'.repeat(64) }))),
  scope_empty: badToken(agentic(() => ({ scope: '' }))),
  confirmation_malformed: badToken(agentic(() => ({ cnf: { jkt: CLIENT.jkt } }))),
  step_not_allowed: forbidden(agentic(undefined, '/v1/step')),
  delegation_chain_mismatch: forbidden(
    agentic(intent({ delegation_chain: '0'.repeat(16) }), '/v1/chain'),
  ),
  step_sequence_mismatch: forbidden(agentic(undefined, '/v1/sequence')),
  agent_checksum_changed: forbidden(unapproved({ checksums: [checksumOf('b')] })),
  agent_registration_changed: forbidden(unapproved({ registrations: ['reg_worker_2'] })),
  agent_key_changed: forbidden(unapproved({ keys: [THIEF.jkt] })),
  workflow_conflict: badToken(token({ workflow_id: 'r1', intent: { workflow_id: 'r2' } })),
  grant_conflict: forbidden(plain({ team: 'two' })),
  grant_value_invalid: forbidden(plain({ team: 'a:b' })),
  grant_missing: {
    ...forbidden(plain({ scope: 'admin:all' }, { target: '/v1/admin/users' })),
    body: { required_scopes: ['admin:all'] },
  },
  agent_id_missing: badToken(async ({ ops }) => ({ token: await ops.mint({ agent: {} }) })),
  agent_id_malformed: badToken(token({ agent_type: 5 })),
  agent_type_not_allowed: forbidden(token({}, { target: '/v1/planners' })),
  workflow_mismatch: forbidden(token({ workflow_id: 'r2' }, { target: '/v1/runs/r1/log' })),

  upgrade_refused: badRequest(stream(['Connection', 'Upgrade'], ['Upgrade', 'h2c'])),
  origin_not_allowed: forbidden(stream(['Origin', 'https://evil.example'])),
  revision_unsupported: badRequest(stream(['MCP-Protocol-Version', '1999-01-01'])),
  http_method_not_allowed: {
    ...forbidden(stream(['MCP-Protocol-Version', '2026-07-28'])),
    status: 405,
    headers: [['Allow', 'POST']],
  },
  message_type_unsupported: {
    ...forbidden(toMcp('{}', [['Content-Encoding', 'identity']])),
    status: 415,
  },
  session_missing: badRequest(token({}, { method: 'DELETE', target: '/v1/mcp' })),
  session_unknown: { ...forbidden(stream(['Mcp-Session-Id', 'session-1'])), status: 404 },
  session_unavailable: unavailable(stream(['Mcp-Session-Id', SESSION]), 'unsigned'),
  message_malformed: unread(-32700, toMcp('{"id":1,"id":2}')),
  message_invalid: unread(-32600, toMcp('{"id":1}')),
  batch_not_allowed: unread(-32600, toMcp('[]', [['MCP-Protocol-Version', '2025-11-25']])),
  params_invalid: unread(-32602, message('tools/call', {}), 1),
  params_ambiguous: unread(-32602, message('tools/call', { name: 'allowed', Name: 'x' }), 1),
  task_unknown: refused(-32602, 'tasks/get', { taskId: 'task-1' }),
  header_mismatch: unread(
    -32020,
    message('ping', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }),
    1,
  ),

  tool_not_allowed: refused(-32003, 'tools/call', { name: 'forbidden' }),
  prompt_not_allowed: refused(-32003, 'prompts/get', { name: 'forbidden' }),
  resource_not_allowed: refused(-32003, 'resources/read', { uri: 'docs://forbidden' }),
  mcp_method_not_allowed: refused(-32601, 'tasks/list'),
  arguments_ambiguous: refused(-32602, 'tools/call', {
    name: 'at',
    arguments: { path: 'a', Path: 'b' },
  }),

  scope_missing: {
    status: 403,
    challenge: 'insufficient_scope',
    ask: token({}, { target: '/v1/docs/7' }),
    body: { any_of: ['docs:read', 'docs:read:7'] },
  },
  admin_not_allowed: forbidden(async (world) => ({
    target: REVOCATIONS,
    token: await world.plain.mint({ scope: 'edgewarden:revoke' }),
  })),
  scope_value_invalid: forbidden(
    token({ scope: 'docs:write' }, { method: 'DELETE', target: '/v1/docs/a%20b' }),
  ),

  authorization_details_malformed: badToken(
    token({ authorization_details: [{ actions: ['call'] }] }, { target: '/v1/tools/weather' }),
  ),
  authorization_details_missing: forbidden(
    token(
      { authorization_details: [{ type: 'tool', actions: ['call'], identifier: 'news' }] },
      { target: '/v1/tools/weather' },
    ),
  ),
  authorization_details_value_invalid: forbidden(token({}, { target: '/v1/tools/a%20b' })),

  authentication_malformed: badToken(
    token({ acr: ['urn:x:mfa'], auth_time: now() }, { target: '/v1/payments' }),
  ),
  authentication_insufficient: {
    status: 401,
    challenge: 'insufficient_user_authentication',
    ask: token({ sub: 'alice', acr: 'pwd', auth_time: now() }, { target: '/v1/payments' }),
  },
  user_missing: forbidden(token({}, { target: '/v1/payments' })),

  condition_failed: forbidden(token({ amount: 101 }, { target: '/v1/conditional' })),
  condition_error: forbidden(token({}, { target: '/v1/conditional' })),

  address_limited: { ...tooMany(token()), at: 'flooded' },
  address_limit_unavailable: unavailable(token(), 'unaddressed'),

  in_flight_exceeded: {
    ...tooMany(async (world) => {
      const id = `busy-${randomUUID()}`
      const ask = { token: await world.token({ sub: id, client_id: id }), target: '/v1/alone' }
      world.origin.clear()
      world.origin.on('/v1/alone', () => {})
      // The origin never answers it.
      world.send(ask).catch(() => {})
      await world.origin.arrival(({ url }) => url === '/v1/alone')
      return ask
    }),
    headers: [['Retry-After', '1']],
  },
  rate_limited: tooMany(async (world) => {
    const ask = { token: await world.token(), target: '/v1/limited-always' }
    await world.send(ask)
    world.origin.clear()
    return ask
  }),
  rate_limit_key_missing: forbidden(token({}, { target: '/v1/limited-runs' })),
  rate_limit_unavailable: unavailable(token({}, { target: '/v1/limited' }), 'faulty'),

  token_replayed: badToken(async (world) => {
    const ask = { token: await world.token(), target: '/v1/once-always' }
    await world.send(ask)
    world.origin.clear()
    return ask
  }),
  single_use_unavailable: unavailable(token({}, { target: '/v1/once' }), 'faulty'),

  token_revoked: badToken(async (world) => {
    const jti = 'revoked-token'
    const made = await world.send(
      await revoke(({ acme }) => ({ kind: 'token', issuer: acme.issuer, value: jti }))(world),
    )
    expect(made.status).toBe(200)
    return { token: await world.token({ jti }) }
  }),
  step_up_required: {
    status: 401,
    challenge: 'insufficient_user_authentication',
    ask: async (world) => {
      const sub = `steps-up-${randomUUID()}`
      const at = now() - 400
      const made = await world.send(
        await revoke(({ acme }) => ({
          ...{ kind: 'subject', issuer: acme.issuer, value: sub },
          ...{ mode: 'step-up', at },
        }))(world),
      )
      expect(made.status).toBe(200)
      const claims = { sub, iat: at, exp: at + 800, acr: 'urn:x:mfa', auth_time: now() }
      return token(claims, { target: '/v1/payments' })(world)
    },
  },
  // Nobody counts there.
  agent_throttled: {
    ...tooMany(token({ client_id: THROTTLED, sub: THROTTLED })),
    at: 'faulty',
    headers: [['Retry-After', '10']],
  },
  assertion_unavailable: unavailable(token(), 'unsigned'),
  revocations_unavailable: unavailable(token({ jti: UNREACHABLE }), 'faulty'),
  token_expired_during_request: {
    // It is good for two seconds more, by the tolerance of five, and is looked up until they are over. A lookup
    // of three seconds would count as lost.
    ...badToken(async (w) => {
      const exp = Math.round(Date.now() / 1000) - 3
      return token({ iat: exp - 60, exp, jti: `until-${exp + 5.1}` })(w)
    }),
    at: 'faulty',
    late: 'token_expired',
  },

  digest_mismatch: {
    ...badRequest(
      token(
        {},
        {
          method: 'POST',
          target: '/v1/enforced',
          body: '{}',
          headers: [['Content-Digest', `sha-256=:${'A'.repeat(43)}=:`]],
        },
      ),
    ),
    at: 'faulty',
  },

  body_unexpected: badRequest(token({}, { target: '/v1/any', body: 'x' })),
  origin_unreachable: { ...forbidden(token({}, { target: '/v1/dead' })), status: 502 },
  origin_timeout: {
    ...forbidden((world) => {
      world.origin.on('/v1/slow', () => {})
      return token({}, { target: '/v1/slow' })(world)
    }),
    status: 504,
  },
  origin_credential_refused: {
    ...forbidden((world) => {
      const challenge = { 'www-authenticate': 'Basic realm="origin"' }
      world.origin.on('/v1/injected', reply(401, challenge, `no ${AGENT}`))
      return token({}, { target: '/v1/injected' })(world)
    }),
    status: 502,
  },
  origin_encoding_unsupported: {
    ...forbidden((world) => {
      world.origin.on('/v1/injected', reply(200, { 'content-encoding': 'zstd' }, 'x'))
      return token({}, { target: '/v1/injected' })(world)
    }),
    status: 502,
  },

  session_invalid: {
    ...forbidden((world) => {
      world.origin.on('/v1/mcp', reply(200, { 'mcp-session-id': `one ${AGENT}` }))
      return token({}, { target: '/v1/mcp', headers: EVENTS })(world)
    }),
    status: 502,
  },
  mcp_answer_invalid: {
    ...forbidden((world) => {
      world.origin.on('/v1/mcp', reply(200, { 'content-type': 'application/json' }, '{"tools'))
      return token({}, { target: '/v1/mcp', headers: EVENTS })(world)
    }),
    status: 502,
  },

  body_too_large: {
    ...forbidden(admin({ method: 'POST', body: `{"x":"${'x'.repeat(65_536)}"}` })),
    status: 413,
  },
  body_timeout: {
    ...forbidden(admin({ method: 'POST', body: '{', headers: [['Content-Length', '9']] })),
    status: 408,
    at: 'faulty',
  },
  bodies_full: unavailable(
    admin({ method: 'POST', body: `{"x":"${'x'.repeat(2_048)}"}` }),
    'faulty',
  ),
  body_incomplete: badRequest(
    admin({
      method: 'POST',
      body: '1\r\n{\r\nno size\r\n',
      headers: [['Transfer-Encoding', 'chunked']],
    }),
  ),
  content_type_unsupported: {
    ...forbidden(admin({ method: 'POST', body: '{}', headers: [['Content-Type', 'text/plain']] })),
    status: 415,
  },
  revocation_invalid: {
    ...badRequest(revoke(() => ({ kind: 'everything' }))),
    body: { problems: expect.arrayContaining([{ path: 'kind', message: expect.any(String) }]) },
  },
  admin_reach: forbidden(
    revoke(({ acme }) => ({ kind: 'agent', issuer: acme.issuer, value: AGENT }), 'beta'),
  ),
  would_lock_out: {
    ...forbidden(
      revoke(({ beta }) => ({ kind: 'agent', issuer: beta.issuer, value: AGENT }), 'beta'),
    ),
    status: 409,
  },
  agent_suspended: forbidden(stopped('suspend')),
  agent_retired: forbidden(stopped('retire')),
  agent_not_approved: forbidden(token({}, { target: '/v1/approved' })),
  agent_invalid: {
    ...forbidden(registry('GET', '?needs=money')),
    status: 400,
    body: { problems: [{ path: 'needs', message: expect.stringContaining('must be one of') }] },
  },
  agent_unknown: { ...forbidden(registry('GET', '/entry')), status: 404 },
  alert_unknown: { ...forbidden(registry('GET', '/.edgewarden/alerts/999')), status: 404 },
  agent_changed: {
    ...forbidden(registry('PUT', '/entry', {}, [['If-Match', '"7"']])),
    status: 412,
  },
  agent_version_missing: { ...forbidden(afterStop('PUT')), status: 428 },
  agent_stopped_by_all: forbidden(afterStop('POST')),
  agents_full: {
    ...forbidden(registry('PUT', '/entry', {})),
    status: 507,
    at: 'faulty',
    headers: [['Retry-After', '60']],
  },
  agents_unavailable: unavailable(registry('GET', ''), 'faulty'),
  revocation_unknown: {
    ...forbidden(admin({ target: `${REVOCATIONS}/AAAAAAAAAAAAAAAAAAAAAA` })),
    status: 404,
  },
  decision_query_invalid: {
    ...forbidden(reader('?agent=')),
    status: 400,
    at: 'audited',
    body: { problems: [{ path: 'agent', message: 'must be text of 1 to 2048 characters' }] },
  },
  erasure_invalid: {
    ...forbidden(
      token(
        { scope: 'edgewarden:audit:erase' },
        {
          method: 'POST',
          target: '/.edgewarden/audit/erase',
          body: JSON.stringify({ sub: 'alice' }),
        },
      ),
    ),
    status: 400,
    at: 'audited',
    body: {
      problems: [
        { path: 'subject', message: 'is required' },
        { path: 'sub', message: 'is not a known key' },
      ],
    },
  },
  decision_reach: { ...forbidden(reader('?issuer=https://other.example')), at: 'audited' },
  decision_unknown: {
    ...forbidden(reader('/00000000-0000-0000-0000-000000000000')),
    status: 404,
    at: 'audited',
  },
  audit_unavailable: {
    ...forbidden(reader('')),
    status: 503,
    at: 'unaudited',
    headers: [['Retry-After', '5']],
  },
  revocations_full: {
    ...forbidden(revoke(({ acme }) => ({ kind: 'agent', issuer: acme.issuer, value: 'x' }))),
    status: 507,
    at: 'faulty',
    headers: [['Retry-After', '60']],
  },

  revocations_share_full: {
    ...forbidden(
      revoke(({ beta }) => ({ kind: 'agent', issuer: beta.issuer, value: 'x' }), 'beta'),
    ),
    status: 507,
    at: 'faulty',
    headers: [['Retry-After', '60']],
  },

  explain_invalid: {
    ...badRequest(
      admin(
        { method: 'POST', target: EXPLAIN, body: '{"method":"GET"}' },
        { scope: 'edgewarden:read' },
      ),
    ),
    body: { problems: [{ path: 'url', message: 'is required' }] },
  },

  policy_invalid: unavailable(token(), 'invalid'),
}

const OF_CONSOLE = 'needs the Worker with a console: console.test.ts'
const OF_PERSON = 'needs the Worker with a console: person.test.ts'
const OF_APPROVALS = 'needs a policy with people, and one who decides: approvals.test.ts'
const OF_DECIDING = 'needs a person who has signed in: test/control/console/approvals.test.ts'
const OF_DIFF = 'needs the Worker with a console: diff.test.ts'

/** Codes that no request to these gates can bring about, or that are no problem document. */
export const EXEMPT: Readonly<Record<string, string>> = {
  console_session_missing: OF_CONSOLE,
  console_code_invalid: OF_CONSOLE,
  console_unavailable: OF_CONSOLE,
  console_request_foreign: OF_CONSOLE,
  console_person_unknown: OF_PERSON,
  console_person_invalid: OF_PERSON,
  console_person_stale: OF_PERSON,
  console_person_refused: OF_PERSON,
  console_person_busy: OF_PERSON,
  console_person_unavailable: OF_PERSON,
  console_diff_invalid: OF_DIFF,
  console_diff_too_large: OF_DIFF,
  console_diff_busy: OF_DIFF,
  console_diff_reach: OF_DIFF,
  approval_not_alone: OF_APPROVALS,
  approval_required: OF_APPROVALS,
  approval_refused: OF_APPROVALS,
  approval_over: OF_APPROVALS,
  approval_invalid: OF_APPROVALS,
  approvals_full: OF_APPROVALS,
  approvals_exhausted: OF_APPROVALS,
  approval_unavailable: OF_APPROVALS,
  approval_unknown: OF_APPROVALS,
  approval_request_invalid: OF_DECIDING,
  approval_reason_missing: OF_DECIDING,
  approval_person_needed: OF_DECIDING,
  approval_sign_in_old: OF_DECIDING,
  approval_own: OF_DECIDING,
  approval_not_yours: OF_DECIDING,
  approval_changed: OF_DECIDING,
  approval_decided: OF_DECIDING,
  approval_not_granted: OF_DECIDING,
  approvals_standing_full: OF_DECIDING,
  revoke_invalid: 'has the form of OAuth: give-back.test.ts',
  revoke_unsupported: 'has the form of OAuth: give-back.test.ts',
  revoke_other: 'has the form of OAuth: give-back.test.ts',
  event_unauthenticated: 'has the form of RFC 8935: events.test.ts',
  event_invalid: 'has the form of RFC 8935: events.test.ts',
  event_issuer: 'has the form of RFC 8935: events.test.ts',
  event_key: 'has the form of RFC 8935: events.test.ts',
  event_audience: 'has the form of RFC 8935: events.test.ts',
  event_refused: 'has the form of RFC 8935: events.test.ts',
  event_state: 'has the form of RFC 8935: events.test.ts',
  event_old: 'has the form of RFC 8935: events.test.ts',
  event_keys_unavailable: 'has the form of RFC 8935: events.test.ts',
  events_full: 'has the form of RFC 8935: events.test.ts',
  renewal_mismatch: 'answers a message of a WebSocket: renewal.test.ts',
  renewal_busy: 'answers a message of a WebSocket: renewal.test.ts',
  grpc_unsupported: 'has the form of gRPC: grpc.test.ts',
  certificate_mismatch: 'needs a certificate that the platform has verified: mtls.test.ts',
  unavailable: 'stands for an error in the gate itself; a request that leads to it is a bug',
}

/** Codes for which there is no HEAD: of a proof that is for GET, of MCP, or that take long. */
export const NO_HEAD: ReadonlySet<string> = new Set([
  'subprotocols_malformed',
  'agent_checksum_changed',
  'agent_registration_changed',
  'agent_key_changed',
  'replay_unavailable',
  'nonce_unavailable',
  'proof_nonce_required',
  'token_expired_during_request',
  'session_unknown',
  'session_unavailable',
  'session_invalid',
  'mcp_answer_invalid',
  'agent_invalid',
  'agent_unknown',
  'alert_unknown',
  'agents_unavailable',
])
