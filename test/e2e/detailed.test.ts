import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GUARD } from '../../src/gate/guard/guard.ts'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { type AskInit, askGate, outcome, type Setting, startSetting } from './setting.ts'
import { sharedShards } from './shards.ts'

const LOCAL = 'http://localhost:8787'
const NAMES = ['localhost', 'gate.localhost', '127.0.0.1']
const SECRET = 'origin-credential-93b1f07d'
const STAGES = GUARD.stages.map(({ name }) => name)
const REVOCATIONS = '/.edgewarden/revocations'

const OPTIONS = {
  gate: { resource: LOCAL, hosts: NAMES, errors: 'detailed' },
  issuer: { admin: 'own', agent_prefix: 'acme/' },
  more: {
    ISSUERS_AGENTIC: {
      agentic: {
        issuer: 'https://idp.agents.example',
        profile: 'agentic-jwt',
        agent_prefix: 'agentic/',
      },
    },
  },
  secrets: { KEY: SECRET },
  routes: [
    { match: 'GET /v1/planners', scopes: [], agent_types: ['planner'] },
    { match: 'GET /v1/runs/{run}', scopes: [], workflow: 'path:run' },
    { match: 'GET /v1/steps', scopes: [], steps: ['step-1'] },
    { match: 'GET /v1/detailed', scopes: [], authorization_details: [{ type: 'tool' }] },
    { match: 'GET /v1/lately', scopes: [], max_age: '1m' },
    { match: 'GET /v1/alone', scopes: [], in_flight: 1 },
    { match: 'GET /v1/never', scopes: [], when: 'false' },
    { match: 'GET /v1/injected', scopes: ['a:read'], inject: { Authorization: `Bearer \${KEY}` } },
    {
      match: 'GET /v1/counted',
      scopes: [],
      rate_limit: { limit: 1, period: '1d', per: 'workflow' },
    },
    { match: 'GET /v1/once', scopes: [], single_use: true },
    { match: 'POST /v1/mcp', scopes: [], mcp: { tools: { one: [] } } },
    { match: 'GET,POST /v1/{id}', scopes: ['chat:write'] },
    { match: 'GET /public', access: 'public' },
  ],
}

interface Step {
  readonly stage: string
  readonly outcome: string
  readonly ms: number
  readonly detail: Members
}

let setting: Setting
/** The same gate without details, and in shadow mode. */
let standard: Gate
let shadow: Gate

beforeAll(async () => {
  const withGate = (gate: Members) => ({ ...OPTIONS, gate: { ...OPTIONS.gate, ...gate } })
  setting = await startSetting({
    ...OPTIONS,
    signing: { defaults: { aud: LOCAL } },
    bundle: await sharedShards(),
    // A server that is asked for what it does not know.
    services: { RL: 'http://127.0.0.1:9' },
    beside: [
      withGate({ errors: 'standard' }),
      withGate({ mode: 'shadow' }),
      withGate({ resource: 'https://api.example.com' }),
      withGate({ address_limit: { binding: 'RL' } }),
      {
        ...withGate({ assertion: 'body' }),
        durableObjects: { ASSERTION_KEEPER: 'UnreachableShard' },
      },
    ],
  })
  const [one, two] = setting.gate.beside as [Gate, Gate]
  standard = one
  shadow = two
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

/** Asks by the name of the resource. */
const askBy = (gate: Gate, path: string, { headers, ...init }: AskInit = {}) =>
  askGate(gate, path, { ...init, headers: { host: 'localhost', ...headers } })
const ask = (path: string, init?: AskInit) => askBy(setting.gate, path, init)

const now = () => Math.floor(Date.now() / 1000)
const token = (claims: Members = {}, header: Members = {}) => setting.issuer.mint(claims, header)

const revoked = async () => {
  const made = await ask(REVOCATIONS, {
    method: 'POST',
    token: await token({ scope: 'edgewarden:revoke' }),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'token', issuer: setting.issuer.issuer, value: 'revoked-1' }),
  })
  expect(made.status).toBe(200)
  return token({ jti: 'revoked-1' })
}

const used = async () => {
  const bearer = await token()
  expect((await ask('/v1/once', { token: bearer })).status).toBe(200)
  setting.origin.clear()
  return bearer
}

/** The token of an agent that has a request in progress. */
const busy = async () => {
  const bearer = await token({ client_id: 'busy' })
  setting.origin.on('/v1/alone', () => {})
  ask('/v1/alone', { token: bearer }).catch(() => {})
  await setting.origin.arrival()
  setting.origin.clear()
  return bearer
}

type Row = readonly [stage: string, code: string, path: string, token: () => Promise<string>]

