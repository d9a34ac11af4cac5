import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  auth,
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { stringify } from 'smol-toml'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { folder, runHere, toml } from '../command/kit.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { type Edit, type LoginServer, startLoginServer } from '../kit/mcp/login-server.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'

/** An oidc-provider, a gate in workerd, and an MCP server made with the SDK. */
let server: LoginServer
let gate: Gate
let origin: McpOrigin
let base: string
const directory = await folder()
const config = join(directory, 'wrangler.toml')

const SCOPES = ['mcp:connect', 'weather:read', 'files:read', 'files:write']
const PAGE = 'http://localhost:6274'

beforeAll(async () => {
  const port = await freePort()
  base = `http://127.0.0.1:${port}`
  server = await startLoginServer(SCOPES)
  origin = await startMcpOrigin()
  origin.on('/open', (_req, res) => res.end())
  const rule = (path: string, more: object = {}) => ({
    match: `GET,POST,DELETE ${path}`,
    resource: base + path,
    scopes: ['mcp:connect'],
    mcp: {
      tools: { get_weather: ['weather:read'], 'files_*': ['files:read'], slow_count: [] },
      origins: [PAGE],
    },
    ...more,
  })
  const vars = {
    GATE: { resource: base, origin: origin.url },
    ISSUERS: { login: { issuer: server.issuer, allow_insecure_http: true } },
    ROUTES: [
      rule('/mcp', { cors: { origins: [PAGE] } }),
      rule('/bound', { cors: { origins: [PAGE] }, possession: 'required' }),
      rule('/stateless'),
      rule('/modern'),
      rule('/named/wrong', { resource: `${base}/another`, strip_prefix: '/named' }),
      rule('/named/wide', { resource: `${base}/named`, strip_prefix: '/named' }),
      { match: 'POST /open', access: 'public' },
    ],
  }
  await writeFile(config, toml({ gate: stringify({ vars }), issuer: '', route: '' }))
  gate = await startGate({ port, vars })
})
afterAll(async () => {
  await gate?.stop()
  await Promise.all([server?.close(), origin?.close()])
})
beforeEach(() => server.fail())

interface Report {
  readonly problems: readonly {
    readonly code: string
    readonly message: string
    readonly fix: string
  }[]
  readonly warnings: Report['problems']
  readonly clients: readonly {
    readonly client: string
    readonly result: string
    readonly because: string
    readonly shows: string | null
  }[]
  readonly [name: string]: unknown
}

const examine = async (path: string, ...more: string[]) => {
  const { code, stdout } = await runHere(['doctor', '--mcp', base + path, '--json', ...more])
  const report = JSON.parse(stdout) as Report
  const found = [...report.problems, ...report.warnings]
  const of = (name: string) => report.clients.find(({ client }) => client === name)
  return { code, report, found, codes: found.map((one) => one.code), of, stdout }
}

describe('doctor --mcp on a server in order', () => {
  it('finds nothing, and clients that register by themselves', async () => {
    const { code, report, codes, of } = await examine('/mcp')
    expect([code, codes]).toEqual([0, []])
    expect(report).toMatchObject({
      healthy: true,
      mcp: `${base}/mcp`,
      challenge: { status: 401, scope: 'mcp:connect' },
      resource: { value: `${base}/mcp`, fit: 'equal' },
      authorization_server: {
        issuer: server.issuer,
        registration: { cimd: false, dcr: true, none: true },
        pkce: ['S256'],
      },
      hidden_from_pages: [],
    })
    expect(of('VS Code')).toMatchObject({ result: 'works', because: 'by registering' })
    expect(of('MCP Inspector')).toMatchObject({ result: 'works' })
    expect(of('worker with credentials')).toMatchObject({ result: 'works' })
    // This machine is nothing that they could reach.
    expect(of('Claude')).toMatchObject({
      result: 'fails',
      because: expect.stringContaining('https'),
    })
  })

  it('warns where clients must make DPoP proofs', async () => {
    const { code, found, codes } = await examine('/bound')
    expect([code, codes]).toEqual([0, ['proofs_required']])
    expect(found[0]?.message).toBe('Tokens must be bound to a key')
    server.fail(({ dpop_signing_alg_values_supported: _, ...metadata }) => metadata)
    const { found: without } = await examine('/bound')
    expect(without[0]?.message).toMatch(/names no dpop_signing_alg_values_supported$/)
  })

  it('knows by the policy what a name needs', async () => {
    const asked = ['doctor', '--mcp', '/mcp', '--config', config, '--json']
    server.fail((metadata) => ({ ...metadata, scopes_supported: ['mcp:connect', 'weather:read'] }))
    const report = JSON.parse((await runHere(asked)).stdout) as Report
    expect(report.names).toEqual([
      {
        name: 'get_weather',
        needs: 'weather:read',
        obtainable: 'after a refusal that names the scopes',
      },
      { name: 'files_*', needs: 'files:read', obtainable: 'NOT OBTAINABLE' },
      { name: 'slow_count', needs: '-', obtainable: 'from the start' },
    ])
    expect(report.warnings).toMatchObject([
      { code: 'scopes_not_offered', message: expect.stringContaining('"files:read"') },
      { code: 'names_not_obtainable', message: expect.stringContaining('files_*') },
    ])
  })
})

