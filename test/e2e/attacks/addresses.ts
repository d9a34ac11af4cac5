import type { Ask } from '../world.ts'

/** A request that must not get through although its token is good, and how it is answered. */
export type RequestAttack = readonly [name: string, status: number, code: string, ask: Ask]

const targets = (status: number, code: string, all: readonly string[]) =>
  all.map((target): RequestAttack => [target.slice(0, 60), status, code, { target }])

/** Paths on which the gate and an origin could disagree: some of each kind. */
export const PATHS: readonly RequestAttack[] = [
  ...targets(400, 'path_ambiguous', [
    '/public/../v1/admin/users',
    '/public/./x',
    '/public/..',
    '/public/%2E%2e/v1/admin/users',
    '/public/..%2fv1/admin/users',
    '/v1%2fadmin%2fusers',
    '/v1/models/a%2f..%2fb',
    '//v1/admin/users',
    '/v1//admin/users',
    '/v1/admin;x=1/users',
    '/v1/any%00.json',
    '/v1/any%0d%0aX-Agent-Id:%20root',
    '/v1/%2561dmin/users',
    '/v1/%252e%252e/admin/users',
    '/v1/any%5Cx',
    '/public\\..\\v1\\admin\\users',
    '/v1/any%',
    '/v1/any%zz',
    '/v1/any%u0061',
    '/v1/%c0%ae%c0%ae/admin/users',
    '/v1/any%ed%a0%80',
    '/v1/"any"',
    '/v1/{any}',
    `/v1/${'a'.repeat(9_000)}`,
    // Rules that a laxer reader would meet first.
    '/v1/admin/USERS',
    '/v1/admin/users/',
    '/v1/%41dmin/users',
    '/.edgewarden/a%2fb',
    '/v1/engines/x%3ARUN/',
    '/v1/reports/%24top=1%40latest',
  ]),
  ...targets(404, 'route_unknown', [
    '/V1/admin/users',
    '/PUBLIC/x',
    '/public',
    '/',
    '/.well-known/oauth-authorization-server',
    '/.edgewarden',
    '/.edgewarden/Ready',
    '/.edgewarden/explain',
    '/.edgewarden/jwks.json/',
    '/%2eedgewarden/nothing',
  ]),
  // An escape of an unreserved character is the character: the strict rule counts.
  ...targets(403, 'scope_missing', [
    '/.edgewarden/policy',
    '/v1/%61dmin/users',
    '/%76%31/admin/users',
    '/v1/engines/x:run',
  ]),
]

const hosts = (status: number, code: string, all: readonly (readonly string[])[]) =>
  all.map((one): RequestAttack => [`Host ${one.join(' and ')}`, status, code, { hosts: one }])

/** Host headers that are not one plain name, or not the name of the gate. */
export const HOSTS: readonly RequestAttack[] = [
  ...hosts(400, 'host_malformed', [
    ['x#'],
    ['api.example.com/..'],
    ['api.example.com?'],
    ['api.example.com\\'],
    ['user:pass@api.example.com'],
    ['api.example.com:443@evil.example'],
    ['api.example.com:123456'],
    ['api.example.com:80:80'],
    ['api.example.com, evil.example'],
    ['api.example.com evil.example'],
    ['api.example.com%00'],
    ['api%2eexample.com'],
    ['api.example.com.'],
    ['http://api.example.com'],
    ['[::1'],
    ['api.example.com', 'api.example.com'],
    ['api.example.com', 'evil.example'],
    ['evil.example', 'api.example.com'],
  ]),
  ...hosts(421, 'host_unknown', [
    ['example.com'],
    ['api.example.com.evil.example'],
    ['127.0.0.1'],
    ['[::1]'],
  ]),
]

const PREFLIGHT: Ask['headers'] = [
  ['Origin', 'https://app.example.com'],
  ['Access-Control-Request-Method', 'PROPFIND'],
]

/** Methods beside those that rules can name. */
export const METHODS: readonly RequestAttack[] = [
  ...['TRACE', 'SEARCH', 'PURGE'].map(
    (method): RequestAttack => [method, 405, 'method_unknown', { method }],
  ),
  ['PUT where the rule has GET', 404, 'route_unknown', { method: 'PUT' }],
  ['TRACE on a public route', 405, 'method_unknown', { method: 'TRACE', target: '/public/x' }],
  [
    'GET with an override to OPTIONS',
    403,
    'scope_missing',
    { target: '/v1/admin/users', headers: [['X-HTTP-Method-Override', 'OPTIONS']] },
  ],
  [
    'a preflight that announces an unknown method',
    403,
    'preflight_refused',
    { method: 'OPTIONS', target: '/v1/browser', headers: PREFLIGHT },
  ],
]