const ROWS: readonly Row[] = [
  ['route', 'route_unknown', '/nowhere', token],
  ['route', 'path_ambiguous', '/v1//x', token],
  ['credential', 'token_malformed', '/v1/x', async () => 'no-token-at-all-3141'],
  ['issuer', 'issuer_unknown', '/v1/x', () => token({ iss: 'https://evil.example' })],
  [
    'signature',
    'signature_invalid',
    '/v1/x',
    async () => setting.issuer.mint({}, { kid: setting.issuer.kid }, { key: await createKey() }),
  ],
  ['claims', 'token_expired', '/v1/x', () => token({ iat: now() - 100, exp: now() - 50 })],
  ['agentic_jwt', 'step_not_allowed', '/v1/steps', token],
  ['possession', 'confirmation_unsupported', '/v1/x', () => token({ cnf: { kid: 'x' } })],
  ['delegation', 'delegation_malformed', '/v1/x', () => token({ act: [] })],
  ['agent', 'agent_type_not_allowed', '/v1/planners', token],
  ['workflow', 'workflow_mismatch', '/v1/runs/7', token],
  ['scope', 'scope_missing', '/v1/injected', token],
  ['scope', 'scope_missing', REVOCATIONS, token],
  ['authorization_details', 'authorization_details_missing', '/v1/detailed', token],
  ['authentication', 'user_missing', '/v1/lately', token],
  ['in_flight', 'in_flight_exceeded', '/v1/alone', busy],
  ['condition', 'condition_failed', '/v1/never', token],
  ['limit', 'rate_limit_key_missing', '/v1/counted', token],
  ['replay', 'token_replayed', '/v1/once', used],
  ['revocation', 'token_revoked', '/v1/x', revoked],
]

/** Stages that deny at another gate than this: which, with what digest of its body, and how. */
const ELSEWHERE: readonly (readonly [
  stage: string,
  code: string,
  at: number,
  digest: string | undefined,
])[] = [
  ['address', 'address_limit_unavailable', 3, undefined],
  ['operation', 'digest_mismatch', 4, 'sha-256=:AAAA:'],
  ['signing', 'assertion_unavailable', 4, undefined],
]

/** Everything in the text that only its issuer, its bearer or the gate may know. */
const expectNoSecret = (text: string, bearer: string): void => {
  const { x, y, d } = setting.issuer.privateJwk
  const parts = bearer.split('.').filter((part) => part.length > 8)
  for (const secret of [bearer, ...parts, x, y, d, SECRET]) expect(text).not.toContain(secret)
}

const timing = (response: Response) =>
  (response.headers.get('server-timing') ?? '').split(', ').map((metric) => {
    const [, stage, desc, dur] =
      /^([a-z_]+);desc="([a-z]+)";dur=(\d+(?:\.\d+)?)$/.exec(metric) ?? []
    return [stage, desc, Number(dur) >= 0]
  })

const stepsOf = (stage: string, last: string) =>
  STAGES.slice(0, STAGES.indexOf(stage) + 1).map((name) => [name, name === stage ? last : 'passed'])

const timed = (steps: readonly (readonly unknown[])[]) => steps.map((step) => [...step, true])

