import { describe, expect, it, vi } from 'vitest'
import { route } from '../../../src/gate/guard/stages/route.ts'
import { METHODS, type Route } from '../../../src/gate/model/route.ts'
import { codeOf, gateOf, policyOf, requestTo, routeOf, scopesOf } from '../../kit/facts.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'
import { compile } from '../../policy/conditions/support.ts'

type Inbound = NonNullable<RequestInit['headers']>

const URL_BASE = 'https://api.example.com'

const cors = {
  origins: ['https://app.example.org'],
  methods: [],
  headers: [],
  expose: [],
  credentials: false,
}

const ROUTES: readonly Route[] = [
  routeOf('GET /admin', { scopes: { mode: 'all', scopes: [] } }),
  routeOf('GET /docs/{id}'),
  routeOf('POST /docs', { cors }),
  routeOf('OPTIONS /docs'),
  routeOf('GET /models/{model}:load', { encodedSlash: true }),
  routeOf('GET /runs/{run}', { workflow: { from: 'path', name: 'run' }, encodedSlash: true }),
  routeOf('GET /by-header', { workflow: { from: 'header', name: 'x-run' } }),
  routeOf('GET /by-query', { workflow: { from: 'query', name: 'run' } }),
  routeOf('GET /.edgewarden/*', { endpoint: 'none' }),
  routeOf('GET /.edgewarden/ready', { endpoint: 'ready' }),
  routeOf('GET /.well-known/oauth-authorization-server'),
  routeOf('GET /plain', { resource: 'http://localhost' }),
  routeOf('GET /open/*', { encodedSlash: true }),
  routeOf('GET /.well-known/*'),
  routeOf('* /rest/*', { host: 'other.example.com' }),
]

const gate = gateOf({ hosts: new Set(['api.example.com', 'other.example.com']) })
const policy = policyOf(ROUTES, { gate })

const run = async (url: string, init?: RequestInit, under = policy) =>
  route.run({ request: requestTo(url, init), policy: under }, undefined)

const preflight = (method: string) => ({
  method: 'OPTIONS',
  headers: { origin: 'https://app.example.org', 'access-control-request-method': method },
})