const without =
  (name: string): Edit =>
  ({ [name]: _, ...rest }) =>
    rest

/** A fault of the authorization server: what is found, and what a client then does. */
const FAULTS: readonly (readonly [
  name: string,
  edit: Edit,
  code: string,
  exit: number,
  message: RegExp,
  fix: RegExp,
  client: string,
  result: string,
])[] = [
  [
    'no registration',
    without('registration_endpoint'),
    'no_registration',
    0,
    /cannot register: no client ID metadata documents, no registration_endpoint/,
    /Turn one of them on.*hand out client ids/,
    'mcp-remote',
    'needs a client id',
  ],
  [
    'no PKCE',
    without('code_challenge_methods_supported'),
    's256_missing',
    1,
    /no code_challenge_methods_supported/,
    /Turn PKCE on/,
    'Cursor',
    'not known',
  ],
  [
    'metadata 404',
    () => undefined,
    'server_metadata_missing',
    1,
    /status 404/,
    /address/,
    'Cursor',
    'fails',
  ],
  [
    'scopes not offered',
    (metadata) => ({ ...metadata, scopes_supported: ['openid'] }),
    'scopes_not_offered',
    0,
    /"mcp:connect weather:read files:read"/,
    /invalid_scope/,
    'VS Code',
    'works',
  ],
  [
    'no authorization code',
    (metadata) => ({ ...metadata, grant_types_supported: ['client_credentials'] }),
    'no_login',
    0,
    /people cannot log in/,
    /unless only workers/,
    'VS Code',
    'fails',
  ],
]

describe('doctor --mcp and an authorization server with', () => {
  it.each(FAULTS)('%s', async (_name, edit, code, exit, message, fix, client, result) => {
    server.fail(edit)
    const { code: status, found, codes, of } = await examine('/mcp')
    expect([status, codes]).toEqual([exit, [code]])
    expect(found[0]?.message).toMatch(message)
    expect(found[0]?.fix).toMatch(fix)
    expect(of(client)?.result).toBe(result)
  })

  it('no headers for pages', async () => {
    server.fail(undefined, true)
    const { code, found, of } = await examine('/mcp')
    expect(code).toBe(0)
    expect(found).toMatchObject([
      {
        code: 'pages_refused',
        message: expect.stringMatching(/read the authorization server \(CORS/),
      },
    ])
    expect(of('MCP Inspector')).toMatchObject({ result: 'fails' })
    expect(of('mcp-remote')).toMatchObject({ result: 'works' })
  })
})

describe('doctor --mcp and a gate with', () => {
  it.each([
    ['no CORS', '/stateless', 0, 'pages_refused', /cannot read the server/, /write cors/],
    ['another resource', '/named/wrong', 1, 'resource_mismatch', /another/, /Write resource = /],
    ['no login', '/open', 1, 'not_challenged', /answer is 200/, /asks for no token/],
    ['a path without a rule', '/nowhere', 1, 'not_challenged', /404/, /Correct the URL/],
  ])('%s', async (_name, path, exit, code, message, fix) => {
    const { code: status, found, codes } = await examine(path)
    expect(status).toBe(exit)
    expect(codes).toContain(code)
    const finding = found.find((one) => one.code === code)
    expect(finding?.message).toMatch(message)
    expect(finding?.fix).toMatch(fix)
  })

  it('nobody there', async () => {
    const { code, stdout } = await runHere([
      'doctor',
      '--mcp',
      `http://127.0.0.1:${await freePort()}/mcp`,
      '--json',
    ])
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      problems: [{ code: 'unreachable', certain: false }],
    })
  })
})

