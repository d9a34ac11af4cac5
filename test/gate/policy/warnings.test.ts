import { describe, expect, it } from 'vitest'
import { PROFILE_NAMES, type ProfileName } from '../../../src/gate/policy/keys/profiles.ts'
import { ACME, GATE, mistakes, parse, type Vars } from './support.ts'

/** What is said of a policy without a mistake, as `path: message` lines. */
const warnings = (vars: Vars, env?: Parameters<typeof parse>[1]): readonly string[] => {
  const parsed = parse(vars, env)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`)
}

let count = 0
const rule = (keys: object = {}) => ({ match: `GET /r/${count++}`, scopes: [], ...keys })
const open = () => ({ match: `GET /r/${count++}`, access: 'public' })
const optional = () => rule({ access: 'optional' })
const inject = (...headers: readonly string[]) => ({
  inject: Object.fromEntries(headers.map((name) => [name, `\${KEY}`])),
})
const sending = (header: string, keys: object = {}) => rule({ ...inject(header), ...keys })
const gate = (keys: object): Vars => ({ GATE: { ...GATE, ...keys } })
const rules = (...ROUTES: readonly object[]): Vars => ({ ROUTES })

const SECRET = 'X-Gate-Secret'
const [CLIENT, CLIENT_SECRET] = ['CF-Access-Client-Id', 'CF-Access-Client-Secret']
const OTHER = 'https://other.acme.dev'
const WORKER = 'https://api.acme.workers.dev'
const MCP = {
  ...{ match: 'GET,POST,DELETE /mcp', scopes: [], resource: 'https://api.example.com/mcp' },
  mcp: { tools: { one: [] } },
}
const BETA = 'https://auth.beta.example'
const PEOPLE = { acme: { ...ACME, admin: 'all', person: { client_id: 'console' } } }
const TWO = {
  acme: { ...ACME, agent_prefix: 'acme/' },
  beta: { issuer: BETA, agent_prefix: 'beta/' },
}
const two = (keys: object): Vars => ({ ISSUERS: TWO, ROUTES: [rule(keys)] })
const EACH = 'accepts this name from each of `acme`, `beta`, and each may give it to another'

describe('a policy', () => {
  it.each<[what: string, vars: Vars, says: readonly string[]]>([
    ['plain http at its resource', gate({ insecure_http: true }), ['GATE.insecure_http: ']],
    ['no host of its resource', gate({ hosts: ['other.example.com'] }), ['GATE.hosts: lacks']],
    [
      'no host of the resource of a rule',
      {
        ...gate({ hosts: ['api.example.com'] }),
        ...rules(rule({ resource: 'https://b.example.com' })),
      },
      ['ROUTES[0].resource: '],
    ],
    [
      'a hold as long as proofs are accepted',
      {
        ...gate({ console: { host: 'ops.example.com' } }),
        ISSUERS: PEOPLE,
        ...rules(rule({ approval: { hold: '60s' } }), rule({ approval: { hold: '59s' } })),
      },
      ['ROUTES[0].approval.hold: is not less than GATE.proof_max_age, 60s'],
    ],
    [
      'a hold of a tool, longer than proofs are accepted',
      {
        ...gate({ console: { host: 'ops.example.com' }, proof_max_age: '20s' }),
        ISSUERS: PEOPLE,
        ...rules({ ...MCP, mcp: { tools: { pay: { scopes: [], approval: { hold: '25s' } } } } }),
      },
      ['ROUTES[0].mcp.tools.pay.approval.hold: is not less than GATE.proof_max_age, 20s'],
    ],
    ['tokens for the origin', rules(rule({ forward_token: true })), ['ROUTES[0].forward_token: ']],
    [
      'subprotocols where no WebSocket opens',
      rules({ ...rule({ token_subprotocols: ['a.'] }), match: 'POST /a' }, MCP),
      ['ROUTES[0].token_subprotocols: '],
    ],
    [
      'subprotocols of an MCP server',
      rules({ ...MCP, token_subprotocols: ['a.'] }),
      ['ROUTES[0].token_subprotocols: '],
    ],
    [
      'more tolerance than verifyAgent',
      gate({ clock_tolerance: '6s' }),
      ['GATE.clock_tolerance: '],
    ],
    [
      'one shard for a strict rule',
      { ...gate({ revocation: { shards: 1 } }), ...rules(rule({ revocation: 'strict' })) },
      ['GATE.revocation.shards: is 1'],
    ],
    [
      'a rule with inject in shadow mode',
      { ...gate({ mode: 'shadow' }), ...rules(rule(inject('x'))) },
      ['ROUTES[0].mode: is `enforce` here all the same'],
    ],
    [
      'an assertion nobody chose',
      { GATE: { resource: GATE.resource, origin: GATE.origin } },
      ['GATE.assertion: is not written'],
    ],

    // Plain http to an origin.
    ['plain http', gate({ origin: 'http://o.acme.dev' }), ['GATE.origin: is plain http']],
    [
      'plain http of a rule',
      rules(rule({ origin: 'http://o.acme.dev' })),
      ['ROUTES[0].origin: is'],
    ],
    [
      'a binding of GATE alone',
      { ...gate({ origin_via: 'VPC' }), ...rules(rule({ origin: 'http://o.acme.dev' })) },
      ['ROUTES[0].origin: is plain http'],
    ],

    [
      'an issuer that is accepted where it is named, and is named nowhere',
      { ISSUERS: { ...TWO, beta: { ...TWO.beta, rules: 'named' } }, ...rules(rule()) },
      ['ISSUERS.beta.rules: is `named`, and no rule names it'],
    ],
    [
      'an issuer that is accepted where it is named, and is named',
      {
        ISSUERS: { ...TWO, beta: { ...TWO.beta, rules: 'named' } },
        ...rules(rule({ issuers: ['beta'] })),
      },
      [],
    ],
    // Hosts of Cloudflare, and its service tokens.
    [
      'a tunnel',
      gate({ origin: 'https://0f.cfargotunnel.com' }),
      ['GATE.origin: is the name of a tu'],
    ],
    ['a Worker', gate({ origin: WORKER }), ['GATE.origin: is the public address of a Worker']],
    [
      'a Pages project',
      gate({ origin: 'https://a.pages.dev/b' }),
      ['GATE.origin: is the public addr'],
    ],
    [
      'a Worker of a rule',
      rules(rule(), rule({ origin: WORKER })),
      ['ROUTES[1].origin: is the public'],
    ],
    [
      'a Worker of GATE and of a rule',
      { ...gate({ origin: WORKER }), ...rules(rule(), rule({ origin: WORKER }), open()) },
      ['GATE.origin: is the public address'],
    ],
    [
      'a Worker to which most rules send a secret',
      { ...gate({ origin: WORKER }), ...rules(sending('Authorization'), rule()) },
      ['GATE.origin: is the public address'],
    ],
    [
      'a tunnel with a secret',
      { ...gate({ origin: 'https://a.cfargotunnel.com' }), ...rules(sending(SECRET)) },
      ['GATE.origin: is the name of a tunnel'],
    ],
    [
      'half a service token',
      rules(sending(CLIENT)),
      [`ROUTES[0].inject: lacks ${CLIENT_SECRET}: `],
    ],
    [
      'the other half',
      rules(sending('cf_access_client_secret')),
      [`ROUTES[0].inject: lacks ${CLIENT}`],
    ],

    // A header by which an origin knows the gate.
    [
      'one rule of two',
      rules(sending(SECRET), rule()),
      ['ROUTES[1].inject: lacks `x-gate-secret`'],
    ],
    ['the later one', rules(rule(), sending(SECRET)), ['ROUTES[0].inject: lacks `x-gate-secret`']],
    ['another header', rules(sending(SECRET), sending('X-Other')), ['ROUTES[1].inject: lacks']],
    [
      'a token of Access in one rule of two',
      rules(rule(inject(CLIENT, CLIENT_SECRET)), rule()),
      ['ROUTES[1].inject: lacks `cf-access-client-secret`'],
    ],
    ['a public rule', rules(sending(SECRET), open()), ['ROUTES[1].access: is not `required`']],
    [
      'an optional rule',
      rules(sending(SECRET), optional()),
      ['ROUTES[1].access: is not `required`'],
    ],
    [
      'an origin of rules, in two spellings',
      rules(sending(SECRET, { origin: OTHER }), rule({ origin: `${OTHER}/` }), rule()),
      ['ROUTES[1].inject: lacks `x-gate-secret`'],
    ],
    [
      'many rules, each kind once',
      rules(sending(SECRET), ...[0, 1, 2, 3, 4, 5].map(() => rule()), open(), optional()),
      ['(also ROUTES[2], ROUTES[3], ROUTES[4] and 2 more)', '(also ROUTES[8])'],
    ],

    // A name that several issuers can give.
    [
      'a workflow of several issuers',
      two({ match: 'GET /runs/{run}', workflow: 'path:run' }),
      [`ROUTES[0].workflow: ${EACH} workflow: name the intended issuer in issuers`],
    ],
    [
      'a subject of several issuers',
      two({ delegation: { subjects: [{ issuer: 'acme', sub: 'bob' }, 'alice'] } }),
      [`ROUTES[0].delegation.subjects[1]: ${EACH} subject: write { issuer = "…", sub = "alice" }`],
    ],
    [
      'an actor of several issuers',
      two({ delegation: { actors: ['planner'] } }),
      [`ROUTES[0].delegation.actors[0]: ${EACH} actor: write { issuer = "…", sub = "planner" }`],
    ],
    [
      'claims of several issuers',
      two({ claims: { sub: 'alice', client_id: 'app', tenant: 'blue' } }),
      [`ROUTES[0].claims.sub: ${EACH} subject`, `ROUTES[0].claims.client_id: ${EACH} client`],
    ],
  ])('is warned of %s', (_, vars, says) => {
    expect(warnings(vars)).toEqual(says.map((one) => expect.stringContaining(one)))
  })

  it.each<[what: string, vars: Vars]>([
    ['a tolerance without assertions', gate({ clock_tolerance: '60s', assertion: 'off' })],
    ['plain http through a binding', gate({ origin: 'http://o.acme.dev', origin_via: 'VPC' })],
    ['plain http on this machine', gate({ origin: 'http://127.0.0.1:8080' })],
    ['a host that only ends alike', gate({ origin: 'https://myworkers.dev' })],
    ['a host inside of another', gate({ origin: 'https://workers.dev.acme.com' })],
    ['a Worker behind a binding', gate({ origin: WORKER, origin_via: 'API' })],
    [
      'a Worker nobody sends to',
      { ...gate({ origin: WORKER }), ...rules(rule({ origin: OTHER })) },
    ],
    [
      'a Worker to which each rule sends a secret',
      { ...gate({ origin: WORKER }), ...rules(sending(SECRET), sending(SECRET)) },
    ],
    [
      'a service binding without an assertion',
      {
        GATE: { resource: GATE.resource, origin: 'service:API' },
        ROUTES: [sending(SECRET), rule({ origin: 'service:OTHER' }), open(), optional()],
      },
    ],
    ['a whole service token', rules(rule(inject(CLIENT, CLIENT_SECRET, 'Authorization')))],
    ['a header of each rule', rules(sending(SECRET), sending('x-gate_secret'))],
    ['rules to another origin', rules(sending(SECRET), rule({ origin: OTHER }))],
    ['rules to another path', rules(sending(SECRET), rule({ origin: `${GATE.origin}/b` }))],
    ['rules through a binding', rules(sending(SECRET), rule({ origin_via: 'VPC' }))],
    [
      'an origin that nobody else reaches',
      { ...gate({ origin: 'http://localhost:1' }), ...rules(sending(SECRET), rule()) },
    ],
    ...['Authorization', 'X-API-Key', 'x-goog-api-key', 'Cookie', 'X-Client-Id'].map(
      (header): [string, Vars] => [
        `the API's own ${header}`,
        rules(sending(header), rule(), open(), optional()),
      ],
    ),
    ['a workflow of one issuer', two({ match: 'GET /{r}', workflow: 'path:r', issuers: ['acme'] })],
  ])('is not warned of %s', (_, vars) => {
    expect(warnings(vars)).toEqual([])
  })
})