describe('route', () => {
  it.each<[string, string, RequestInit?]>([
    ['ok', '/docs/1'],
    ['ok', '/docs/1', { method: 'HEAD' }],
    ['ok', '/docs/%61?x=/../'],
    ['ok', '/docs', { method: 'POST' }],
    ['route_unknown', '/docs/1', { method: 'POST' }],
    ['route_unknown', '/docs'],
    ['route_unknown', '/docs/1/2'],
    ['route_unknown', '/'],
    ['route_unknown', '/__proto__'],
    ['route_unknown', '/rest/x'],
    ['route_unknown', '/docs/1', { method: 'POST', headers: { 'x-http-method-override': 'GET' } }],
    ['method_unknown', '/docs/1', { method: 'PROPFIND' }],
    ['method_unknown', '/docs/1', { method: 'get-all' }],
    ['path_ambiguous', '/docs/../admin'],
    ['path_ambiguous', '/docs//1'],
    ['path_ambiguous', '/docs/1;x'],
    ['path_ambiguous', '/docs/%2e%2e'],
    ['path_ambiguous', '/docs\\1'],
    ['path_ambiguous', '/docs/a%2Fb'],
    ['path_ambiguous', '/open/a%2Fb'],
    ['path_ambiguous', '/models%2Fa:load'],
    ['path_ambiguous', '/none/a%2fb'],
    ['ok', '/models/a%2Fb:load'],
    ['ok', '/models/a%2fb%2Fc:load'],
    ['route_unknown', '/.edgewarden/anything'],
    ['route_unknown', '/.edgewarden/ready'],
    ['ok', '/.well-known/oauth-authorization-server'],
    ['ok', '/.well-known/security.txt'],
    ['ok', '/.well-known/openid-configurations'],
    ['route_unknown', '/.well-known/oauth-protected-resource'],
    ['route_unknown', '/.well-known/oauth-protected-resource/mcp'],
    ['route_unknown', '/.well-known/%6fauth-protected-resource'],
    ['route_unknown', '/.well-known/OAUTH-protected-resource'],
    ['route_unknown', '/.well-known/openid-configuration'],
    ['route_unknown', '/.well-known/openid-configuration/x'],
    ['ok', '/docs', { method: 'OPTIONS' }],
    ['ok', '/docs', preflight('POST')],
    ['route_unknown', '/docs', preflight('GET')],
    ['preflight_refused', '/docs/1', preflight('GET')],
    ['preflight_refused', '/docs', preflight('PROPFIND')],
    ['preflight_refused', '/docs', preflight('post')],
    ['ok', '/docs', { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } }],
    ['ok', '/docs', { method: 'OPTIONS', headers: { origin: 'https://x.example' } }],
  ])('%s for %s', async (code, path, init) => {
    expect(codeOf(await run(URL_BASE + path, init))).toBe(code)
  })

  it.each([
    ['host_unknown', 'https://evil.example/docs/1'],
    ['host_unknown', 'https://api.example.com.evil.example/docs/1'],
    ['host_malformed', 'https://user@api.example.com/docs/1'],
    ['host_malformed', 'https://api.example.com/docs/1#x'],
    ['host_malformed', 'https://api.example.com./docs/1'],
    ['ok', 'https://API.example.com:8443/docs/1'],
    ['ok', 'https://other.example.com/rest/x'],
    ['insecure_transport', 'http://api.example.com/docs/1'],
    ['insecure_transport', 'ws://api.example.com/docs/1'],
    ['ok', 'http://api.example.com/plain'],
  ])('%s for %s', async (code, url) => {
    expect(codeOf(await run(url))).toBe(code)
  })

  it('refuses a Host header that is not one plain name, whatever the URL says', async () => {
    const headers = { host: 'api.example.com/docs' }
    expect(codeOf(await run(`${URL_BASE}/docs/1`, { headers }))).toBe('host_malformed')
  })

  it('takes http where the policy says so', async () => {
    const lax = policyOf(ROUTES, { gate: gateOf({ insecureHttp: true }) })
    expect(codeOf(await run('http://api.example.com/docs/1', {}, lax))).toBe('ok')
  })

  it('names the known methods to a caller with another one', async () => {
    const outcome = await run(`${URL_BASE}/docs`, { method: 'PROPFIND' })
    expect(outcome).toMatchObject({ reason: { params: { allow: METHODS } } })
  })

  it.each([
    ['once for the method of the request', 1, 'ok', '_method=GET&'.repeat(25)],
    ['twice for another, however often the query names it', 2, 'ok', '_method=HEAD&'.repeat(25)],
    ['once for two others', 1, 'method_ambiguous', '_method=GET&_method=HEAD&_method=PUT'],
    ['once for a method that the gate does not know', 1, 'method_ambiguous', '_method=PURGE'],
  ])('asks the router %s', async (_, times, code, query) => {
    const find = vi.fn(policy.router.find)
    const outcome = await run(`${URL_BASE}/docs/1?${query}`, {}, { ...policy, router: { find } })
    expect(codeOf(outcome) ?? 'ok').toBe(code)
    expect(find).toHaveBeenCalledTimes(times)
  })

  it('refuses a path that a laxer reader would take for an earlier rule', async () => {
    const open = policyOf([routeOf('GET /admin'), routeOf('GET /*', { access: 'public' })])
    for (const [path, code] of [
      ['/admin', 'ok'],
      ['/ADMIN', 'path_ambiguous'],
      ['/admin/', 'path_ambiguous'],
      ['/Admin/', 'path_ambiguous'],
      ['/admins', 'ok'],
      ['/admin/x', 'ok'],
    ] as const) {
      expect(codeOf(await run(URL_BASE + path, {}, open)), path).toBe(code)
    }
  })

  it.each([
    [true, preflight('POST')],
    [false, { method: 'OPTIONS' }],
    [false, { method: 'OPTIONS', headers: { origin: 'https://x.example' } }],
  ])('says whether it is a preflight: %s', async (isPreflight, init) => {
    expect(await run(`${URL_BASE}/docs`, init)).toMatchObject({ ok: true, value: { isPreflight } })
  })

  it('gives the rule, the raw parameters and the address', async () => {
    const outcome = await run(`${URL_BASE}:8443/docs/%e2%82%ac%61?q`)
    expect(outcome.ok && outcome.value).toEqual({
      route: ROUTES[1],
      params: new Map([['id', '%E2%82%ACa']]),
      deciding: new Map(),
      isPreflight: false,
      address: {
        scheme: 'https',
        host: 'api.example.com',
        authority: 'api.example.com:8443',
        path: '/docs/%E2%82%ACa',
        query: '?q',
      },
    })
  })

  it('gives the parameters that scopes and identifiers are made of, in one order', async () => {
    const [identifier] = scopesOf('all', 't/{c}:{a}').scopes
    const rule = routeOf('GET /{a}/{b}/{c}/{d}', {
      scopes: scopesOf('any', 'x:{d}', 'y:{a}:{d}', 'z'),
      authorizationDetails: [{ type: 'u' }, { type: 't', ...(identifier && { identifier }) }],
    })
    const outcome = await run(`${URL_BASE}/1/2/3/4`, {}, policyOf([rule]))
    expect(outcome.ok && [...(outcome.value.deciding ?? [])]).toEqual([
      ['a', '1'],
      ['c', '3'],
      ['d', '4'],
    ])
  })
})

