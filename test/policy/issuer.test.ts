import { describe, expect, it } from 'vitest'
import { takesIssuer } from '../../src/gate/model/route.ts'
import { ACME, CHAT, ENV, GATE, mistakes, policy, type Vars } from './support.ts'

const acme = (change: object): Vars => ({ ISSUERS: { acme: { ...ACME, ...change } } })
const delegation = (change: object): Vars => acme({ delegation: change })

const EC = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}
/** 1312 bytes, as many as a public key of ML-DSA-44 has. */
const PUB = 'A'.repeat(1750)
const keys = (...list: readonly object[]): Vars => acme({ jwks: { keys: list } })
const other = { issuer: 'https://other.example', agent_prefix: 'other:' }
const prefixes = (first: string | undefined, second: string | undefined): Vars => ({
  ISSUERS: {
    acme: { ...ACME, ...(first !== undefined && { agent_prefix: first }) },
    other: { issuer: other.issuer, ...(second !== undefined && { agent_prefix: second }) },
  },
})

const MISTAKES: readonly (readonly [title: string, vars: Vars, path: string, says: RegExp])[] = [
  ['no issuers', { ISSUERS: {} }, 'ISSUERS', /must have an issuer/],
  ['no table', { ISSUERS: { acme: 'x' } }, 'ISSUERS.acme', /must be a table/],
  ['issuers a list', { ISSUERS: [] }, 'ISSUERS', /table of name/],
  ['no issuer', { ISSUERS: { acme: {} } }, 'ISSUERS.acme.issuer', /required/],
  ['unknown key', acme({ algorithm: [] }), 'ISSUERS.acme.algorithm', /did you mean `algorithms`/],
  ['possession', acme({ possession: 'dpop' }), 'ISSUERS.acme.possession', /if-bound/],
  ['http', acme({ issuer: 'http://auth.acme.example' }), 'ISSUERS.acme.issuer', /https/],
  [
    'http on loopback',
    acme({ issuer: 'http://localhost:9000' }),
    'ISSUERS.acme.issuer',
    /allow_insecure_http/,
  ],
  ['query', acme({ issuer: 'https://auth.acme.example/?x' }), 'ISSUERS.acme.issuer', /query/],
  [
    'allowed http elsewhere',
    acme({ allow_insecure_http: true }),
    'ISSUERS.acme.allow_insecure_http',
    /loopback/,
  ],
  [
    'a private address to find keys at',
    acme({ issuer: 'https://10.0.0.5' }),
    'ISSUERS.acme.issuer',
    /private address/,
  ],
  [
    'a link-local address of keys',
    acme({ jwks_uri: 'https://169.254.169.254/jwks' }),
    'ISSUERS.acme.jwks_uri',
    /private address/,
  ],
  [
    'keys believed too long',
    acme({ jwks_cache: { stale_if_error: '25h' } }),
    'ISSUERS.acme.jwks_cache.stale_if_error',
    /at most/,
  ],
  [
    'an issuer asked too often',
    acme({ jwks_cache: { cooldown: '1s' } }),
    'ISSUERS.acme.jwks_cache.cooldown',
    /at least 10s/,
  ],
  [
    'jwks_uri http',
    acme({ jwks_uri: 'http://auth.acme.example/jwks' }),
    'ISSUERS.acme.jwks_uri',
    /https/,
  ],
  [
    'jwks_uri of the gate',
    acme({ jwks_uri: 'https://api.example.com/jwks' }),
    'ISSUERS.acme.jwks_uri',
    /own host/,
  ],
  [
    'jwks_uri of the gate at another port',
    acme({ jwks_uri: 'https://api.example.com:8443/jwks' }),
    'ISSUERS.acme.jwks_uri',
    /own host/,
  ],
  [
    'discovery at the gate at another port',
    acme({ issuer: 'https://api.example.com:8443' }),
    'ISSUERS.acme.issuer',
    /own host/,
  ],
  [
    'discovery at the gate',
    acme({ issuer: 'https://api.example.com' }),
    'ISSUERS.acme.issuer',
    /set jwks_uri or jwks/,
  ],
  [
    'two places for keys',
    acme({ jwks_uri: 'https://auth.acme.example/jwks', jwks: { keys: [EC] } }),
    'ISSUERS.acme.jwks_uri',
    /both/,
  ],
  ['jwks no set', acme({ jwks: [EC] }), 'ISSUERS.acme.jwks', /JWK set/],
  ['jwks empty', acme({ jwks: { keys: [] } }), 'ISSUERS.acme.jwks', /a key in it/],
  [
    'private key',
    keys({ ...EC, d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI' }),
    'ISSUERS.acme.jwks.keys[0]',
    /private member `d`/,
  ],
  [
    'shared key',
    keys({ kty: 'oct', k: 'AAAA' }),
    'ISSUERS.acme.jwks.keys[0]',
    /private member `k`/,
  ],
  [
    'short RSA key',
    keys({ kty: 'RSA', n: 'AQAB', e: 'AQAB' }),
    'ISSUERS.acme.jwks',
    /public key for one of/,
  ],
  [
    'RSA key beyond all bounds',
    keys({ kty: 'RSA', n: `${'_'.repeat(2731)}w`, e: 'AQAB' }),
    'ISSUERS.acme.jwks',
    /public key for one of/,
  ],
  ['key whose name is a number', keys({ ...EC, kid: 7 }), 'ISSUERS.acme.jwks', /public key/],
  [
    'private key of ML-DSA',
    keys({ kty: 'AKP', alg: 'ML-DSA-44', pub: PUB, priv: 'AAAA' }),
    'ISSUERS.acme.jwks.keys[0]',
    /private member `priv`/,
  ],
  [
    'ML-DSA unless it is written',
    keys({ kty: 'AKP', alg: 'ML-DSA-44', pub: PUB }),
    'ISSUERS.acme.jwks',
    /public key for one of `ES256`, `RS256`, `PS256`, `Ed25519`/,
  ],
  [
    'ML-DSA key that does not say which',
    acme({ jwks: { keys: [{ kty: 'AKP', pub: PUB }] }, algorithms: ['ML-DSA-44'] }),
    'ISSUERS.acme.jwks',
    /public key/,
  ],
  ['encryption key', keys({ ...EC, use: 'enc' }), 'ISSUERS.acme.jwks', /public key for one of/],
  [
    'key of another algorithm',
    acme({ jwks: { keys: [EC] }, algorithms: ['RS256'] }),
    'ISSUERS.acme.jwks',
    /`RS256`/,
  ],
  ['key of one coordinate', keys({ ...EC, y: undefined }), 'ISSUERS.acme.jwks', /public key/],
  ['none', acme({ algorithms: ['none'] }), 'ISSUERS.acme.algorithms[0]', /never accepted/],
  [
    'HS256',
    acme({ algorithms: ['ES256', 'HS256'] }),
    'ISSUERS.acme.algorithms[1]',
    /can also sign/,
  ],
  [
    'unknown algorithm',
    acme({ algorithms: ['ES265'] }),
    'ISSUERS.acme.algorithms[0]',
    /did you mean `ES256`/,
  ],
  [
    'no trust domain',
    acme({ profile: 'spiffe', jwks_uri: 'https://bundle.acme.example/' }),
    'ISSUERS.acme.issuer',
    /must be a trust domain/,
  ],
  ...['spiffe://Acme', 'spiffe://acme/', 'spiffe://acme:1', 'spiffe://a@acme', 'spiffe://'].map(
    (issuer) =>
      [
        `trust domain ${issuer}`,
        acme({ issuer, profile: 'spiffe', jwks_uri: 'https://bundle.acme.example/' }),
        'ISSUERS.acme.issuer',
        /must be/,
      ] as const,
  ),
  [
    'trust domain without a bundle',
    acme({ issuer: 'spiffe://acme', profile: 'spiffe' }),
    'ISSUERS.acme.jwks_uri',
    /is required with profile `spiffe`/,
  ],
  [
    'bundle without a key for JWT-SVIDs',
    acme({
      issuer: 'spiffe://acme',
      profile: 'spiffe',
      jwks: { keys: [EC, { ...EC, use: 'sig' }, { ...EC, use: 'x509-svid' }] },
    }),
    'ISSUERS.acme.jwks',
    /public key for one of/,
  ],
  [
    'trust domain with another profile',
    acme({ issuer: 'spiffe://acme', profile: 'generic', jwks: { keys: [EC] } }),
    'ISSUERS.acme.issuer',
    /https/,
  ],
  [
    'http for a bundle elsewhere',
    acme({
      issuer: 'spiffe://acme',
      profile: 'spiffe',
      jwks_uri: 'http://bundle.acme.example/',
      allow_insecure_http: true,
    }),
    'ISSUERS.acme.allow_insecure_http',
    /loopback/,
  ],
  ...['github-actions', 'gitlab', 'kubernetes', 'gcp', 'aws'].map(
    (profile) =>
      [
        `audiences with ${profile}`,
        acme({ profile, audiences: ['https://api.example.com'] }),
        'ISSUERS.acme.audiences',
        /must be left out/,
      ] as const,
  ),
  ['no algorithm', acme({ algorithms: [] }), 'ISSUERS.acme.algorithms', /empty/],
  ['audiences', acme({ audiences: [''] }), 'ISSUERS.acme.audiences[0]', /non-empty/],
  [
    'typ of a proof',
    acme({ typ: ['application/DPoP+jwt'] }),
    'ISSUERS.acme.typ[0]',
    /never access tokens/,
  ],
  ['typ no media type', acme({ typ: ['a b'] }), 'ISSUERS.acme.typ[0]', /media type/],
  ['lifetime', acme({ max_lifetime: '0s' }), 'ISSUERS.acme.max_lifetime', /at least 1s/],
  ['profile', acme({ profile: 'octa' }), 'ISSUERS.acme.profile', /did you mean `okta`/],
  [
    'cognito without audiences',
    acme({ profile: 'cognito' }),
    'ISSUERS.acme.audiences',
    /required with profile `cognito`.*client_id/,
  ],
  ['required_claims', acme({ required_claims: [1] }), 'ISSUERS.acme.required_claims[0]', /string/],
  ['claims no table', acme({ claims: [] }), 'ISSUERS.acme.claims', /table/],
  ['claim path', acme({ claims: { 'a..b': 1 } }), 'ISSUERS.acme.claims["a..b"]', /empty names/],
  ['claim pointer', acme({ claims: { '/a~2': 1 } }), 'ISSUERS.acme.claims["/a~2"]', /Pointer/],
  ['claim null', acme({ claims: { a: null } }), 'ISSUERS.acme.claims.a', /value/],
  ['claim empty list', acme({ claims: { a: [] } }), 'ISSUERS.acme.claims.a', /empty/],
  ['claim pattern', acme({ claims: { a: { pattern: '(a+)+' } } }), 'ISSUERS.acme.claims.a', /./],
  [
    'claim pattern and min',
    acme({ claims: { a: { pattern: 'a', min: 1 } } }),
    'ISSUERS.acme.claims.a',
    /pattern/,
  ],
  [
    'claim range key',
    acme({ claims: { a: { mim: 1 } } }),
    'ISSUERS.acme.claims.a',
    /did you mean `min`/,
  ],
  [
    'claim range',
    acme({ claims: { a: { min: 2, max: 1 } } }),
    'ISSUERS.acme.claims.a',
    /not above/,
  ],
  ['claim range text', acme({ claims: { a: { min: '2' } } }), 'ISSUERS.acme.claims.a', /finite/],
  ['claim empty rule', acme({ claims: { a: {} } }), 'ISSUERS.acme.claims.a', /pattern, min or max/],
  ['agent_id', acme({ agent_id: '' }), 'ISSUERS.acme.agent_id', /claim path/],
  ['agent_id in a list', acme({ agent_id: ['sub', ''] }), 'ISSUERS.acme.agent_id[1]', /claim path/],
  ['agent_prefix', acme({ agent_prefix: 'a\n' }), 'ISSUERS.acme.agent_prefix', /control/],
  ['agent_type', acme({ agent_type: ['a'] }), 'ISSUERS.acme.agent_type', /string/],
  ['scope', acme({ scope: [] }), 'ISSUERS.acme.scope', /empty/],
  ['admin', acme({ admin: true }), 'ISSUERS.acme.admin', /`own` or `all`/],
  ['depth', delegation({ max_depth: 11 }), 'ISSUERS.acme.delegation.max_depth', /0 to 10/],
  ['depth in parts', delegation({ max_depth: 1.5 }), 'ISSUERS.acme.delegation.max_depth', /whole/],
  ['actor', delegation({ actors: [[]] }), 'ISSUERS.acme.delegation.actors[0]', /sub/],
  [
    'actor without sub',
    delegation({ actors: [{ issuer: 'acme' }] }),
    'ISSUERS.acme.delegation.actors[0].sub',
    /required/,
  ],
  [
    'actor of no issuer',
    delegation({ actors: [{ issuer: 'acne', sub: 'a' }] }),
    'ISSUERS.acme.delegation.actors[0].issuer',
    /did you mean `acme`/,
  ],
  [
    'delegation issuer',
    delegation({ issuers: ['acne'] }),
    'ISSUERS.acme.delegation.issuers[0]',
    /did you mean `acme`/,
  ],
  ['may_act', delegation({ may_act: true }), 'ISSUERS.acme.delegation.may_act', /string/],
  [
    'may_act by another word',
    delegation({ may_act: 'require' }),
    'ISSUERS.acme.delegation.may_act',
    /did you mean `required`/,
  ],
  [
    'parent_scope',
    delegation({ parent_scope: 'a..b' }),
    'ISSUERS.acme.delegation.parent_scope',
    /empty names/,
  ],
  [
    'entity_profiles',
    acme({ entity_profiles: 'yes' }),
    'ISSUERS.acme.entity_profiles',
    /true or false/,
  ],
  [
    'types in two places',
    acme({ entity_profiles: true, agent_type: 'kind' }),
    'ISSUERS.acme.entity_profiles',
    /one place/,
  ],
  [
    'agentic_forms of another profile',
    acme({ agentic_forms: ['jkt'] }),
    'ISSUERS.acme.agentic_forms',
    /only for profile `agentic-jwt`/,
  ],
  [
    'agentic_forms',
    acme({ profile: 'agentic-jwt', agentic_forms: ['jkb'] }),
    'ISSUERS.acme.agentic_forms[0]',
    /did you mean `jkt`/,
  ],
  ['workflow_id', acme({ workflow_id: ['run', ''] }), 'ISSUERS.acme.workflow_id[1]', /claim path/],
  ...['agent_id', 'agent_type', 'workflow_id', 'scope'].map(
    (key) =>
      [
        `${key} of an inner actor`,
        acme({ [key]: 'act.act.sub' }),
        `ISSUERS.acme.${key}`,
        /inner actor.*decides nothing/,
      ] as const,
  ),
  [
    'claims of an inner actor',
    acme({ claims: { '/act/act/sub': 'supervisor' } }),
    'ISSUERS.acme.claims["/act/act/sub"]',
    /inner actor/,
  ],
  ['delegation key', delegation({ depth: 1 }), 'ISSUERS.acme.delegation.depth', /unknown key/],
  ['subjects', delegation({ subjects: [] }), 'ISSUERS.acme.delegation.subjects', /empty/],
  [
    'one iss twice',
    { ISSUERS: { acme: { ...ACME, agent_prefix: 'acme:' }, other: { ...other, ...ACME } } },
    'ISSUERS.other.issuer',
    /also that of `acme`/,
  ],
  [
    'one prefix twice',
    { ISSUERS: { acme: ACME, other: { issuer: other.issuer } } },
    'ISSUERS.other.agent_prefix',
    /shared_ids/,
  ],
  ...[
    ['acme/', undefined],
    [undefined, 'beta/'],
    ['', 'beta/'],
    ['a', 'a-'],
    ['a-', 'a'],
  ].map(
    ([first, second]) =>
      [
        `prefixes ${first} and ${second}`,
        prefixes(first, second),
        'ISSUERS.other.agent_prefix',
        /`other`.*`acme`.*none begins with another.*`acme\/` and `beta\/`.*shared_ids = true/,
      ] as const,
  ),
  ['no rules either', { ISSUERS: {}, ROUTES: [] }, 'ISSUERS', /must have an issuer/],
  [
    'actor of an issuer that does not count',
    delegation({ actors: ['a', { issuer: 'https://third.example', sub: 'a' }] }),
    'ISSUERS.acme.delegation.actors[1].issuer',
    /is not accepted/,
  ],
  [
    'actor asked for at depth 0',
    delegation({ max_depth: 0, require_actor: true }),
    'ISSUERS.acme.delegation.require_actor',
    /max_depth is 0/,
  ],
  [
    'actors at depth 0',
    delegation({ max_depth: 0, actors: ['a'] }),
    'ISSUERS.acme.delegation.actors',
    /max_depth is 0/,
  ],
]

describe('mistakes in ISSUERS', () => {
  it.each(MISTAKES)('%s', (_, vars, path, says) => {
    const found = mistakes(vars).filter((line) => line.startsWith(`${path}: `))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(says)
  })

  it('never show a private key', () => {
    expect(mistakes(keys({ ...EC, d: 'jpsQnnGQmL' })).join()).not.toContain('jpsQnnGQmL')
  })

  it('name the bindings that are not there', () => {
    const none = { ...ENV, has: () => false }
    expect(mistakes({}, none).map((line) => line.split(':', 1)[0])).toEqual([
      'bindings.JWKS_CACHE',
      'bindings.KEY_SERVICE',
      'bindings.REVOCATIONS',
      'GATE.assertion',
    ])
    expect(mistakes(keys(EC), none).map((line) => line.split(':', 1)[0])).toEqual([
      'bindings.REVOCATIONS',
      'GATE.assertion',
    ])
  })
})

const issuer = (vars: Vars = {}) => policy(vars).issuers.get(ACME.issuer)

describe('ISSUERS', () => {
  it('has the documented defaults', () => {
    expect(issuer()).toEqual({
      name: 'acme',
      profile: 'rfc9068',
      issuer: 'https://auth.acme.example',
      keys: { kind: 'discovery', never: ['https://api.example.com', 'http://api.example.com'] },
      keyTimes: { maxFresh: 3_600_000, staleIfError: 86_400_000, cooldown: 30_000 },
      allowInsecureHttp: false,
      algorithms: ['ES256', 'RS256', 'PS256', 'Ed25519'],
      types: new Set(['at+jwt']),
      audienceClaim: 'aud',
      maxLifetime: 900,
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      claims: [],
      clientId: [['client_id'], ['azp']],
      clientRequired: false,
      agentId: [['client_id']],
      agentPrefix: '',
      agentType: ['agent_type'],
      workflowId: [['workflow_id']],
      scope: [['scope']],
      scopeElse: [],
      admin: false,
      delegation: { maxDepth: 3, requireActor: false, issuers: new Set() },
    })
  })

  it('has those of the generic profile, unless configured', () => {
    expect(issuer(acme({ profile: 'generic', typ: ['application/JWT', 'absent'] }))).toMatchObject({
      types: new Set(['jwt', 'absent']),
      requiredClaims: ['iss', 'exp', 'aud', 'iat'],
      agentId: [['client_id'], ['azp'], ['sub']],
      scope: [['scope'], ['scp']],
      scopeElse: [],
    })
  })

  it('reads every key', () => {
    expect(
      issuer({
        ISSUERS: {
          other,
          acme: {
            ...ACME,
            jwks_uri: 'https://keys.acme.example/jwks?tenant=1',
            audiences: ['api'],
            algorithms: ['EdDSA'],
            max_lifetime: '5m',
            required_claims: ['jti'],
            agent_id: ['/agent~1id', 'https://acme.example/agent', 'agent.id'],
            agent_type: 'kind',
            workflow_id: ['run', 'intent.workflow_id'],
            agent_prefix: 'acme:',
            scope: 'permissions',
            admin: 'own',
            delegation: {
              max_depth: 1,
              require_actor: true,
              actors: ['a', { issuer: 'other', sub: 'b' }],
              subjects: ['s'],
              issuers: ['other', 'https://third.example'],
              may_act: 'required',
              parent_scope: 'parent.scope',
            },
          },
        },
      }),
    ).toMatchObject({
      keys: { kind: 'uri', uri: 'https://keys.acme.example/jwks?tenant=1' },
      audiences: ['api'],
      algorithms: ['Ed25519'],
      maxLifetime: 300,
      requiredClaims: ['jti'],
      agentId: [['agent/id'], ['https://acme.example/agent'], ['agent', 'id']],
      agentType: ['kind'],
      workflowId: [['run'], ['intent', 'workflow_id']],
      agentPrefix: 'acme:',
      scope: [['permissions']],
      scopeElse: [],
      admin: 'own',
      delegation: {
        maxDepth: 1,
        requireActor: true,
        actors: [{ sub: 'a' }, { sub: 'b', issuer: 'https://other.example' }],
        subjects: [{ sub: 's' }],
        issuers: new Set(['https://other.example', 'https://third.example']),
        mayAct: 'required',
      },
      parentScope: ['parent', 'scope'],
    })
  })

  it.each<[object, boolean]>([
    [{}, false],
    [{ entity_profiles: true }, true],
    [{ profile: 'actor' }, true],
    [{ profile: 'auth0' }, true],
    [{ profile: 'auth0', entity_profiles: false }, false],
    [{ profile: 'actor', agent_type: 'agent_type' }, false],
    [{ profile: 'okta' }, false],
  ])('with %j: entity profiles are types: %j', (entry, profiles) => {
    expect(issuer(acme(entry))?.entityProfiles ?? false).toBe(profiles)
  })

  it('of profile actor has an agent in act, with its issuer', () => {
    expect(issuer(acme({ profile: 'actor' }))).toMatchObject({
      agentId: [['act', 'sub'], ['client_id']],
      actorIssuer: true,
    })
    expect(issuer(acme({ profile: 'auth0' }))).not.toHaveProperty('actorIssuer')
  })

  it('takes an inline key, and http on loopback where allowed', () => {
    expect(issuer(keys(EC))?.keys).toMatchObject({ kind: 'inline', keys: [EC] })
    const local = { issuer: 'http://127.0.0.1:9000', allow_insecure_http: true }
    expect(policy({ ISSUERS: { local } }).issuers.get(local.issuer)?.allowInsecureHttp).toBe(true)
  })

  it('takes an inline key for ML-DSA where that is written', () => {
    const key = { kty: 'AKP', alg: 'ML-DSA-44', pub: PUB }
    const entry = issuer(acme({ jwks: { keys: [key] }, algorithms: ['ML-DSA-44'] }))
    expect(entry?.algorithms).toEqual(['ML-DSA-44'])
    expect(entry?.keys).toMatchObject({ kind: 'inline', keys: [key] })
  })

  it('may have prefixes of which none begins another, or share ids', () => {
    expect(mistakes(prefixes('acme/', 'acme-2/'))).toEqual([])
    const shared = { GATE: { ...GATE, shared_ids: true }, ...prefixes(undefined, 'beta/') }
    expect(mistakes(shared)).toEqual([])
  })

  it('may name the actors of an issuer that counts, and its own', () => {
    const third = 'https://third.example'
    const actors = [{ issuer: third, sub: 'a' }, { issuer: 'acme', sub: 'b' }, 'c']
    expect(mistakes(delegation({ issuers: [third], actors }))).toEqual([])
    expect(mistakes(delegation({ max_depth: 0 }))).toEqual([])
  })

  it('may share ids, and be none where every rule is public', () => {
    const two = { acme: ACME, other: { issuer: other.issuer } }
    expect(mistakes({ GATE: { ...GATE, shared_ids: true }, ISSUERS: two })).toEqual([])
    expect(mistakes({ ISSUERS: {}, ROUTES: [{ match: CHAT.match, access: 'public' }] })).toEqual([])
  })

  it.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['a', undefined, false],
    ['a', ['b', 'a'], true],
    ['1', 1, false],
    [['a', 1], 1, true],
    [['a', 1], [], false],
    [{ pattern: 'a+' }, 'aaa', true],
    [{ pattern: 'a+' }, 'aab', false],
    [{ pattern: 'a+' }, ['b', 'a'], true],
    [{ pattern: '1' }, 1, false],
    [{ min: 1, max: 2 }, 1, true],
    [{ min: 1, max: 2 }, 2.5, false],
    [{ min: 1 }, '1', false],
    [{ min: 1 }, [1], false],
    [{ max: 1 }, undefined, false],
  ])('a claim that must be %j judges %j: %j', (rule, value, fits) => {
    expect(issuer(acme({ claims: { 'a.b': rule } }))?.claims[0]?.accepts(value)).toBe(fits)
  })
})

