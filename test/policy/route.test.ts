import { describe, expect, it } from 'vitest'
import { ACME, CHAT, ENV, GATE, ITEM, mistakes, policy, rule, type Vars } from './support.ts'

const chat = (change: object): Vars => ({ ROUTES: [{ ...CHAT, ...change }] })
const item = (change: object): Vars => ({ ROUTES: [{ ...ITEM, ...change }] })
const open = (change: object): Vars => ({
  ROUTES: [{ match: CHAT.match, access: 'public', ...change }],
})
const cors = (change: object): Vars =>
  chat({ cors: { origins: ['https://app.example'], ...change } })
const two = (...routes: readonly object[]): Vars => ({ ROUTES: routes })
const agentic = (change: object): Vars => ({
  ...chat(change),
  ISSUERS: { acme: { ...ACME, profile: 'agentic-jwt' } },
})
const at = (key: string) => `ROUTES[0].${key}`
const KEY = ['$', '{KEY}'].join('')
const MISSING = ['$', '{MISSING}'].join('')

const MISTAKES: readonly (readonly [title: string, vars: Vars, path: string, says: RegExp])[] = [
  ['no rules', { ROUTES: [] }, 'ROUTES', /must have a rule/],
  ['no table', { ROUTES: [null] }, 'ROUTES[0]', /must be a table/],
  ['no match', two({ scopes: [] }), at('match'), /required/],
  ['bad match', chat({ match: 'FETCH /x' }), at('match'), /FETCH/],
  [
    'unknown key',
    chat({ scope: [] }),
    at('scope'),
    /unknown key `scope`; did you mean `scopes`\?\nAllowed: `match`/,
  ],
  ['inherited key', chat({ toString: 1 }), at('toString'), /unknown key/],
  ['host with port', chat({ host: 'api.example.com:1' }), at('host'), /without scheme, port/],
  ['host upper', chat({ host: 'API.example.com' }), at('host'), /lower-case/],
  [
    'host not served',
    { ...chat({ host: 'b.example.com' }), GATE: { ...GATE, hosts: ['api.example.com'] } },
    at('host'),
    /can never match/,
  ],
  ['resource', chat({ resource: 'http://x.example' }), at('resource'), /https/],
  ['resource twice', chat({ resource: 'https://api.example.com/' }), at('resource'), /differs/],
  ['no scopes', two({ match: CHAT.match }), at('scopes'), /required unless/],
  [
    'no scopes, optional',
    two({ match: CHAT.match, access: 'optional' }),
    at('scopes'),
    /required unless/,
  ],
  ['scopes text', chat({ scopes: 'chat:write' }), at('scopes'), /list/],
  [
    'scope token',
    chat({ scopes: ['a b'] }),
    'ROUTES[0].scopes[0]',
    /Two scopes\? Write two texts: "a", "b"/,
  ],
  ['empty scope', chat({ scopes: [''] }), 'ROUTES[0].scopes[0]', /one scope token/],
  ['any empty', chat({ scopes: { any: [] } }), 'ROUTES[0].scopes.any', /empty/],
  ['any missing', chat({ scopes: {} }), 'ROUTES[0].scopes.any', /required/],
  [
    'scopes key',
    chat({ scopes: { all: ['a'] } }),
    'ROUTES[0].scopes.all',
    /a plain list means all/,
  ],
  [
    'template parameter',
    item({ scopes: ['items:{ids}'] }),
    'ROUTES[0].scopes[0]',
    /did you mean `id`/,
  ],
  [
    'template parameter in any',
    item({ scopes: { any: ['a', 'b:{x}'] } }),
    'ROUTES[0].scopes.any[1]',
    /unknown path parameter/,
  ],
  ['template braces', item({ scopes: ['items:{id'] }), 'ROUTES[0].scopes[0]', /written \{name\}/],
  [
    'templates run together',
    two({ match: 'GET /{a}/{b}', scopes: ['x:{a}-{b}'] }),
    'ROUTES[0].scopes[0]',
    /between two/,
  ],
  ['admin scope', chat({ scopes: ['edgewarden:read'] }), 'ROUTES[0].scopes[0]', /own endpoints/],
  ['access', chat({ access: 'none' }), at('access'), /Allowed: `required`, `public`, `optional`/],
  ['scopes on public', open({ scopes: ['a'] }), at('scopes'), /public/],
  ['unknown issuer', chat({ issuers: ['acne'] }), 'ROUTES[0].issuers[0]', /did you mean `acme`/],
  ['no issuer', chat({ issuers: [] }), at('issuers'), /empty/],
  ['audiences', chat({ audiences: [] }), at('audiences'), /empty/],
  ['longer life', chat({ max_lifetime: '20m' }), at('max_lifetime'), /`acme`/],
  ['claims', chat({ claims: { a: [] } }), 'ROUTES[0].claims.a', /empty/],
  ...[2 ** 53, -(2 ** 53), 1e20].flatMap((a) =>
    [a, ['b', a], { min: a }, { max: a }].map(
      (claim) =>
        [
          `claim ${JSON.stringify(claim)}`,
          chat({ claims: { a: claim } }),
          at('claims.a'),
          /exact/,
        ] as const,
    ),
  ),
  ['agent types', chat({ agent_types: [''] }), 'ROUTES[0].agent_types[0]', /non-empty/],
  ['steps of no issuer', chat({ steps: ['a'] }), at('steps'), /profile `agentic-jwt`/],
  ['no step', agentic({ steps: [] }), at('steps'), /empty list/],
  ['a step with |', agentic({ steps: ['a|b'] }), 'ROUTES[0].steps[0]', /and \|/],
  ['a chain of no ids', agentic({ delegation_chains: [[]] }), at('delegation_chains[0]'), /empty/],
  [
    'an id with |',
    agentic({ delegation_chains: [['a', 'b|c']] }),
    at('delegation_chains[0][1]'),
    /and \|/,
  ],
  ['no hash', agentic({ step_sequences: ['a'] }), at('step_sequences[0]'), /16 lower-case hex/],
  ['a number', agentic({ step_sequences: [7] }), at('step_sequences[0]'), /string/],
  [
    'steps on a public rule',
    { ...agentic({}), ...open({ steps: ['a'] }) },
    at('steps'),
    /public rule/,
  ],
  ['workflow source', chat({ workflow: 'cookie:run' }), at('workflow'), /path:NAME/],
  ['workflow header', chat({ workflow: 'header:a b' }), at('workflow'), /header name/],
  ['workflow path', item({ workflow: 'path:run' }), at('workflow'), /unknown path parameter `run`/],
  [
    'wider delegation',
    chat({ delegation: { max_depth: 4 } }),
    'ROUTES[0].delegation.max_depth',
    /`acme`/,
  ],
  [
    'wider delegation issuers',
    chat({ delegation: { issuers: ['https://x.example'] } }),
    'ROUTES[0].delegation.issuers[0]',
    /is not accepted/,
  ],
  ['cors without origins', chat({ cors: {} }), 'ROUTES[0].cors.origins', /required/],
  [
    'cors origin path',
    cors({ origins: ['https://app.example/'] }),
    'ROUTES[0].cors.origins[0]',
    /without a \//,
  ],
  [
    'cors origin with * inside',
    cors({ origins: ['https://*.app.example'] }),
    'ROUTES[0].cors.origins[0]',
    /write each origin whole/,
  ],
  [
    'cors origin with * for a port',
    cors({ origins: ['http://localhost:*'] }),
    'ROUTES[0].cors.origins[0]',
    /write each origin whole/,
  ],
  [
    'cors * and more',
    cors({ origins: ['*', 'https://app.example'] }),
    'ROUTES[0].cors.origins',
    /already/,
  ],
  [
    'cors * with credentials',
    cors({ origins: ['*'], credentials: true }),
    'ROUTES[0].cors.origins',
    /credentials/,
  ],
  [
    'cors * header with credentials',
    cors({ headers: ['*'], credentials: true }),
    'ROUTES[0].cors.headers',
    /credentials/,
  ],
  [
    'cors method of another rule',
    cors({ methods: ['POST', 'PUT'] }),
    'ROUTES[0].cors.methods[1]',
    /`PUT` is not a method of `POST \/v1\/chat`/,
  ],
  [
    'actor of an issuer that does not count',
    chat({ delegation: { actors: ['a', { issuer: 'https://x.example', sub: 'a' }] } }),
    'ROUTES[0].delegation.actors[1].issuer',
    /is not accepted/,
  ],
  [
    'actor of an issuer that the rule leaves out',
    {
      ISSUERS: { acme: { ...ACME, delegation: { issuers: ['https://x.example'] } } },
      ...chat({ delegation: { issuers: [], actors: [{ issuer: 'https://x.example', sub: 'a' }] } }),
    },
    'ROUTES[0].delegation.actors[0].issuer',
    /is not accepted/,
  ],
  [
    'scopes of the parent token',
    chat({ delegation: { parent_scope: 'parent' } }),
    at('delegation.parent_scope'),
    /unknown key/,
  ],
  [
    'claims of an inner actor',
    chat({ claims: { 'act.act.sub': 'supervisor' } }),
    at('claims["act.act.sub"]'),
    /inner actor/,
  ],
  [
    'actor at depth 0',
    chat({ delegation: { max_depth: 0, require_actor: true } }),
    at('delegation.require_actor'),
    /max_depth is 0/,
  ],
  [
    'actors where the issuers have none',
    {
      ISSUERS: { acme: { ...ACME, delegation: { max_depth: 0 } } },
      ...chat({ delegation: { actors: ['a'] } }),
    },
    at('delegation.actors'),
    /max_depth is 0/,
  ],
  ['workflow token', chat({ workflow: 'query:access_token' }), at('workflow'), /credential/],
  ...['Authorization', 'Proxy_Authorization', 'dpop', 'cookie'].map(
    (name) =>
      [
        `workflow ${name}`,
        chat({ workflow: `header:${name}` }),
        at('workflow'),
        /credential/,
      ] as const,
  ),
  [
    'inject X_Request_Id',
    chat({ inject: { X_Request_Id: KEY } }),
    at('inject.X_Request_Id'),
    /cannot be injected/,
  ],
  ['inject twice, folded', chat({ inject: { 'a-b': KEY, A_B: KEY } }), at('inject.A_B'), /twice/],
  ['cors method', cors({ methods: ['FETCH'] }), 'ROUTES[0].cors.methods[0]', /Allowed/],
  ['cors max_age', cors({ max_age: 5 }), 'ROUTES[0].cors.max_age', /write "5s"/],
  ['cors key', cors({ origin: '*' }), 'ROUTES[0].cors.origin', /did you mean `origins`/],
  ['origin is the gate', chat({ origin: 'https://api.example.com' }), at('origin'), /own scheme/],
  ['origin binding', chat({ origin: 'service:MISSING' }), at('origin'), /`MISSING`/],
  ['strip_prefix', chat({ strip_prefix: '/v2' }), at('strip_prefix'), /first whole segments/],
  [
    'strip_prefix in a segment',
    chat({ strip_prefix: '/v1/ch' }),
    at('strip_prefix'),
    /first whole segments/,
  ],
  ['strip_prefix slash', chat({ strip_prefix: '/v1/' }), at('strip_prefix'), /end in/],
  [
    'strip_prefix parameter',
    item({ strip_prefix: '/v1/items/{id}' }),
    at('strip_prefix'),
    /literal/,
  ],
  ['timeout', chat({ timeout: '0ms' }), at('timeout'), /longer/],
  ['in_flight', chat({ in_flight: 0 }), at('in_flight'), /1 to 100000/],
  [
    'inject without secret',
    chat({ inject: { Authorization: 'Bearer abc' } }),
    'ROUTES[0].inject.Authorization',
    /template with a secret/,
  ],
  [
    'inject missing secret',
    chat({ inject: { authorization: `Bearer ${MISSING}` } }),
    'ROUTES[0].inject.authorization',
    /`MISSING`, which is not set/,
  ],
  [
    'inject malformed',
    chat({ inject: { a: `${KEY} \${` } }),
    'ROUTES[0].inject.a',
    /visible ASCII/,
  ],
  [
    'inject header name',
    chat({ inject: { 'a b': KEY } }),
    'ROUTES[0].inject["a b"]',
    /not a header name/,
  ],
  ['inject Host', chat({ inject: { Host: KEY } }), 'ROUTES[0].inject.Host', /cannot be injected/],
  ...['Mcp-Session-Id', 'mcp_protocol_version', 'MCP-Method', 'Mcp-Name', 'Last-Event-ID'].map(
    (name) =>
      [
        `inject ${name}`,
        chat({ inject: { [name]: KEY } }),
        at(`inject.${name}`),
        /header of MCP/,
      ] as const,
  ),
  ['inject twice', chat({ inject: { a: KEY, A: KEY } }), 'ROUTES[0].inject.A', /twice/],
  [
    'inject identity',
    chat({ inject: { X_Agent_Id: KEY } }),
    'ROUTES[0].inject.x_agent_id',
    /identity/,
  ],
  ['inject on public', open({ inject: { a: KEY } }), at('inject'), /public/],
  [
    'inject on optional',
    chat({ access: 'optional', inject: { a: KEY } }),
    at('inject'),
    /optional/,
  ],
  [
    'inject and forward',
    chat({ forward_token: true, inject: { Authorization: KEY } }),
    at('forward_token'),
    /both/,
  ],
  ['encoded_slash', chat({ encoded_slash: true }), at('encoded_slash'), /\{parameter\}/],
  ...['mcp.auth', '.', 'a..', 'a b.', 'a,b.', 'a|b.', ''].map(
    (prefix) =>
      [
        `token_subprotocols ${prefix}`,
        chat({ token_subprotocols: ['acme.key.', prefix] }),
        'ROUTES[0].token_subprotocols[1]',
        /up to the token/,
      ] as const,
  ),
  [
    'token_subprotocols, none',
    chat({ token_subprotocols: [] }),
    at('token_subprotocols'),
    /empty list/,
  ],
  [
    'token_subprotocols on public',
    open({ token_subprotocols: ['mcp.auth.'] }),
    at('token_subprotocols'),
    /public/,
  ],
  [
    'workflow in subprotocols',
    chat({ workflow: 'header:Sec-WebSocket-Protocol' }),
    at('workflow'),
    /credential/,
  ],
  ['under the prefix', chat({ match: 'GET /.edgewarden/x' }), at('match'), /gate itself/],
  [
    'under the prefix, escaped',
    { ...chat({ match: 'GET /ops%3Agate/x' }), GATE: { ...GATE, prefix: '/ops:gate' } },
    at('match'),
    /gate itself/,
  ],
  ['the prefix', chat({ match: 'GET /.edgewarden' }), at('match'), /gate itself/],
  [
    'under metadata',
    chat({ match: 'GET /.well-known/oauth-protected-resource/x' }),
    at('match'),
    /gate itself/,
  ],
  [
    'metadata of an issuer without its path',
    chat({ match: 'GET /.well-known/oauth-authorization-server/{tenant}' }),
    at('match'),
    /can never match: .*spells out/,
  ],
  [
    'metadata of OpenID below',
    chat({ match: 'GET /.well-known/openid-configuration/*' }),
    at('match'),
    /can never match: .*spells out/,
  ],
  [
    'metadata at the origin',
    chat({ match: 'GET /as/.well-known/oauth-x/{tenant}', strip_prefix: '/as' }),
    at('match'),
    /can never match: .*spells out/,
  ],
  [
    'shadowed',
    two(CHAT, { ...CHAT, match: 'POST /v1/*' }, { ...CHAT, match: 'POST /v1/x' }),
    'ROUTES[2].match',
    /can never match: `POST \/v1\/\*`/,
  ],
  ['twice', two(CHAT, CHAT), 'ROUTES[1].match', /can never match/],
  ...['issuers', 'audiences', 'agent_types'].map(
    (key) => [`${key} on public`, open({ [key]: ['acme'] }), at(key), /no effect/] as const,
  ),
  ['max_lifetime on public', open({ max_lifetime: '1m' }), at('max_lifetime'), /no effect/],
  ['claims on public', open({ claims: { a: 1 } }), at('claims'), /no effect/],
  ['workflow on public', open({ workflow: 'query:a' }), at('workflow'), /no effect/],
  ['delegation on public', open({ delegation: { max_depth: 1 } }), at('delegation'), /no effect/],
  ['revocation on public', open({ revocation: 'strict' }), at('revocation'), /no effect/],
  ['on_expiry on public', open({ on_expiry: 'cut' }), at('on_expiry'), /no effect/],
  ['finish_within too long', chat({ finish_within: '61m' }), at('finish_within'), /at most 60m/],
  [
    'finish_within where nothing finishes',
    chat({ finish_within: '1m', on_expiry: 'cut' }),
    at('finish_within'),
    /no effect with on_expiry = "cut"/,
  ],
  [
    'finish_within on a strict rule',
    chat({ finish_within: '1m', revocation: 'strict' }),
    at('finish_within'),
    /the default of strict rules/,
  ],
  [
    'on_expiry where nothing ends',
    chat({ on_expiry: 'cut', on_revocation: 'ignore' }),
    at('on_expiry'),
    /no effect with on_revocation = "ignore"/,
  ],
  ['on_revocation on public', open({ on_revocation: 'ignore' }), at('on_revocation'), /no effect/],
]