describe('doctor --mcp and whoever answers', () => {
  it('follows no redirect of a POST', async () => {
    const [first, second] = await Promise.all([startOrigin(), startOrigin()])
    first.on('/mcp', (_req, res) => res.writeHead(307, { location: `${second.url}/mcp` }).end())
    const asked = ['doctor', '--mcp', `${first.url}/mcp`, '--json']
    const report = JSON.parse((await runHere(asked)).stdout) as Report
    expect(report.problems.map(({ code }) => code)).toContain('not_challenged')
    expect(report.problems[0]?.fix).toMatch(/no redirect of a POST/)
    expect(second.requests).toEqual([])
    await Promise.all([first.close(), second.close()])
  })

  it('finds that there is no resource metadata, and no word of it', async () => {
    const bare = await startOrigin()
    bare.on('/mcp', (_req, res) => res.writeHead(401).end())
    for (const path of ['', '/mcp']) {
      const place = `/.well-known/oauth-protected-resource${path}`
      bare.on(place, (_req, res) => res.writeHead(404).end())
    }
    const { code, stdout } = await runHere(['doctor', '--mcp', `${bare.url}/mcp`, '--json'])
    const { problems, warnings, clients } = JSON.parse(stdout) as Report
    expect(code).toBe(1)
    expect(problems).toMatchObject([
      {
        code: 'resource_metadata_missing',
        message: expect.stringMatching(/\(status 404\), .*404/),
      },
    ])
    expect(warnings).toMatchObject([{ code: 'challenge_without_metadata' }])
    expect(clients.filter(({ result }) => result !== 'fails')).toEqual([])
    await bare.close()
  })
})

describe('what the table says of the SDK for TypeScript', () => {
  const provider = (): OAuthClientProvider => ({
    redirectUrl: 'http://localhost/callback',
    clientMetadata: {
      redirect_uris: ['http://localhost/callback'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    } as never,
    clientInformation: () => undefined,
    saveClientInformation: () => undefined,
    tokens: () => undefined,
    saveTokens: () => undefined,
    redirectToAuthorization: () => undefined,
    saveCodeVerifier: () => undefined,
    codeVerifier: () => '',
  })
  const connect = async (path: string) => {
    const refused = await fetch(base + path, { method: 'POST' })
    const { resourceMetadataUrl } = extractWWWAuthenticateParams(refused)
    const found = { serverUrl: base + path, ...(resourceMetadataUrl && { resourceMetadataUrl }) }
    return auth(provider(), found).then(String, ({ message }: Error) => message)
  }

  it.each([
    ['in order', (metadata) => metadata, '/mcp'],
    ['no registration', without('registration_endpoint'), '/mcp'],
    ['no PKCE', without('code_challenge_methods_supported'), '/mcp'],
    ['another resource', (metadata) => metadata, '/named/wrong'],
    ['a wider resource', (metadata) => metadata, '/named/wide'],
  ] as readonly (readonly [string, Edit, string])[])(
    'is what it does: %s',
    async (_name, edit, path) => {
      server.fail(edit)
      const told = (await examine(path)).of('SDK, TypeScript')
      const shown = await connect(path)
      if (told?.result === 'works') expect(shown).toBe('REDIRECT')
      else {
        const [head = '', tail = ''] = told?.shows?.split('…') ?? []
        expect(shown.startsWith(head) && shown.includes(tail.trim())).toBe(true)
        expect(head).not.toBe('')
      }
    },
  )
})
