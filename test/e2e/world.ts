import { type Gate, type GateOptions, startGate } from '../kit/gate.ts'
import type { BesideOptions } from '../kit/gate-config.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { type Header, type RawResponse, rawRequest } from '../kit/raw.ts'
import { shared } from '../kit/shared.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { endAllBut, liftAll } from './setting.ts'

/** The name the gate is asked by, whatever port it listens on. */
export const HOST = 'api.example.com'
export const RESOURCE = `https://${HOST}`
export const METADATA = `${RESOURCE}/.well-known/oauth-protected-resource`
export const REVOCATIONS = '/.edgewarden/revocations'
export const EXPLAIN = '/.edgewarden/explain'

/** The origin's own credential; no agent may ever see it. */
export const SECRET = 'origin-credential-93b1f07d'
/** The agent of every token that does not say another. */
export const AGENT = 'agent-4e1c7a'
/** The key id that all other issuers have in common. */
export const KID = 'signing-key'

/** Different keys of `beta` under one name. */
export const TWINS = await Promise.all([createKey('ES256', 'twin'), createKey('ES256', 'twin')])
/** The key of `agentic`. */
export const AGENTIC_KEY = await createKey('ES256', KID)
/** A key of `beta` that workerd verifies with only where a compatibility flag says so. */
export const LATTICE = await createKey('ML-DSA-44', 'lattice')

/** A request in parts, as it goes onto the wire. */
export interface Ask {
  readonly method?: string
  readonly target?: string
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string
  /** One Host header each; one good one unless given. */
  readonly hosts?: readonly string[]
  readonly headers?: readonly Header[]
  /** Sent with its Content-Length and as JSON, unless `headers` say otherwise. */
  readonly body?: string
}

/** A gate with all it needs around it. */
export interface World {
  /**
   * `acme`: ES256, prefix `acme/`, administers its own things, counts actors of `beta` and of ACTORS, agent id
   * in `act.agent` if there.
   */
  readonly acme: Issuer
  /** `beta`: ES256 and ML-DSA-44, prefix `beta/`, administers its own things. */
  readonly beta: Issuer
  /** `ops`: Ed25519, prefix `ops/`, agent id in `/agent/id`, administers everything. */
  readonly ops: Issuer
  /** `plain`: ES256 by a key id of its own, prefix `plain/`, administers nothing. */
  readonly plain: Issuer
  readonly origin: Origin
  readonly gate: Gate
  /** The gates beside it, in the order of the options. */
  readonly beside: readonly Sender[]
  /** A good token of `acme`, with these claims laid over it. */
  token(claims?: Members, header?: Members): Promise<string>
  /** A token of `ops` that may administer revocations. */
  admin(claims?: Members): Promise<string>
  /** Sends one request over a socket of its own, exactly as written. */
  send(ask: Ask): Promise<RawResponse>
  /** Starts another gate before the same issuers and origin; it ends with the world. */
  another(options: Partial<GateOptions>, gate?: Members): Promise<Sender>
  /** As it was at first: nothing is revoked, and issuers and origin are as they began. */
  anew(): Promise<void>
  close(): Promise<void>
}

/** A gate that can be asked. */
export interface Sender {
  readonly gate: Gate
  send(ask: Ask): Promise<RawResponse>
}

/** What a test file wants otherwise than it is here. */
export interface WorldOptions {
  /** Laid over GATE. */
  readonly gate?: Members
  /** Laid over each issuer's entry, by name. */
  readonly issuers?: Readonly<Record<string, Members>>
  /** In front of the rules. */
  readonly routes?: readonly Members[]
  /** What else the gate is started with. */
  readonly start?: Omit<Partial<GateOptions>, 'beside'>
  /** Gates in the same process, which use its objects, before the same issuers and origin. */
  readonly beside?: readonly Variant[]
}

/** How a gate differs from the one it is beside: `gate` is laid over GATE, `vars` over all variables. */
export interface Variant extends Partial<BesideOptions> {
  readonly gate?: Members
}

/** Its actors count in tokens of `acme`; its own tokens are not taken. */
export const ACTORS = 'https://actors.example'

/** A port where nobody listens, and that nobody is given by chance. */
const NOBODY = 9