describe('mistakes in ROUTES', () => {
  it.each(MISTAKES)('%s', (_, vars, path, says) => {
    const found = mistakes(vars).filter((line) => line.startsWith(`${path}: `))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(says)
  })

  it.each(['line\nbreak', ''])('never show a secret that cannot be sent: %j', (secret) => {
    const env = { ...ENV, secret: (name: string) => (name === 'KEY' ? secret : undefined) }
    const [line, ...rest] = mistakes(chat({ inject: { a: KEY } }), env)
    expect(rest).toEqual([])
    expect(line).toMatch(/^ROUTES\[0\]\.inject\.a: .*`KEY`/)
    expect(line).not.toContain('break\n')
  })

  it('never show what a template says', () => {
    expect(mistakes(chat({ inject: { a: 'pasted-secret' } })).join()).not.toContain('pasted')
  })
})

describe('ROUTES', () => {
  it('has the documented defaults', () => {
    expect(rule({})).toEqual({
      name: 'POST /v1/chat',
      methods: ['POST'],
      path: '/v1/chat',
      resource: 'https://api.example.com',
      access: 'required',
      scopes: { mode: 'all', scopes: [{ source: 'chat:write', parts: ['chat:write'] }] },
      claims: [],
      mode: 'enforce',
      revocation: { consistency: 'bounded', maxStaleness: 5_000 },
      target: {
        url: new URL('https://origin.example.com'),
        audience: 'https://origin.example.com',
        stripPrefix: '',
      },
      onRevocation: 'end-streams',
      finishWithin: 300,
      inject: [],
      secrets: [],
      forwardClaims: [],
      removedFromAnswers: [],
      forwardToken: false,
      encodedSlash: false,
    })
  })

  it('reads every key', () => {
    const read = rule(
      item({
        host: 'api.example.com',
        resource: 'https://api.example.com/v1',
        scopes: { any: ['items:read', 'items:{id}:read'] },
        issuers: ['acme'],
        audiences: ['items'],
        max_lifetime: '5m',
        agent_types: ['worker'],
        workflow: 'path:id',
        delegation: { max_depth: 1 },
        origin: 'service:ITEMS',
        strip_prefix: '/v1',
        timeout: '30s',
        revocation: { consistency: 'bounded', max_staleness: '2s' },
        inject: { Authorization: `Bearer ${KEY}` },
        encoded_slash: true,
      }),
      '/v1/items/7',
      'GET',
    )
    expect(read).toMatchObject({
      methods: ['GET', 'HEAD'],
      host: 'api.example.com',
      resource: 'https://api.example.com/v1',
      scopes: {
        mode: 'any',
        scopes: [
          { parts: ['items:read'] },
          { source: 'items:{id}:read', parts: ['items:', 'id', ':read'] },
        ],
      },
      issuers: new Set([ACME.issuer]),
      audiences: ['items'],
      maxLifetime: 300,
      agentTypes: new Set(['worker']),
      workflow: { from: 'path', name: 'id' },
      delegation: { maxDepth: 1, requireActor: false, issuers: new Set() },
      revocation: { consistency: 'bounded', maxStaleness: 2_000 },
      target: {
        url: new URL('https://api.example.com/'),
        audience: 'service:ITEMS',
        service: 'ITEMS',
        stripPrefix: '/v1',
        timeout: 30_000,
      },
      inject: [['authorization', 'Bearer s3cr3t-value', `Bearer ${KEY}`]],
      encodedSlash: true,
    })
  })

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
  ])('answers finish within what %s says', (_, gate, more, within) => {
    const { finishWithin } = rule({
      GATE: { ...GATE, ...gate },
      ROUTES: [{ match: 'POST /v1/chat', scopes: [], ...more }],
    })
    expect(finishWithin).toBe(within)
  })

  it('takes the timeout and origin of GATE', () => {
    const { target } = rule({ GATE: { ...GATE, origin: 'https://o.example/base', timeout: '7s' } })
    expect(target).toEqual({
      url: new URL('https://o.example/base'),
      audience: 'https://o.example/base',
      stripPrefix: '',
      timeout: 7_000,
    })
  })

  it('a rule may name the actors of its issuers and of those that count for them', () => {
    const third = 'https://x.example'
    const actors = [
      { issuer: third, sub: 'a' },
      { issuer: 'acme', sub: 'b' },
    ]
    const vars = {
      ISSUERS: { acme: { ...ACME, delegation: { issuers: [third] } } },
      ...chat({ delegation: { actors } }),
    }
    expect(mistakes(vars)).toEqual([])
  })

  it('a rule narrows delegation within what its issuers allow', () => {
    const delegation = { issuers: ['https://peer.example'] }
    const read = rule({
      ISSUERS: { acme: { ...ACME, delegation } },
      ROUTES: [{ ...CHAT, delegation: { require_actor: true } }],
    })
    expect(read.delegation).toEqual({
      maxDepth: 10,
      requireActor: true,
      issuers: new Set(['https://peer.example']),
    })
  })

  it('a rule that lists actors requires one', () => {
    const requires = (delegation: object) =>
      rule({ ROUTES: [{ ...CHAT, delegation }] }).delegation?.requireActor
    expect(requires({ actors: ['planner'] })).toBe(true)
    expect(requires({ actors: ['planner'], require_actor: false })).toBe(false)
    expect(requires({ subjects: ['alice'] })).toBe(false)
  })

  it('fills cors in', () => {
    expect(
      rule(cors({ expose: ['Retry-After', 'X-Cost'], max_age: '10m', credentials: true })).cors,
    ).toEqual({
      origins: ['https://app.example'],
      methods: ['POST'],
      headers: ['authorization', 'content-type'],
      expose: ['Retry-After', 'x-cost', 'WWW-Authenticate', 'DPoP-Nonce', 'X-Request-Id'],
      credentials: true,
      maxAge: 600,
    })
  })

  it('[] means any valid token, and public means none', () => {
    expect(rule(chat({ scopes: [] })).scopes).toEqual({ mode: 'all', scopes: [] })
    expect(rule(open({ scopes: [] })).access).toBe('public')
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
    expect(made.resources.get('https://api.example.com')?.needsPossession).toBe(is)
  })

  it('gathers what the metadata says', () => {
    expect(policy({}).resources.get('https://api.example.com')).toEqual({
      scopes: ['chat:write'],
      detailTypes: [],
      authorizationServers: [ACME.issuer],
      needsPossession: false,
    })
  })
})
