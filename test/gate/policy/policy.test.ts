import { describe, expect, it } from 'vitest'
import { takesIssuer } from '../../../src/gate/model/route.ts'
import { readPolicy } from '../../../src/gate/policy/policy.ts'
import { ACME, CHAT, ENV, GATE, ITEM, mistakes, policy, rule, type Vars } from './support.ts'

const KEY = `\${KEY}`
const API = 'https://api.example.com'
const chat = (change: object): Vars => ({ ROUTES: [{ ...CHAT, ...change }] })
const issuer = (entry: object = {}) =>
  policy({ ISSUERS: { acme: { ...ACME, ...entry } } }).issuers.get(ACME.issuer)

describe('a policy', () => {
  it('serves the hosts of every resource and rule where none are named', () => {
    const { gate } = policy({
      ROUTES: [
        CHAT,
        { ...CHAT, match: 'GET /a', resource: 'https://b.example.net/a' },
        { ...CHAT, match: 'GET /b', host: 'c.example.org' },
      ],
    })
    expect(gate.hosts).toEqual(new Set(['api.example.com', 'b.example.net', 'c.example.org']))
  })

  it('removes from each request the headers that any rule sets', () => {
    const { gate } = policy({
      GATE: { ...GATE, identity_headers: { 'X-Forwarded-User': 'sub' } },
      ROUTES: [
        { ...CHAT, forward_claims: { X_Tenant: 'tenant' } },
        { ...ITEM, inject: { 'X-Api-Key': KEY } },
      ],
    })
    expect(gate.ownHeaders).toEqual(new Set(['x-forwarded-user', 'x-tenant', 'x-api-key']))
  })

  it('is frozen with everything in it', () => {
    const made = policy({ ISSUERS: { acme: { ...ACME, audiences: ['a'] } } })
    const [entry] = made.issuers.values()
    const [route] = made.routes
    const parts = [made, made.gate, made.gate.clientIp, made.gate.revocation, made.router, entry]
    const ofRule = [route, route?.scopes, route?.scopes.scopes, route?.target, route?.methods]
    for (const part of [...parts, ...ofRule, entry?.audiences, route?.revocation]) {
      expect(part && Object.isFrozen(part)).toBe(true)
    }
  })

  it('is read of variables in parts, and its mistakes are told by the names of these', () => {
    const good = { GATE, ISSUERS: { acme: ACME }, ROUTES: [CHAT] }
    const read = readPolicy({ ...good, ROUTE: [{}], ROUTES_2: [{ match: 'GET /x' }] }, ENV)
    expect(!read.ok && read.reason.map(({ path }) => path)).toEqual(['ROUTE', 'ROUTES_2[0].scopes'])
    expect(readPolicy({ ...good, ROUTE: [{}] }, ENV).ok).toBe(false)
    expect(readPolicy(good, ENV).ok).toBe(true)
  })
})

describe('a rule', () => {
  it.each<[string, object, object, number]>([
    ['nothing', {}, {}, 300],
    ['a strict rule', {}, { revocation: 'strict' }, 0],
    ['a strict gate', { revocation: { consistency: 'strict' } }, {}, 0],
    [
      'a bounded rule of a strict gate',
      { revocation: { consistency: 'strict' } },
      { revocation: 'bounded' },
      300,
    ],
    ['a strict rule that lets finish', {}, { revocation: 'strict', on_expiry: 'finish' }, 300],
    ['GATE', { on_expiry: 'cut' }, {}, 0],
    ['a rule, before GATE', { on_expiry: 'cut' }, { on_expiry: 'finish', finish_within: '1m' }, 60],
    ['the time of GATE', { finish_within: '10s' }, {}, 10],
  ])('lets answers finish within what %s says', (_, gate, more, within) => {
    const vars = { GATE: { ...GATE, ...gate }, ...chat(more) }
    expect(rule(vars).finishWithin).toBe(within)
  })

  it('that lists actors requires one', () => {
    const requires = (delegation: object) => rule(chat({ delegation })).delegation?.requireActor
    expect(requires({ actors: ['planner'] })).toBe(true)
    expect(requires({ actors: ['planner'], require_actor: false })).toBe(false)
    expect(requires({ subjects: ['alice'] })).toBe(false)
  })

  it('takes the binding of GATE for the origin of GATE, and its own for its own', () => {
    const { routes } = policy({
      GATE: { ...GATE, origin_via: 'MTLS' },
      ROUTES: [
        CHAT,
        { ...ITEM, match: 'GET /a', origin: 'https://o.example' },
        { ...ITEM, match: 'GET /b', origin: 'https://o.example', origin_via: 'VPC' },
        { ...ITEM, match: 'GET /c', origin_via: 'VPC' },
      ],
    })
    expect(routes.map(({ target }) => target.via)).toEqual(['MTLS', undefined, 'VPC', 'VPC'])
  })
})