describe('a secret that answers are searched for', () => {
  const basic = (pair: string) => btoa(pair)
  const said = (template: string, secret: string | undefined) =>
    warnings(rules(rule({ inject: { Authorization: template } })), {
      has: () => true,
      secret: (name) => (name === 'KEY' ? secret : undefined),
    }).filter((line) => line.includes('.inject'))

  it.each<[what: string, template: string, secret: string]>([
    ['text of seven characters with spaces around', `key \${KEY}`, ' abcdefg '],
    ['a password', `Basic \${KEY}`, basic('administrator:secret7')],
    ['a password that spaces make long', `basic \${KEY}`, basic('administrator: secret7 ')],
    ['a user without a password', `Basic \${KEY}`, basic('secret7:')],
    ['a user without a colon', `Basic \${KEY}`, basic('secret7')],
    ['a pair', `Basic \${KEY}`, basic('a:b')],
  ])('is warned of where it is too short to be found, and not told: %s', (_, template, secret) => {
    const lines = said(template, secret)
    expect(lines).toEqual([
      expect.stringMatching(/^ROUTES\[0\]\.inject\.authorization: .*too short/),
    ])
    expect(lines.join()).not.toMatch(/secret7|administrator|abcdefg/)
  })

  it.each<[what: string, template: string, secret: string | undefined]>([
    ['eight characters', `key \${KEY}`, 'abcdefgh'],
    ['a password of eight', `Basic \${KEY}`, basic('admin:secret78')],
    ['a password with a colon', `Basic \${KEY}`, basic('admin:sec:ret7')],
    ['an API key for a user', `Basic \${KEY}`, basic('an-api-key:')],
    ['another scheme', `Bearer \${KEY}`, basic('administrator:secret7')],
    ['what is no base64', `Basic \${KEY}`, 'not-base64'],
    ['a value that is not known', `\${KEY}`, undefined],
  ])('is not warned of: %s', (_, template, secret) => {
    expect(said(template, secret)).toEqual([])
  })
})

