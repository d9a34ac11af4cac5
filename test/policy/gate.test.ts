import { describe, expect, it } from 'vitest'
import { ACME, CHAT, GATE, mistakes, parse, policy, type Vars } from './support.ts'

const gate = (change: object): Vars => ({ GATE: { ...GATE, ...change } })

const MISTAKES: readonly (readonly [title: string, vars: Vars, path: string, says: RegExp])[] = [
  ['no GATE', { GATE: {} }, 'GATE.resource', /required/],
  ['no origin', { GATE: { resource: GATE.resource } }, 'GATE.origin', /required/],
  ['GATE no table', { GATE: [] }, 'GATE', /must be a table/],
  [
    'unknown key',
    gate({ host: [] }),
    'GATE.host',
    /unknown key `host`; did you mean `hosts`\?\nAllowed: `resource`/,
  ],
  ['inherited key', gate({ constructor: 1 }), 'GATE.constructor', /unknown key/],
  [
    'nonces without keys',
    gate({ dpop_nonce: true, assertion: 'off' }),
    'GATE.dpop_nonce',
    /signed/,
  ],
  [
    'a console without keys',
    gate({ console: { host: 'ops.example.com' }, assertion: 'off' }),
    'GATE.console',
    /signed/,
  ],
  ['a console nowhere', gate({ console: {} }), 'GATE.console.host', /required/],
  [
    'a console with a port',
    gate({ console: { host: 'ops.example.com:8080' } }),
    'GATE.console.host',
    /without scheme, port or path/,
  ],
  [
    'a console at the API',
    gate({ console: { host: 'api.example.com' } }),
    'GATE.console.host',
    /a host of its own/,
  ],
  [
    'a console at the host of a rule',
    {
      GATE: { ...GATE, hosts: ['api.example.com'], console: { host: 'ops.example.com' } },
      ROUTES: [{ ...CHAT, resource: 'https://ops.example.com/mcp' }],
    },
    'GATE.console.host',
    /a host of its own/,
  ],
  [
    'an origin at the console',
    gate({ console: { host: 'ops.example.com' }, origin: 'https://ops.example.com' }),
    'GATE.origin',
    /round in circles/,
  ],
  ['mode', gate({ mode: 'off' }), 'GATE.mode', /Allowed: `enforce`, `shadow`/],
  ['denial_docs http', gate({ denial_docs: 'http://d.example/x' }), 'GATE.denial_docs', /loopback/],
  ['denial_docs relative', gate({ denial_docs: '/denials' }), 'GATE.denial_docs', /absolute/],
  [
    'denial_docs code',
    gate({ denial_docs: 'https://d.example/#x' }),
    'GATE.denial_docs',
    /fragment/,
  ],
  ['denial_docs query', gate({ denial_docs: 'https://d.example/?x' }), 'GATE.denial_docs', /query/],
  ['journal over all', gate({ journal: { allowed: 1.5 } }), 'GATE.journal.allowed', /0 to 1/],
  ['journal below none', gate({ journal: { allowed: -1 } }), 'GATE.journal.allowed', /0 to 1/],
  ['journal of denials', gate({ journal: { denied: 0 } }), 'GATE.journal.denied', /unknown key/],
  ['resource http', gate({ resource: 'http://api.example.com' }), 'GATE.resource', /https/],
  [
    'resource fragment',
    gate({ resource: 'https://api.example.com/#x' }),
    'GATE.resource',
    /fragment/,
  ],
  [
    'resource empty fragment',
    gate({ resource: 'https://api.example.com/#' }),
    'GATE.resource',
    /fragment/,
  ],
  ['resource query', gate({ resource: 'https://api.example.com/?x' }), 'GATE.resource', /query/],
  [
    'resource empty query',
    gate({ resource: 'https://api.example.com/?' }),
    'GATE.resource',
    /must be/,
  ],
  [
    'resource credentials',
    gate({ resource: 'https://a:b@api.example.com' }),
    'GATE.resource',
    /credentials/,
  ],
  ['resource relative', gate({ resource: '/api' }), 'GATE.resource', /absolute/],
  [
    'resource dot segment',
    gate({ resource: 'https://api.example.com/a/../b' }),
    'GATE.resource',
    /dot/,
  ],
  ['resource wildcard', gate({ resource: 'https://api.example.com/*' }), 'GATE.resource', /\*/],
  ['resource odd host', gate({ resource: 'https://0x7f.1' }), 'GATE.resource', /127\.0\.0\.1/],
  ['resource no string', gate({ resource: 1 }), 'GATE.resource', /string/],
  ['origin scheme', gate({ origin: 'ftp://x.example' }), 'GATE.origin', /https/],
  ['origin credentials', gate({ origin: 'https://u:p@x.example' }), 'GATE.origin', /credentials/],
  ['origin query', gate({ origin: 'https://x.example/?q' }), 'GATE.origin', /query/],
  ['origin fragment', gate({ origin: 'https://x.example/#q' }), 'GATE.origin', /fragment/],
  [
    'origin missing binding',
    gate({ origin: 'service:MISSING' }),
    'GATE.origin',
    /binding `MISSING`/,
  ],
  ['origin bad binding name', gate({ origin: 'service:a b' }), 'GATE.origin', /service/],
  [
    'origin is the resource',
    gate({ origin: 'https://api.example.com/v1' }),
    'GATE.origin',
    /own scheme/,
  ],
  [
    'origin is a host',
    gate({ hosts: ['gate.example.com', 'api.example.com'], origin: 'https://gate.example.com' }),
    'GATE.origin',
    /own scheme/,
  ],
  [
    'hosts with port',
    gate({ hosts: ['api.example.com:8443'] }),
    'GATE.hosts[0]',
    /without scheme, port/,
  ],
  ['hosts upper case', gate({ hosts: ['API.example.com'] }), 'GATE.hosts[0]', /lower-case/],
  ['hosts URL', gate({ hosts: ['https://api.example.com'] }), 'GATE.hosts[0]', /plain host/],
  ['hosts empty', gate({ hosts: [] }), 'GATE.hosts', /empty/],
  ['hosts no list', gate({ hosts: 'x' }), 'GATE.hosts', /list/],
  ['insecure_http', gate({ insecure_http: 'yes' }), 'GATE.insecure_http', /true or false/],
  ['proof age', gate({ proof_max_age: '0s' }), 'GATE.proof_max_age', /at least 1s/],
  ['old proofs', gate({ proof_max_age: '301s' }), 'GATE.proof_max_age', /at most/],
  ['proofs ahead', gate({ proof_max_ahead: '61s' }), 'GATE.proof_max_ahead', /at most 60s/],
  ['tolerance', gate({ clock_tolerance: '61s' }), 'GATE.clock_tolerance', /at most 60s/],
  [
    'tolerance in parts',
    gate({ clock_tolerance: '1500ms' }),
    'GATE.clock_tolerance',
    /whole seconds/,
  ],
  ['nothing in flight', gate({ in_flight: 0 }), 'GATE.in_flight', /1 to 100000/],
  ['half in flight', gate({ in_flight: 1.5 }), 'GATE.in_flight', /whole/],
  ['text in flight', gate({ in_flight: '8' }), 'GATE.in_flight', /whole/],
  ['too many in flight', gate({ in_flight: 100_001 }), 'GATE.in_flight', /1 to 100000/],
  ['duration', gate({ timeout: '10 minutes' }), 'GATE.timeout', /unit/],
  ['duration zero', gate({ timeout: '0s' }), 'GATE.timeout', /longer than nothing/],
  ['duration number', gate({ timeout: 10 }), 'GATE.timeout', /write "10s"/],
  ['duration over a timer', gate({ timeout: '25d' }), 'GATE.timeout', /at most/],
  ['prefix slash', gate({ prefix: '/' }), 'GATE.prefix', /./],
  ['prefix ends in slash', gate({ prefix: '/gate/' }), 'GATE.prefix', /./],
  ['prefix parameter', gate({ prefix: '/{x}' }), 'GATE.prefix', /literal/],
  ['prefix not canonical', gate({ prefix: '/%61' }), 'GATE.prefix', /./],
  ['prefix dot segment', gate({ prefix: '/a/../b' }), 'GATE.prefix', /dot segment/],
  ['prefix well-known', gate({ prefix: '/.well-known' }), 'GATE.prefix', /well-known/],
  ['prefix relative', gate({ prefix: 'gate' }), 'GATE.prefix', /\//],
  [
    'identity prefix of one word',
    gate({ identity_prefix: 'agent-' }),
    'GATE.identity_prefix',
    /two/,
  ],
  [
    'identity prefix taken',
    gate({ identity_prefix: 'x-forwarded-' }),
    'GATE.identity_prefix',
    /other headers/,
  ],
  [
    'identity prefix upper',
    gate({ identity_prefix: 'X-Agent-' }),
    'GATE.identity_prefix',
    /lower-case/,
  ],
  ['strip_headers', gate({ strip_headers: ['a b'] }), 'GATE.strip_headers[0]', /header name/],
  ['client_ip', gate({ client_ip: 'a b' }), 'GATE.client_ip', /connection/],
  ...['Authorization', 'proxy_authorization', 'DPoP', 'cookie'].map(
    (name) =>
      [`client_ip ${name}`, gate({ client_ip: name }), 'GATE.client_ip', /credential/] as const,
  ),
  ['shared_ids', gate({ shared_ids: 1 }), 'GATE.shared_ids', /true or false/],
  ['lift', gate({ lift: ['a+b'] }), 'GATE.lift[0]', /id of a revocation/],
]

describe('mistakes in GATE', () => {
  it.each(MISTAKES)('%s', (_, vars, path, says) => {
    const found = mistakes(vars).filter((line) => line.startsWith(`${path}: `))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(says)
  })

  it('are reported with all others at once', () => {
    const lines = mistakes({
      GATE: { resource: 'x', origin: 'y', prefx: '/' },
      ISSUERS: { a: { isuer: '' } },
      ROUTES: [{ match: 'FETCH /x', scope: [] }, { match: 'GET /y' }],
      SCOPES: { a: ['edgewarden:revoke'] },
    })
    const paths = lines.map((line) => line.split(': ', 1)[0])
    expect(paths).toEqual(
      expect.arrayContaining([
        'GATE.resource',
        'GATE.origin',
        'GATE.prefx',
        'ISSUERS.a.issuer',
        'ISSUERS.a.isuer',
        'ROUTES[0].match',
        'ROUTES[0].scope',
        'ROUTES[0].scopes',
        'ROUTES[1].scopes',
        'SCOPES.a[0]',
      ]),
    )
  })
})

describe('GATE', () => {
  it('has the documented defaults', () => {
    const { assertion: _, ...bare } = GATE
    expect(policy({ GATE: bare }).gate).toEqual({
      resource: 'https://api.example.com',
      hosts: new Set(['api.example.com']),
      insecureHttp: false,
      clockTolerance: 5,
      proofMaxAge: 60,
      proofMaxAhead: 5,
      dpopNonce: false,
      prefix: '/.edgewarden',
      identityPrefix: 'x-agent-',
      stripHeaders: new Set(),
      ownHeaders: new Set(),
      identityHeaders: [],
      clientIp: { from: 'header', name: 'cf-connecting-ip' },
      inFlight: 256,
      journal: { allowed: 1 },
      requestId: 'own',
      denialDocs: 'https://edgewarden.dev/denials',
      revocation: { consistency: 'bounded', maxStaleness: 5_000 },
      placement: { shards: 4, locations: [] },
      assertion: {
        binding: 'identity',
        algorithm: 'ES256',
        maxBody: 1_048_576,
        operatorKeys: [],
        withdrawn: [],
      },
      lift: new Set(),
    })
  })

  it('takes every documented key', () => {
    const { gate: read } = policy(
      gate({
        hosts: ['api.example.com', 'localhost', '[::1]'],
        insecure_http: true,
        clock_tolerance: '0s',
        prefix: '/ops/gate',
        revocation: {
          consistency: 'bounded',
          max_staleness: '90s',
          shards: 8,
          locations: ['weur', 'enam'],
          jurisdiction: 'fedramp',
        },
        identity_prefix: 'x-caller-',
        strip_headers: ['X_Tenant'],
        client_ip: 'connection',
        timeout: '90s',
        on_revocation: 'end-all',
        on_expiry: 'finish',
        finish_within: '10s',
        request_id: 'always',
        shared_ids: true,
        lift: ['abc_-1'],
        mode: 'enforce',
        journal: { allowed: 0.25 },
        denial_docs: 'http://localhost:8788/denials',
      }),
    )
    expect(read).toMatchObject({
      hosts: new Set(['api.example.com', 'localhost', '[::1]']),
      clockTolerance: 0,
      prefix: '/ops/gate',
      revocation: { consistency: 'bounded', maxStaleness: 90_000 },
      placement: { shards: 8, locations: ['weur', 'enam'], jurisdiction: 'fedramp' },
      stripHeaders: new Set(['x-tenant']),
      clientIp: { from: 'connection' },
      journal: { allowed: 0.25 },
      requestId: 'always',
      lift: new Set(['abc_-1']),
    })
  })

  it('serves the hosts of every resource and rule where none are named', () => {
    const { gate: read } = policy({
      ROUTES: [
        CHAT,
        { ...CHAT, match: 'GET /a', resource: 'https://b.example.net/a' },
        { ...CHAT, match: 'GET /b', host: 'c.example.org' },
      ],
    })
    expect(read.hosts).toEqual(new Set(['api.example.com', 'b.example.net', 'c.example.org']))
  })

  it('takes http for a loopback resource, and another port of its host as origin', () => {
    const { gate: read } = policy({
      GATE: { resource: 'http://localhost:8787', origin: 'http://localhost:8788/base' },
    })
    expect(read.resource).toBe('http://localhost:8787')
  })

  it('is frozen with everything in it', () => {
    const made = policy({ GATE: { ...GATE }, ISSUERS: { acme: { ...ACME, audiences: ['a'] } } })
    const frozen = [
      made,
      made.gate,
      made.gate.clientIp,
      made.gate.revocation,
      ...made.issuers.values(),
      [...made.issuers.values()][0]?.audiences,
      made.router,
    ]
    expect(frozen.every((part) => Object.isFrozen(part))).toBe(true)
    const route = made.router.find('POST', 'api.example.com', '/v1/chat').match?.route
    expect(
      [
        route,
        route?.scopes,
        route?.scopes.scopes,
        route?.target,
        route?.methods,
        route?.revocation,
      ].every(Object.isFrozen),
    ).toBe(true)
  })

  it.each([
    [gate({ insecure_http: true }), 'GATE.insecure_http'],
    [gate({ hosts: ['other.example.com'] }), 'GATE.hosts'],
    [gate({ origin: 'http://origin.example.com' }), 'GATE.origin'],
    [{ ISSUERS: { acme: { ...ACME, max_lifetime: '1h' } } }, 'ISSUERS.acme.max_lifetime'],
    [{ ISSUERS: { acme: { ...ACME, profile: 'generic' } } }, 'ISSUERS.acme'],
    [{ ROUTES: [{ ...CHAT, forward_token: true }] }, 'ROUTES[0].forward_token'],
    [{ ROUTES: [{ ...CHAT, token_subprotocols: ['mcp.auth.'] }] }, 'ROUTES[0].token_subprotocols'],
    [
      {
        ROUTES: [
          {
            match: 'GET,POST,DELETE /mcp',
            scopes: [],
            resource: 'https://api.example.com/mcp',
            mcp: { tools: { one: [] } },
            token_subprotocols: ['mcp.auth.'],
          },
        ],
      },
      'ROUTES[0].token_subprotocols',
    ],
    [
      {
        ...gate({ hosts: ['api.example.com'] }),
        ROUTES: [{ ...CHAT, resource: 'https://b.example.com' }],
      },
      'ROUTES[0].resource',
    ],
  ] as const)('warns %#', (vars, path) => {
    const parsed = parse(vars)
    expect(parsed.ok && parsed.value.warnings.map((warning) => warning.path)).toEqual([path])
  })
})
