import type { Ask } from '../world.ts'

/** A request that must not get through although its token is good, and how it is answered. */
export type RequestAttack = readonly [name: string, status: number, code: string, ask: Ask]

/** A request for a target. */
export const at = (target: string, more: Ask = {}): Ask => ({ target, ...more })

/** Paths on which the gate and an origin could disagree. */
export const PATHS: readonly RequestAttack[] = [
  ...[
    '/public/../v1/admin/users',
    '/public/./x',
    '/public/..',
    '/public/.',
    '/v1/../v1/admin/users',
    '/public/%2e%2e/v1/admin/users',
    '/public/%2E%2e/v1/admin/users',
    '/public/.%2e/v1/admin/users',
    '/public/%2e/x',
    '/public/..%2fv1/admin/users',
    '/public/x%2f..%2f..%2fv1',
    '/v1%2fadmin%2fusers',
    '/v1/admin%2Fusers',
    '/v1/models/a%2f..%2fb',
    '/v1/models/..%2f..',
    '//v1/admin/users',
    '/v1//admin/users',
    '/v1/admin//users',
    '/v1/any//',
    '/v1/admin;x=1/users',
    '/v1/admin/users;jsessionid=1',
    '/v1/any;/../admin/users',
    '/v1/any%00',
    '/v1/any%00.json',
    '/v1/any%0a',
    '/v1/any%0d%0aX-Agent-Id:%20root',
    '/v1/any%7f',
    '/v1/any%c2%85',
    '/v1/%2561dmin/users',
    '/v1/%252e%252e/admin/users',
    '/v1/any%255c',
    '/v1/any%5cx',
    '/v1/any%5Cx',
    '/v1\\admin\\users',
    '/public\\..\\v1\\admin\\users',
    '/v1/any%',
    '/v1/any%2',
    '/v1/any%zz',
    '/v1/any%u0061',
    '/v1/%c0%ae%c0%ae/admin/users',
    '/v1/any%c0%af',
    '/v1/any%e0%80%af',
    '/v1/any%ff',
    '/v1/any%ed%a0%80',
    '/v1/"any"',
    '/v1/any^x',
    '/v1/{any}',
    `/v1/${'a'.repeat(9_000)}`,
    // Rules that a laxer reader would meet first.
    '/v1/Admin/users',
    '/v1/admin/USERS',
    '/v1/admin/users/',
    '/v1/%41dmin/users',
    '/v1/chat/completions/',
    '/v1/planners/',
    '/.edgewarden/a%2fb',
    '/nowhere%2Fx',
    '/v1/Planners',
  ].map(
    (target): RequestAttack => [
      target.length > 80 ? 'a long path' : target,
      400,
      'path_ambiguous',
      at(target),
    ],
  ),
  ...[
    '/V1/admin/users',
    '/PUBLIC/x',
    '/public',
    '/v1',
    '/',
    '/nowhere',
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
    '/.edgewarden',
    '/.edgewarden/',
    '/.edgewarden/Ready',
    '/.EDGEWARDEN/ready',
    '/.edgewarden/nothing',
    '/.edgewarden/policy',
    '/.edgewarden/jwks.json',
    '/.edgewarden/health/x',
    '/%2eedgewarden/nothing',
  ].map((target): RequestAttack => [target, 404, 'route_unknown', at(target)]),
  // An escape of an unreserved character is the character: the strict rule counts.
  ...['/v1/%61dmin/users', '/v1/admin/user%73', '/%76%31/admin/users'].map(
    (target): RequestAttack => [target, 403, 'scope_missing', at(target)],
  ),
]

/** Host headers that are not one plain name. */
export const HOSTS: readonly RequestAttack[] = [
  ...[
    'x#',
    'api.example.com#',
    'api.example.com/..',
    'api.example.com/v1/public?',
    'api.example.com?',
    'api.example.com\\',
    'user@api.example.com',
    'user:pass@api.example.com',
    'api.example.com:443@evil.example',
    'api.example.com:',
    'api.example.com:abc',
    'api.example.com:123456',
    'api.example.com:80:80',
    'api.example.com, evil.example',
    'api.example.com,api.example.com',
    'api.example.com evil.example',
    'api.example.com\tx',
    'api.example.com%00',
    'api%2eexample.com',
    'api.example.com.',
    '.api.example.com',
    '-api.example.com',
    'api.example.com;x',
    'http://api.example.com',
    '[::1',
  ].map((host): RequestAttack => [`Host "${host}"`, 400, 'host_malformed', { hosts: [host] }]),
  ...[
    'evil.example',
    'example.com',
    'api.example.com.evil.example',
    'xapi.example.com',
    '127.0.0.1',
    '[::1]',
    'localhost',
  ].map((host): RequestAttack => [`Host "${host}"`, 421, 'host_unknown', { hosts: [host] }]),
  ...[
    ['api.example.com', 'api.example.com'],
    ['api.example.com', 'evil.example'],
    ['evil.example', 'api.example.com'],
  ].map(
    (hosts): RequestAttack => [`Hosts ${hosts.join(' and ')}`, 400, 'host_malformed', { hosts }],
  ),
]

/** Methods beside those that rules can name. */
export const METHODS: readonly RequestAttack[] = [
  ...['TRACE', 'PROPFIND', 'SEARCH', 'LOCK', 'COPY', 'MKCOL', 'PURGE', 'SUBSCRIBE'].map(
    (method): RequestAttack => [method, 405, 'method_unknown', { method }],
  ),
  ['PUT where the rule has GET', 404, 'route_unknown', { method: 'PUT' }],
  ['TRACE on a public route', 405, 'method_unknown', { method: 'TRACE', target: '/public/x' }],
  [
    'GET with an override to DELETE',
    403,
    'scope_missing',
    { target: '/v1/admin/users', headers: [['X-HTTP-Method-Override', 'OPTIONS']] },
  ],
  [
    'a preflight that announces an unknown method',
    403,
    'preflight_refused',
    {
      method: 'OPTIONS',
      target: '/v1/browser',
      headers: [
        ['Origin', 'https://app.example.com'],
        ['Access-Control-Request-Method', 'PROPFIND'],
      ],
    },
  ],
]