describe('cors', () => {
  const ORIGIN = 'https://app.example.com'
  const MCP = { mcp: { tools: { weather: [] }, origins: [ORIGIN] } }
  const OF_MCP = [
    'mcp-protocol-version',
    'mcp-session-id',
    'last-event-id',
    'mcp-method',
    'mcp-name',
  ]
  const ALWAYS = ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'X-Request-Id']
  const corsOf = (cors: object, more: object = {}) => {
    const written = { match: 'GET,POST /mcp', scopes: [], cors: { origins: [ORIGIN], ...cors } }
    return policy({ ROUTES: [{ ...written, ...more }] }).routes[0]?.cors
  }

  it.each<[object, object, object]>([
    [{}, {}, { methods: ['GET', 'HEAD', 'POST'], headers: ['authorization', 'content-type'] }],
    [{}, {}, { expose: ALWAYS, credentials: false }],
    [{ headers: [] }, {}, { headers: [] }],
    [{ methods: ['POST'], expose: ['x-b'] }, {}, { methods: ['POST'], expose: ['x-b', ...ALWAYS] }],
    [{}, MCP, { headers: ['authorization', 'content-type', ...OF_MCP] }],
    [{}, MCP, { expose: [...ALWAYS, 'Mcp-Session-Id'] }],
    [{ expose: ['mcp-session-id'] }, MCP, { expose: ['Mcp-Session-Id', ...ALWAYS] }],
    [{ headers: ['authorization'] }, MCP, { headers: ['authorization'] }],
  ])('with %j allows what clients of the rule need: %j, %j', (written, more, expected) => {
    expect(corsOf(written, more)).toMatchObject(expected)
  })
})

describe('the metadata of a resource', () => {
  it('has the scopes and types of details of its rules, each once, and their issuers', () => {
    const other = { ...CHAT, resource: `${API}/chat` }
    const { resources } = policy({
      ROUTES: [
        {
          ...ITEM,
          scopes: { any: ['a', 'b:{id}', 'a'] },
          authorization_details: [{ type: 'tool' }],
        },
        { ...ITEM, match: 'PUT /v1/items/{id}', authorization_details: [{ type: 'tool' }] },
        { ...other, authorization_details: [{ type: 'chat' }] },
        { match: 'GET /p', access: 'public' },
      ],
    })
    const said = { authorizationServers: [ACME.issuer], needsPossession: false }
    expect([...resources]).toEqual([
      [API, { scopes: ['a', 'items:read'], detailTypes: ['tool'], ...said }],
      [other.resource, { scopes: ['chat:write'], detailTypes: ['chat'], ...said }],
    ])
  })

  it.each([
    [{ possession: 'required' }, {}, {}, true],
    [{}, { possession: 'required' }, {}, true],
    [{ possession: 'required' }, {}, { match: 'GET /other', scopes: [] }, false],
    [{ possession: 'required' }, {}, { match: 'GET /other', access: 'public' }, true],
    [{ possession: 'if-bound' }, {}, {}, false],
  ])('says whether all tokens must be bound (%j, issuer %j, beside %j)', (own, acme, other, is) => {
    const routes = [{ ...CHAT, ...own }, ...('match' in other ? [other] : [])]
    const made = policy({ ISSUERS: { acme: { ...ACME, ...acme } }, ROUTES: routes })
    expect(made.resources.get(API)?.needsPossession).toBe(is)
  })
})

describe('an issuer', () => {
  it.each<[object, boolean]>([
    [{}, false],
    [{ entity_profiles: true }, true],
    [{ profile: 'actor' }, true],
    [{ profile: 'auth0' }, true],
    [{ profile: 'auth0', entity_profiles: false }, false],
    [{ profile: 'actor', agent_type: 'agent_type' }, false],
    [{ profile: 'okta' }, false],
  ])('with %j: entity profiles are types: %j', (entry, profiles) => {
    expect(issuer(entry)?.entityProfiles ?? false).toBe(profiles)
  })

  it('may name its algorithm by the older name', () => {
    expect(issuer({ algorithms: ['EdDSA'] })?.algorithms).toEqual(['Ed25519'])
  })

  it('never finds its keys at the gate itself', () => {
    const never = [API, 'http://api.example.com']
    expect(issuer()?.keys).toEqual({ kind: 'discovery', never })
  })

  it('with rules = false is taken by the endpoints of the gate, and by no rule', () => {
    const ops = { issuer: 'https://ops.ops.invalid', admin: 'all', rules: false }
    const made = policy({ ISSUERS: { acme: ACME, ops } })
    expect([...(made.routes[0]?.issuers ?? [])]).toEqual([ACME.issuer])
    const own = made.router.find('GET', 'api.example.com', '/.edgewarden/policy').match?.route
    expect(own && takesIssuer(own, ops.issuer)).toBe(true)
    expect(made.resources.get(GATE.resource)?.authorizationServers).toEqual([ACME.issuer])
    const again = { ...ops, rules: true }
    expect(mistakes({ ISSUERS: { acme: ACME, ops: again } })).toEqual([
      expect.stringMatching(/^ISSUERS\.ops\.agent_prefix: /),
    ])
  })
})