/** Starts issuers, origin and gate. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const named = { sub: AGENT, client_id: AGENT }
  const [acme, beta, ops, plain, origin] = await Promise.all([
    createIssuer({ kid: KID, defaults: named }),
    createIssuer({ kid: KID, defaults: named }),
    createIssuer({ kid: KID, alg: 'Ed25519', defaults: { ...named, agent: { id: 'operator' } } }),
    createIssuer({ defaults: named }),
    startOrigin(),
  ])
  const publish = () => beta.setKeys([beta, ...TWINS, LATTICE].map(({ jwk }) => jwk))
  publish()
  const vars = (gate: Members = {}) => ({
    GATE: {
      resource: RESOURCE,
      origin: origin.url,
      insecure_http: true,
      client_ip: 'connection',
      // So that what a test revokes counts on its next request.
      revocation: { consistency: 'strict' },
      ...options.gate,
      ...gate,
    },
    ISSUERS: issuersOf({ acme, beta, ops, plain }, options.issuers),
    ROUTES: [...(options.routes ?? []), ...routesOf()],
    SCOPES: { 'chat:admin': ['chat:write'] },
  })
  const gates: Gate[] = []
  const start = async (more: Partial<GateOptions> = {}, over?: Members): Promise<Sender> => {
    const gate = await startGate({
      secrets: { ORIGIN_KEY: SECRET },
      ...more,
      vars: { ...vars(over), ...more.vars },
    })
    gates.push(gate)
    return senderTo(gate)
  }
  const beside = (options.beside ?? []).map(({ gate, ...own }) => ({
    ...own,
    vars: { ...vars(gate), ...own.vars },
  }))
  const { gate, send } = await start({ ...options.start, beside })
  return {
    acme,
    beta,
    ops,
    plain,
    origin,
    gate,
    beside: gate.beside.map(senderTo),
    token: (claims, header) => acme.mint(claims, header),
    admin: (claims) => ops.mint({ scope: 'edgewarden:revoke', ...claims }),
    send,
    another: start,
    async anew() {
      await Promise.all([acme, beta, ops, plain, origin].map((one) => one.anew()))
      publish()
      await endAllBut(gate, gates)
      await liftAll(gate)
    },
    async close() {
      await Promise.all([...gates, acme, beta, ops, plain, origin].map(stop))
    },
  }
}

const senderTo = (gate: Gate): Sender => ({ gate, send: (ask) => gate.raw(requestBytes(ask)) })

/** The world with these options that all files of a process share, as it was at first. */
export const sharedWorld = (options: WorldOptions = {}): Promise<World> =>
  shared(`world ${JSON.stringify(options)}`, () =>
    startWorld({ ...options, start: { ...options.start, reaching: true } }),
  )

const stop = (one: { stop(): Promise<void> } | { close(): Promise<void> }) =>
  'stop' in one ? one.stop() : one.close()

/** The bytes of a request. */
export function requestBytes({ hosts = [HOST], headers = [], token, body, ...rest }: Ask): Buffer {
  const has = (name: string) => headers.some(([one]) => one.toLowerCase() === name)
  const all: Header[] = hosts.map((host) => ['Host', host])
  if (token !== undefined) all.push(['Authorization', `Bearer ${token}`])
  if (body !== undefined) {
    if (!has('content-length') && !has('transfer-encoding')) {
      all.push(['Content-Length', String(Buffer.byteLength(body))])
    }
    if (!has('content-type')) all.push(['Content-Type', 'application/json'])
  }
  return rawRequest({
    target: '/v1/any',
    ...rest,
    headers: [...all, ...headers],
    ...(body !== undefined && { body: Buffer.from(body) }),
  })
}

function issuersOf(
  { acme, beta, ops, plain }: Readonly<Record<'acme' | 'beta' | 'ops' | 'plain', Issuer>>,
  over: WorldOptions['issuers'] = {},
) {
  const entry = (name: string, { issuer, jwksUri }: Pick<Issuer, 'issuer' | 'jwksUri'>) => ({
    issuer,
    jwks_uri: jwksUri,
    allow_insecure_http: true,
    agent_prefix: `${name}/`,
    ...over[name],
  })
  return {
    acme: {
      algorithms: ['ES256'],
      admin: 'own',
      agent_id: ['act.agent', 'client_id'],
      delegation: { issuers: ['beta', ACTORS], parent_scope: 'parent_scope' },
      ...entry('acme', acme),
    },
    beta: { algorithms: ['ES256', 'ML-DSA-44'], admin: 'own', ...entry('beta', beta) },
    ops: {
      algorithms: ['Ed25519'],
      admin: 'all',
      profile: 'generic',
      // Every object has the first by inheritance; the first present one wins.
      agent_id: ['/agent/constructor', '/agent/id'],
      ...entry('ops', ops),
    },
    plain: { algorithms: ['ES256'], ...entry('plain', plain) },
    agentic: {
      issuer: AGENTIC,
      profile: 'agentic-jwt',
      agent_prefix: 'agentic/',
      jwks: { keys: [AGENTIC_KEY.jwk] },
      ...over.agentic,
    },
    // Nobody listens there: its keys cannot be had.
    gone: entry('gone', { issuer: GONE, jwksUri: `http://127.0.0.1:${NOBODY}/jwks` }),
  }
}