/**
 * What is said of an entry that has only a profile: its lifetime, and whether `jti` is missed; and where the console
 * of that issuer has the lifetime.
 */
const ADVICE: Readonly<Record<ProfileName, readonly [life: string, noJti: boolean, how: RegExp]>> =
  {
    rfc9068: ['', false, /have the issuer limit/],
    actor: ['', false, /have the issuer limit/],
    auth0: ['24h', true, /Maximum Access Token Lifetime.*900/],
    okta: ['1h', false, /Access Policies.*15 minutes/],
    entra: ['90m', true, /token lifetime policy.*28 hours/],
    keycloak: ['', false, /Access Token Lifespan/],
    cognito: ['1h', false, /Access token expiration/],
    clerk: ['24h', false, /have the issuer limit/],
    workos: ['1h', false, /have the issuer limit/],
    stytch: ['1h', false, /have the issuer limit/],
    'agentic-jwt': ['', false, /have the issuer limit/],
    generic: ['', true, /have the issuer limit/],
    'github-actions': ['', false, /have the issuer limit/],
    gitlab: ['1h', false, /timeout of the job to 15 minutes/],
    kubernetes: ['1h', true, /expirationSeconds.*900/],
    gcp: ['1h', true, /live an hour/],
    aws: ['1h', false, /--duration-seconds 900/],
    'azure-workload': ['25h', true, /live a day/],
    spiffe: ['', true, /have the issuer limit/],
  }