describe('a denial', () => {
  it('is tried at every stage that denies', () => {
    const denying = GUARD.stages.filter(({ denials }) => denials.length > 0)
    const tried = [
      ...ROWS.map(([stage]) => stage),
      ...ELSEWHERE.map(([stage]) => stage),
      'mcp_access',
    ]
    expect(new Set(tried)).toEqual(new Set(denying.map(({ name }) => name)))
  })

  it.each(ELSEWHERE)('at %s, too', async (stage, code, at, digest) => {
    const response = await askBy(setting.gate.beside[at] as Gate, '/v1/x', {
      method: 'POST',
      body: '{}',
      token: await token({ scope: 'chat:write' }),
      headers: digest === undefined ? {} : { 'content-digest': digest },
    })
    expect(await response.json()).toMatchObject({
      code,
      steps: stepsOf(stage, 'denied').map(([stage, outcome]) => ({ stage, outcome })),
    })
  })

  it('of a call to an MCP server tells its steps inside of JSON-RPC', async () => {
    const params = { name: 'other', arguments: { secret: 'argument-secret' } }
    const response = await ask('/v1/mcp', {
      method: 'POST',
      token: await token(),
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2025-11-25' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    })
    expect(response.status).toBe(200)
    const text = await response.text()
    expect(text).not.toContain('argument-secret')
    const { data } = JSON.parse(text).error
    expect(data.code).toBe('tool_not_allowed')
    expect(data.steps.map((step: Step) => [step.stage, step.outcome])).toEqual(
      stepsOf('mcp_access', 'denied'),
    )
    expect(data.steps.at(-1).detail).toEqual({ method: 'tools/call', tool: 'other' })
  })

  it.each(ROWS)('at %s (%s, %s) tells every step until then', async (stage, code, path, make) => {
    const bearer = await make()
    const response = await ask(path, { token: bearer })
    const text = await response.clone().text()
    const body = JSON.parse(text) as { readonly code: string; readonly steps: readonly Step[] }
    expect(body.code).toBe(code)
    expect(body.steps.map((step) => [step.stage, step.outcome])).toEqual(stepsOf(stage, 'denied'))
    for (const { ms, detail } of body.steps) {
      expect(ms).toBeGreaterThanOrEqual(0)
      expect(detail).toEqual(expect.any(Object))
    }
    expect(timing(response)).toEqual(timed(stepsOf(stage, 'denied')))
    expectNoSecret(text + JSON.stringify([...response.headers]), bearer)
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('tells what each step found', async () => {
    const bearer = await token({ client_id: 'agent-7', scope: 'a:write b:read' })
    const response = await ask('/v1/x?query-confidential', { token: bearer })
    const { steps } = (await response.json()) as { readonly steps: readonly Step[] }
    const found = Object.fromEntries(steps.map(({ stage, detail }) => [stage, detail]))
    const { issuer, kid } = setting.issuer
    expect(found).toMatchObject({
      route: { route: 'GET,POST /v1/{id}', path: '/v1/x', params: { id: 'x' } },
      credential: { alg: 'ES256', typ: 'at+jwt', kid, claimed_issuer: issuer },
      issuer: { issuer, entry: 'acme' },
      signature: { kid },
      claims: { aud: LOCAL, scopes: ['a:write', 'b:read'] },
      delegation: { agent: 'acme/agent-7', actors: [] },
    })
    expect(JSON.stringify(steps)).not.toContain('query-confidential')
  })

  it('tells of the claims of an unverified token only who issued it', async () => {
    const claims = { sub: 'claim-sub-44', client_id: 'claim-client-44', jti: 'claim-jti-44' }
    const [head, payload] = (await token(claims)).split('.')
    const response = await ask('/v1/x', { token: `${head}.${payload}.${'A'.repeat(86)}` })
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ code: 'signature_invalid' })
    expect(text).not.toMatch(/claim-[a-z]+-44/)
  })

  it('of HEAD has no body, and Server-Timing all the same', async () => {
    const response = await ask('/v1/x', { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([401, ''])
    expect(timing(response)).toEqual(timed(stepsOf('credential', 'denied')))
  })
})

describe('Server-Timing of an allowed request', () => {
  it('has every stage, behind what the origin says', async () => {
    setting.origin.on('*', reply(200, { 'server-timing': 'db;dur=5' }, 'fine'))
    const response = await ask('/v1/x', { token: await token() })
    expect(await response.text()).toBe('fine')
    const all = response.headers.get('server-timing') ?? ''
    expect(all.startsWith('db;dur=5, ')).toBe(true)
    expect([...all.matchAll(/([a-z_]+);desc="passed"/g)].map(([, name]) => name)).toEqual(STAGES)
  })

  it.each([
    ['a public rule', '/public', stepsOf('credential', 'ended')],
    ['the metadata', '/.well-known/oauth-protected-resource', stepsOf('credential', 'ended')],
  ])('ends where the line ended: %s', async (_name, path, steps) => {
    const response = await ask(path)
    expect(response.status).toBe(200)
    expect(timing(response)).toEqual(timed(steps))
  })

  it('says where a rule in shadow mode would have denied', async () => {
    const response = await askBy(shadow, '/v1/x')
    expect(response.status).toBe(200)
    expect(timing(response)).toEqual(timed(stepsOf('credential', 'denied')))
  })

  it('has the steps of a request that its origin failed', async () => {
    setting.origin.on('*', (req) => req.socket.destroy())
    const response = await ask('/v1/x', { token: await token() })
    expect(response.status).toBe(502)
    expect(timing(response)).toEqual(timed(STAGES.map((name) => [name, 'passed'])))
    expect(await response.json()).toMatchObject({
      code: 'origin_unreachable',
      steps: STAGES.map((stage) => ({ stage, outcome: 'passed' })),
    })
  })
})

describe('without details', () => {
  it.each<[string, string, () => Promise<AskInit>]>([
    ['a denial', '/v1/x', async () => ({})],
    ['a denial far behind', '/v1/injected', async () => ({ token: await token() })],
    ['an allowed request', '/v1/x', async () => ({ token: await token() })],
    ['a public rule', '/public', async () => ({})],
  ])('there are neither steps nor Server-Timing: %s', async (_name, path, init) => {
    const response = await askBy(standard, path, await init())
    expect(response.headers.has('server-timing')).toBe(false)
    expect(await response.json()).not.toHaveProperty('steps')
  })
})

describe('details where others can call', () => {
  it('make the policy invalid', async () => {
    const other = setting.gate.beside[2] as Gate
    for (const path of ['/v1/x', '/public', '/nowhere', REVOCATIONS]) {
      const response = await askBy(other, path, { token: await token() })
      expect(response.headers.has('server-timing')).toBe(false)
      expect(await response.clone().json()).not.toHaveProperty('steps')
      expect(await outcome(response)).toEqual({ status: 503, code: 'policy_invalid' })
    }
    expect(setting.origin.requests).toHaveLength(0)
  })
})