/** An issuer of Agentic JWTs, which serves nothing: its key is in the policy. */
export const AGENTIC = 'https://idp.agents.example'

/** An issuer that is trusted and cannot be reached. */
export const GONE = 'http://gone.localhost'

/** Once, and no test waits for the second time. */
const SELDOM = { limit: 1, period: '1d' }

function routesOf(): readonly Members[] {
  const any = { scopes: [] }
  return [
    { match: 'GET,POST /v1/chat/completions', scopes: ['chat:write'] },
    { match: 'GET /v1/admin/users', scopes: ['admin:all'] },
    { match: 'GET /v1/docs/{id}', scopes: { any: ['docs:read', 'docs:read:{id}'] } },
    { match: 'DELETE /v1/docs/{id}', scopes: ['docs:write', 'docs:delete:{id}'] },
    { match: 'GET /v1/models/{model}', scopes: ['chat:write'], encoded_slash: true },
    { match: 'GET /v1/engines/{engine}:run', scopes: ['admin:all'] },
    { match: 'GET /v1/reports/$top=1@latest', scopes: ['admin:all'] },
    { match: 'GET /v1/planners', ...any, agent_types: ['planner'] },
    { match: 'GET /v1/runs/{run}/log', ...any, workflow: 'path:run' },
    { match: 'GET /v1/runs-by-header', ...any, workflow: 'header:x-run' },
    { match: 'GET /v1/runs-by-query', ...any, workflow: 'query:run' },
    {
      match: 'GET /v1/delegated',
      ...any,
      delegation: {
        require_actor: true,
        actors: ['planner'],
        subjects: ['alice'],
        may_act: 'if_present',
      },
    },
    {
      match: 'GET /v1/tools/{tool}',
      ...any,
      authorization_details: [{ type: 'tool', actions: ['call'], identifier: '{tool}' }],
    },
    { match: 'GET /v1/conditional', ...any, when: 'token.amount <= 100' },
    { match: 'GET /v1/payments', ...any, acr_values: ['urn:x:mfa'], max_age: '5m' },
    { match: 'GET /v1/limited', ...any, rate_limit: SELDOM },
    { match: 'GET /v1/limited-runs', ...any, rate_limit: { ...SELDOM, per: 'workflow' } },
    // In shadow mode nothing is spent, so that it never ends.
    { match: 'GET /v1/limited-always', ...any, rate_limit: SELDOM, mode: 'enforce' },
    { match: 'GET /v1/alone', ...any, in_flight: 1 },
    { match: 'GET /v1/once', ...any, single_use: true },
    { match: 'GET /v1/socket-of-browser', ...any, token_subprotocols: ['mcp.auth.'] },
    { match: 'GET /v1/keyed', ...any, credential: { headers: ['authorization', 'x-api-key'] } },
    { match: 'GET /v1/once-always', ...any, single_use: true, mode: 'enforce' },
    { match: 'GET /v1/approved', ...any, agents: 'approved' },
    { match: 'GET /v1/bound', ...any, possession: 'required' },
    { match: 'GET /v1/bound-always', ...any, mode: 'enforce' },
    { match: 'GET /v1/beta-only', ...any, issuers: ['beta'] },
    { match: 'GET /v1/step', ...any, steps: ['step-2'] },
    { match: 'GET /v1/chain', ...any, delegation_chains: [['supervisor', 'worker']] },
    { match: 'GET /v1/sequence', ...any, step_sequences: ['0123456789abcdef'] },
    { match: 'GET /v1/tenant', ...any, claims: { tenant: 'blue' } },
    { match: 'GET /v1/told', ...any, forward_claims: { 'X-Tenant': 'tenant' } },
    { match: 'GET /v1/short', ...any, max_lifetime: '1m' },
    { match: 'GET /v1/other-audience', ...any, audiences: ['urn:other'] },
    { match: 'GET /v1/browser', ...any, cors: { origins: ['https://app.example.com'] } },
    { match: 'GET /v1/dead', ...any, origin: `http://127.0.0.1:${NOBODY}` },
    { match: 'GET /v1/slow', ...any, timeout: '100ms' },
    { match: 'GET /v1/injected', ...any, inject: { Authorization: `Bearer \${ORIGIN_KEY}` } },
    { match: 'GET /v1/with-token', ...any, forward_token: true },
    { match: 'POST /v1/enforced', ...any, mode: 'enforce' },
    {
      match: 'GET,POST,DELETE /v1/mcp',
      ...any,
      mcp: { tools: { allowed: [], at: ['docs:read:{arguments.path}'] } },
    },
    { match: 'GET,POST /v1/*', ...any },
    { match: '* /public/*', access: 'public' },
    { match: 'GET /optional', ...any, access: 'optional' },
    { match: '* /tools/*', scopes: ['chat:write'], strip_prefix: '/tools' },
  ]
}