/** What an entry of a profile has to say. */
const NEEDED: Readonly<Partial<Record<ProfileName, object>>> = {
  cognito: { audiences: ['client'] },
  spiffe: { issuer: 'spiffe://prod.example.org', jwks_uri: 'https://bundle.prod.example.org/' },
}

describe.each(PROFILE_NAMES)('an entry with profile %s', (profile) => {
  const said = (more: object) =>
    warnings({ ISSUERS: { acme: { ...ACME, profile, ...NEEDED[profile], ...more } } })
  const [life, noJti, how] = ADVICE[profile]

  it('is warned of the long life that its tokens may have, and of tokens without jti', () => {
    expect(said({})).toEqual([
      ...(life ? [expect.stringContaining(`max_lifetime: tokens may live ${life}, and`)] : []),
      ...(noJti ? [expect.stringMatching(/^ISSUERS\.acme: .*cannot be revoked by itself/)] : []),
    ])
    expect(said({ max_lifetime: '15m', required_claims: ['jti'] })).toEqual([])
    expect(said({ max_lifetime: '15m', required_claims: ['iss'] })).toHaveLength(1)
  })

  it('is told how its tokens live shorter', () => {
    const [first] = said({ max_lifetime: '16m' })
    expect(first).toMatch(how)
    expect(first).toMatch(/^ISSUERS\.acme\.max_lifetime: .*then set max_lifetime = "15m"$/)
  })
})

describe('an endpoint that tenants of Entra share', () => {
  const said = (issuer: string, profile: string) =>
    mistakes({ ISSUERS: { entra: { issuer, profile } } })

  it.each([
    ['https://login.microsoftonline.com/common/v2.0', 'common'],
    ['https://login.microsoftonline.com/organizations/v2.0', 'organizations'],
    ['https://login.partner.microsoftonline.cn/consumers/v2.0', 'consumers'],
    ['https://sts.windows.net/common/', 'common'],
    ['https://login.microsoftonline.us/Common', 'Common'],
  ])('is no issuer: %s', (issuer, name) => {
    for (const profile of ['entra', 'generic']) {
      expect(said(issuer, profile)).toEqual([
        expect.stringContaining(`write the tenant's id in place of \`${name}\``),
      ])
    }
  })

  it.each([
    'https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0',
    'https://login.microsoftonline.com/commons/v2.0',
    'https://login.acme.dev/common/v2.0',
  ])('is not %s', (issuer) => {
    expect(said(issuer, 'entra')).toEqual([])
  })
})