describe('an issuer with rules = false', () => {
  const ops = { issuer: 'https://ops.ops.invalid', admin: 'all', rules: false }
  const withOps = (change: object = {}, route: object = {}): Vars => ({
    ISSUERS: { acme: ACME, ops: { ...ops, ...change } },
    ROUTES: [{ ...CHAT, ...route }],
  })

  it('is taken by no rule, and by the endpoints of the gate', () => {
    const made = policy(withOps())
    expect([...(made.routes[0]?.issuers ?? [])]).toEqual([ACME.issuer])
    const own = made.router.find('GET', 'api.example.com', '/.edgewarden/policy').match?.route
    expect(own && takesIssuer(own, ops.issuer)).toBe(true)
    expect(made.resources.get(GATE.resource)?.authorizationServers).toEqual([ACME.issuer])
  })

  it('needs no prefix of its own, and asks none of others', () => {
    expect(mistakes(withOps())).toEqual([])
    expect(mistakes(withOps({ rules: true }))).toEqual([
      expect.stringMatching(/^ISSUERS\.ops\.agent_prefix: /),
    ])
  })

  it.each<[Vars, string]>([
    [withOps({ admin: false }), 'ISSUERS.ops.rules: is false and admin is not set'],
    [withOps({}, { issuers: ['ops'] }), 'ROUTES[0].issuers[0]: `ops` has rules = false'],
    [{ ISSUERS: { ops } }, 'ROUTES[0]: accepts tokens of no issuer'],
  ])('is a mistake where nothing would take its tokens: %#', (vars, says) => {
    expect(mistakes(vars)).toEqual([expect.stringContaining(says)])
  })
})