describe('documents that name an authorization server', () => {
  const target = (changes: Partial<Route['target']>) => ({
    target: { ...routeOf('GET /x').target, ...changes },
  })
  const stripped = target({ stripPrefix: '/sub' })
  const { mcp } = mcpFacts({ tools: { a: [] } }).route
  const policy = policyOf([
    routeOf('GET /sub/.well-known/oauth-authorization-server', { ...stripped, mcp }),
    routeOf('GET /sub/*', stripped),
    routeOf('GET /based/*', target({ url: new URL('https://o.example/.well-known/') })),
    routeOf('GET /inside/*', target({ url: new URL('https://o.example/v1/') })),
    routeOf('GET /escaped/{id}', { encodedSlash: true, ...target({ stripPrefix: '/escaped' }) }),
    routeOf('GET /mcp/*', { mcp }),
    routeOf('GET /short/{id}', { mcp, encodedSlash: true }),
    routeOf('GET /tools/*', {
      mcp,
      ...target({ stripPrefix: '/tools', url: new URL('https://o.example/api') }),
    }),
    routeOf('GET /named/*', { mcp, ...target({ url: new URL('https://o.example/.well-known') }) }),
  ])

  it.each<[string, string]>([
    // As the path is sent on.
    ['route_unknown', '/sub/.well-known/oauth-protected-resource'],
    ['route_unknown', '/sub/.well-known/OAuth-protected-resource/mcp'],
    ['route_unknown', '/sub/.well-known/openid-configuration'],
    ['ok', '/sub/.well-known/security.txt'],
    ['ok', '/sub/x/.well-known/oauth-protected-resource'],
    ['ok', '/sub/.well-known/openid-configurations'],
    ['ok', '/based/oauth-protected-resource'],
    ['ok', '/inside/.well-known/oauth-protected-resource'],
    ['route_unknown', '/escaped/.well-known%2Foauth-protected-resource'],
    ['ok', '/escaped/well-known%2Foauth-protected-resource'],
    // Spelled out by its rule.
    ['ok', '/sub/.well-known/oauth-authorization-server'],
    // Of an MCP server, anywhere.
    ['route_unknown', '/mcp/.well-known/oauth-protected-resource'],
    ['route_unknown', '/mcp/x/.WELL-KNOWN/openid-configuration'],
    ['route_unknown', '/tools/.well-known/oauth-authorization-server/x'],
    ['route_unknown', '/short/.well-known%2Foauth-protected-resource'],
    ['route_unknown', '/named/x/.well-known/openid-configuration/y'],
    ['ok', '/mcp/.well-known/security.txt'],
    ['ok', '/mcp/oauth-protected-resource'],
    ['ok', '/mcp/x.well-known/oauth-protected-resource'],
  ])('%s for %s', async (code, path) => {
    expect(codeOf(await run(URL_BASE + path, {}, policy))).toBe(code)
  })

  it('are found where the whole prefix of a rule is taken away', async () => {
    const path = '/.well-known'
    const url = new URL(`https://o.example${path}/`)
    const open = policyOf([routeOf('GET /a/*', target({ stripPrefix: '/a', url }))])
    expect(codeOf(await run(`${URL_BASE}/a/oauth-x`, {}, open))).toBe('route_unknown')
    expect(codeOf(await run(`${URL_BASE}/a/security.txt`, {}, open))).toBe('ok')
  })
})

