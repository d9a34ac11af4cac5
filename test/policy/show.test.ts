import { describe, expect, it } from 'vitest'
import { claimPath, claimPathText } from '../../src/gate/model/claims.ts'
import { routesOf } from '../../src/gate/policy/reading/rows.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { CHAT, ENV, GATE, ITEM, parse, policy } from './support.ts'

const ACME = { issuer: 'https://auth.acme.example', agent_prefix: 'acme/' }
const BETA = { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' }

const OPEN = { match: '* /open/*', access: 'public', origin: 'service:API', timeout: '1500ms' }

const TWO = {
  ISSUERS: { acme: { ...ACME, admin: 'own' }, beta: BETA },
  ROUTES: [
    CHAT,
    { ...ITEM, scopes: { any: ['items:read', 'items:{id}'] }, issuers: ['beta'] },
    { match: 'GET /v1/any', scopes: [], access: 'optional', issuers: ['acme'], mode: 'shadow' },
    OPEN,
  ],
  SCOPES: { 'chat:admin': ['chat:write', 'chat:read'] },
}

describe('showPolicy', () => {
  it('fills in every default', () => {
    expect(showPolicy(policy())).toEqual({
      gate: {
        resource: 'https://api.example.com',
        hosts: ['api.example.com'],
        insecure_http: false,
        clock_tolerance: '5s',
        proof_max_age: '60s',
        proof_max_ahead: '5s',
        dpop_nonce: false,
        prefix: '/.edgewarden',
        assertion: { binding: 'identity', algorithm: 'ES256', max_body: 1_048_576, withdrawn: [] },
        identity_prefix: 'x-agent-',
        identity_headers: {},
        strip_headers: [],
        client_ip: 'cf-connecting-ip',
        in_flight: 256,
        revocation: { consistency: 'bounded', max_staleness: '5s', shards: 4 },
        journal: { allowed: 1 },
        request_id: 'own',
        denial_docs: 'https://edgewarden.dev/denials',
        lift: [],
      },
      issuers: {
        acme: {
          issuer: 'https://auth.acme.example',
          profile: 'rfc9068',
          jwks_cache: { max_fresh: '3600s', stale_if_error: '86400s', cooldown: '30s' },
          algorithms: ['ES256', 'RS256', 'PS256', 'Ed25519'],
          typ: ['at+jwt'],
          max_lifetime: '900s',
          required_claims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
          claims: {},
          agent_id: ['client_id'],
          agent_prefix: '',
          agent_type: 'agent_type',
          workflow_id: 'workflow_id',
          scope: ['scope'],
          scopes_from: 'token',
          admin: false,
          delegation: { max_depth: 3, require_actor: false, issuers: [] },
          allow_insecure_http: false,
        },
      },
      routes: [
        {
          match: 'POST /v1/chat',
          resource: 'https://api.example.com',
          access: 'required',
          scopes: ['chat:write'],
          issuers: ['acme'],
          claims: {},
          mode: 'enforce',
          revocation: { consistency: 'bounded', max_staleness: '5s' },
          on_revocation: 'end-streams',
          on_expiry: 'finish',
          finish_within: '300s',
          origin: 'https://origin.example.com',
          forward_token: false,
          encoded_slash: false,
        },
      ],
      scopes: {},
    })
  })

  it('says everything that is configured in the words of the configuration', () => {
    const claims = {
      tenant: 'blue',
      '/a.b/c~1d': ['x', 'y'],
      'https://acme.example/level': { min: 1, max: 5 },
      'org.name': { pattern: 'a+' },
      active: true,
    }
    const delegation = {
      max_depth: 2,
      require_actor: true,
      actors: ['bot', { issuer: 'https://auth.acme.example', sub: 'tool' }],
      subjects: ['alice'],
      issuers: ['https://other.example'],
      may_act: 'required',
    }
    const route = {
      match: 'GET /v1/runs/{run}',
      host: 'api.example.com',
      resource: 'https://api.example.com/v1',
      scopes: { any: ['runs:read', 'runs:{run}'] },
      audiences: ['urn:runs'],
      max_lifetime: '1m',
      claims,
      agent_types: ['planner'],
      workflow: 'path:run',
      delegation,
      cors: { origins: ['https://app.example.com'], credentials: true, max_age: '10m' },
      origin: 'https://runs.example.com/base',
      strip_prefix: '/v1',
      timeout: '1500ms',
      forward_token: true,
      token_subprotocols: ['mcp.auth.'],
      encoded_slash: true,
      mode: 'shadow',
      revocation: { consistency: 'bounded', max_staleness: '1500ms' },
      on_revocation: 'end-all',
      on_expiry: 'finish',
      finish_within: '30s',
    }
    const shown = showPolicy(
      policy({
        GATE: {
          ...GATE,
          hosts: ['api.example.com', 'other.example.com'],
          clock_tolerance: '1m',
          revocation: { consistency: 'strict', shards: 2, locations: ['oc'], jurisdiction: 'us' },
          strip_headers: ['X-Debug'],
          client_ip: 'connection',
          journal: { allowed: 0.5 },
          request_id: 'always',
          lift: ['AAAAAAAAAAAAAAAAAAAAAA'],
        },
        ISSUERS: {
          acme: {
            ...ACME,
            claims,
            audiences: ['urn:a'],
            agent_id: ['/agent/id', 'sub'],
            entity_profiles: true,
            workflow_id: ['run', '/intent/workflow_id'],
            delegation: {
              max_depth: 4,
              issuers: ['https://other.example'],
              may_act: 'if_present',
              parent_scope: '/parent/scope',
            },
          },
        },
        ROUTES: [route],
        SCOPES: { 'runs:write': ['runs:read'] },
      }),
    )
    expect(shown.gate).toMatchObject({
      hosts: ['api.example.com', 'other.example.com'],
      clock_tolerance: '60s',
      revocation: {
        consistency: 'strict',
        max_staleness: '5s',
        shards: 2,
        locations: ['oc'],
        jurisdiction: 'us',
      },
      strip_headers: ['x-debug'],
      client_ip: 'connection',
      journal: { allowed: 0.5 },
      request_id: 'always',
      lift: ['AAAAAAAAAAAAAAAAAAAAAA'],
    })
    expect(shown.issuers.acme).toMatchObject({
      audiences: ['urn:a'],
      agent_id: ['agent.id', 'sub'],
      claims,
      entity_profiles: true,
      workflow_id: ['run', 'intent.workflow_id'],
      delegation: {
        max_depth: 4,
        require_actor: false,
        issuers: ['https://other.example'],
        may_act: 'if_present',
        parent_scope: 'parent.scope',
      },
    })
    expect(shown.issuers.acme).not.toHaveProperty('agent_type')
    expect(shown.routes).toEqual([
      {
        ...route,
        access: 'required',
        issuers: ['acme'],
        max_lifetime: '60s',
        cors: {
          origins: ['https://app.example.com'],
          methods: ['GET', 'HEAD'],
          headers: ['authorization', 'content-type'],
          expose: ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'X-Request-Id'],
          credentials: true,
          max_age: '600s',
        },
      },
    ])
    expect(shown.scopes).toEqual({ 'runs:write': ['runs:read'] })
  })

  it('can be written as JSON and read as a policy again', () => {
    const made = policy(TWO)
    const { gate, issuers, routes, scopes } = JSON.parse(JSON.stringify(showPolicy(made)))
    const GATE_AGAIN = { ...gate, origin: 'https://unused.example.com' }
    const again = parse({
      GATE: GATE_AGAIN,
      ISSUERS: issuers,
      ROUTES: routes,
      SCOPES: scopes,
    })
    expect(again).toMatchObject({ ok: true })
    if (again.ok) expect(showPolicy(again.value.policy)).toEqual(showPolicy(made))
  })

  it('holds no secret, no key and no query', () => {
    const shown = showPolicy(
      policy({
        ISSUERS: {
          acme: { ...ACME, jwks_uri: 'https://keys.example/jwks?apikey=confidential' },
          beta: { ...BETA, jwks: { keys: [{ ...KEY, kid: 'key-1' }, KEY] } },
        },
        ROUTES: [
          {
            ...CHAT,
            inject: { Authorization: `Bearer-literal \${KEY}`, 'X-Team': `team-literal \${KEY}` },
          },
        ],
      }),
    )
    expect(shown.routes[0]?.inject).toEqual({ authorization: 'redacted', 'x-team': 'redacted' })
    expect(shown.issuers.acme?.jwks_uri).toBe('https://keys.example/jwks?redacted')
    expect(shown.issuers.beta?.jwks).toEqual({ keys: [{ kid: 'key-1' }, {}] })
    const text = JSON.stringify(shown)
    for (const secret of ['s3cr3t-value', 'literal', 'KEY', 'confidential', KEY.x]) {
      expect(text).not.toContain(secret)
    }
  })

  it('keeps to an issuer and the rules that take its tokens, where it is told to', () => {
    const shown = showPolicy(policy(TWO), ACME.issuer)
    expect(Object.keys(shown.issuers)).toEqual(['acme'])
    expect(shown.routes.map(({ match, issuers }) => [match, issuers])).toEqual([
      ['POST /v1/chat', ['acme']],
      ['GET /v1/any', ['acme']],
      ['* /open/*', undefined],
    ])
    expect(shown.routes.map((route) => 'revocation' in route)).toEqual([true, true, false])
    expect(JSON.stringify(shown)).not.toContain('beta')
    expect(shown.gate).toEqual(showPolicy(policy(TWO)).gate)
  })

  it('shows nothing but the open rules to an issuer that is none', () => {
    const shown = showPolicy(policy(TWO), 'https://other.example')
    expect(shown.issuers).toEqual({})
    expect(shown.routes.map(({ match, issuers }) => [match, issuers])).toEqual([
      ['POST /v1/chat', []],
      ['* /open/*', undefined],
    ])
  })
})

const KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}

describe('routesOf', () => {
  it('has a row for each rule, in file order, and none of the gate itself', () => {
    expect(routesOf(policy(TWO))).toEqual([
      {
        match: 'POST /v1/chat',
        access: 'required',
        needs: 'chat:write',
        scopes: ['chat:write'],
        issuers: ['acme', 'beta'],
        origin: 'https://origin.example.com',
        mode: 'enforce',
      },
      {
        match: 'GET /v1/items/{id}',
        access: 'required',
        needs: 'one of items:read, items:{id}',
        scopes: { any: ['items:read', 'items:{id}'] },
        issuers: ['beta'],
        origin: 'https://origin.example.com',
        mode: 'enforce',
      },
      {
        match: 'GET /v1/any',
        access: 'optional',
        needs: 'no token, or any valid token',
        scopes: [],
        issuers: ['acme'],
        origin: 'https://origin.example.com',
        mode: 'shadow',
      },
      {
        match: '* /open/*',
        access: 'public',
        needs: 'nothing',
        scopes: [],
        issuers: [],
        origin: 'service:API',
        mode: 'enforce',
      },
    ])
  })

  it('names all scopes that are needed, and the host', () => {
    const [row] = routesOf(
      policy({ ROUTES: [{ ...CHAT, scopes: ['a', 'b:c'], host: 'api.example.com' }] }, ENV),
    )
    expect(row).toMatchObject({ needs: 'a and b:c', host: 'api.example.com' })
  })
})

describe('claimPathText', () => {
  it.each([
    'a',
    'a.b.c',
    'https://acme.example/agent.id',
    '/a.b/c',
    '/a~0b.c',
    '/https:~1~1x/b',
    '/x/https:~1~1y.z',
  ])('%s', (text) => {
    const path = claimPath(text)
    expect(claimPath(claimPathText(path))).toEqual(path)
    expect(claimPathText(path)).toBe(text)
  })

  it.each([
    ['/agent/id', 'agent.id'],
    ['/a', 'a'],
    ['/a~1b', 'a/b'],
  ])('%s is written %s', (text, plain) => {
    expect(claimPathText(claimPath(text))).toBe(plain)
  })
})