describe('the workflow a request names', () => {
  const two = new Headers([
    ['x-run', 'r1'],
    ['x-run', 'r2'],
  ])

  it.each<[string | undefined, string, Inbound?]>([
    ['r1', '/runs/r1'],
    ['r€', '/runs/r%E2%82%AC'],
    ['a/b', '/runs/a%2Fb'],
    ['r1', '/by-header', { 'x-run': 'r1' }],
    [undefined, '/by-header'],
    [undefined, '/by-header', { 'x-run': '' }],
    [undefined, '/by-header', { 'x-run': 'r1,r2' }],
    [undefined, '/by-header', two],
    [undefined, '/by-header', { 'x-run': 'r1\u00a0' }],
    [undefined, '/by-header', { 'x-run': ' \t\u00a0r1 ' }],
    [undefined, '/by-header', { 'x-run': 'r1', x_run: 'r2' }],
    [undefined, '/by-header', { 'x-run': 'r1', 'X.Run': 'r1' }],
    [undefined, '/by-header', { x_run: 'r1' }],
    [undefined, '/by-header', { 'x-run': 'r1', connection: 'X-Run' }],
    [undefined, '/by-header', { 'x-run': 'r1', connection: 'close, x_run' }],
    ['r1', '/by-header', { 'x-run': 'r1', x_runs: 'r2', connection: 'keep-alive, x-ru' }],
    ['r1', '/runs/r1', { 'x-run': 'r1', x_run: 'r2', connection: 'x-run' }],
    ['r1', '/by-query?run=r1'],
    ['r 1', '/by-query?x=1&run=r+1'],
    ['r1', '/by-query?%72un=r1'],
    [undefined, '/by-query'],
    [undefined, '/by-query?run='],
    [undefined, '/by-query?run'],
    [undefined, '/by-query?RUN=r1'],
    [undefined, '/by-query?run=r1&run=r1'],
    [undefined, '/by-query?run=r1&%72un=r2'],
  ])('is %j for %s', async (named, path, headers) => {
    const outcome = await run(URL_BASE + path, headers ? { headers } : {})
    if (named === undefined) expect(codeOf(outcome)).toBe('parameter_ambiguous')
    else expect(outcome).toMatchObject({ ok: true, value: { namedWorkflow: named } })
  })
})

describe('what a condition reads of a request', () => {
  const when = compile('"x-data-class" in request.headers || "region" in request.query')
  const { source: condition, headers, query } = when
  const tools = { read: { scopes: [], when: { condition, headers, query } } }
  const policy = policyOf([
    routeOf('GET /when', { when }),
    routeOf('GET /any'),
    mcpFacts({ tools }).route,
  ])
  const two = new Headers([
    ['x-data-class', 'public'],
    ['x-data-class', 'public'],
  ])

  it.each<[string, string, Inbound?]>([
    ['ok', '/when'],
    ['ok', '/when?region=eu&other=1&other=2', { 'x-data-class': 'public', 'x-other': 'a,b' }],
    ['ok', '/when?region='],
    ['parameter_ambiguous', '/when?region=eu&region=eu'],
    ['parameter_ambiguous', '/when?region=eu&%72egion=us'],
    ['parameter_ambiguous', '/when', { 'x-data-class': 'public,secret' }],
    ['parameter_ambiguous', '/when', two],
    ['parameter_ambiguous', '/when', { 'x-data-class': 'public', x_data_class: 'secret' }],
    ['parameter_ambiguous', '/when', { 'X.Data-Class': 'secret' }],
    ['parameter_ambiguous', '/when', { 'x-data-class': 'public', connection: 'x-Data-class' }],
    [
      'parameter_ambiguous',
      '/when',
      { 'x-data-class': 'public', connection: 'close,x_data_class' },
    ],
    ['parameter_ambiguous', '/when', { connection: 'x-data-class' }],
    ['ok', '/when', { 'x-data-class': 'public', x_data_classes: 'a', connection: 'keep-alive' }],
    ['ok', '/any', { 'x-data-class': 'public', x_data_class: 'a', connection: 'x-data-class' }],
    // Of whatever may be used of an MCP server: there is one reading of a request.
    ['ok', '/mcp?region=eu&other=1&other=2', { 'x-data-class': 'public' }],
    ['parameter_ambiguous', '/mcp?region=eu&region=eu'],
    ['parameter_ambiguous', '/mcp', two],
  ])('is %s for %s %j', async (code, path, headers = {}) => {
    expect(codeOf(await run(URL_BASE + path, { headers }, policy))).toBe(code)
  })

  it('may be a name that others fold, and is that one only', async () => {
    const named = { ...when, headers: ['x_data_class'] }
    const under = policyOf([routeOf('GET /when', { when: named })])
    const codeFor = async (headers: Inbound) =>
      codeOf(await run(`${URL_BASE}/when`, { headers }, under))
    expect(await codeFor({ x_data_class: 'public' })).toBe('ok')
    expect(await codeFor({ 'x-data-class': 'public' })).toBe('parameter_ambiguous')
  })
})
