/** Topics about requests: paths, addresses, headers, bodies and proofs. */
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec } from './shapes.ts'
import type { Topic } from './topics.ts'
import { API } from './words.ts'

const rule = (match: string, more: JsonObject = {}): JsonObject => ({ match, scopes: [], ...more })

/** Sets the path; its query goes. */
const to = (request: RequestSpec, path: string) => (request.target = path)

/** What some servers read at the end of a segment, or do not read. */
const ODD = [
  ...['%20', '+', '.', '..', '.x', '%3Bx', '%3Fx', '%23', '::x', ':$DATA', '%2F', '%E2%80%8B'],
  ...['%25', '%2525', '%2e', '%32%35', '%2F..', '%252e', '(S(x))', '(X(1))', '%25%34%31'],
]
const WORDS = ['admin', 'users', 'docs', '7', '']

const oddSegment = (dice: Dice): string =>
  dice.pick(WORDS) +
  Array.from({ length: dice.pick([0, 1, 1, 2, 3]) }, () => dice.pick(ODD)).join('')

const PATHS: Topic = {
  policy: (dice) => ({
    rules: [
      rule('GET /v1/admin', { scopes: ['admin:all'] }),
      rule('GET /v1/admin/users', { scopes: ['admin:all'] }),
      rule('GET /v1/*', { ...(dice.chance(0.3) && { ambiguous_paths: 'allow' }) }),
      rule('GET /*', { ...(dice.chance(0.3) && { ambiguous_paths: 'allow' }) }),
    ],
  }),
  request(dice, request) {
    const first = dice.pick(['/v1/', '/v1/', '/v1/', '/'])
    const rest = Array.from({ length: dice.pick([1, 1, 2, 2, 3]) }, () => oddSegment(dice))
    to(request, first + rest.join('/'))
  },
}

/** Paths that some servers read as one of an earlier rule, or that none should read. */
const SPELLINGS: Topic = {
  policy: () => ({
    rules: [
      ...['admin', 'caf%C3%A9', 'docs/', 'c++'].map((path) =>
        rule(`GET /v1/${path}`, { scopes: ['admin:all'] }),
      ),
      rule('GET /v1/*'),
    ],
  }),
  request(dice, request) {
    const spelled = dice.pick([
      ...['caf%C3%A9', 'caf%C3%89', 'CAF%c3%89', 'docs', 'docs/', 'DOCS', 'c++', 'c+++', 'c++/'],
      ...['(X(1))admin', '(B(x))/admin', '(S(x)X(1))/admin', 'c++%20', '%20c++', 'c++.', 'c++%20.'],
      ...['x%7F', 'x%C2%80', 'x%C2%85', 'x%C2%A0'],
    ])
    to(request, `/v1/${spelled}`)
  },
}

/** Paths behind which others have an end. */
const ENDS: Topic = {
  policy: () => ({
    rules: [
      rule('GET /v1/admin', { scopes: ['admin:all'] }),
      rule('GET /v1/docs/admin', { scopes: ['admin:all'] }),
      rule('GET /v1/*'),
    ],
  }),
  request(dice, request) {
    const before = dice.pick(['/v1/admin', '/v1/docs/admin'])
    const strange = dice.pick(['.json', '%20.json', '.', '%20', '%20.', '.json%20', ''])
    const behind = dice.pick([
      '%3Fx',
      '%23',
      '/%20',
      '/.x',
      '/(S(x))',
      '/%3Bx',
      '/%3Fx',
      '/%20/%20',
    ])
    to(request, before + strange + behind)
  },
}

const STEPS_UP: Topic = {
  policy: (dice) => ({
    rules: [
      rule('GET /v1/docs/{id}', {
        encoded_slash: true,
        ...(dice.chance(0.5) && { ambiguous_paths: 'allow' }),
      }),
      rule('GET /v1/*'),
    ],
  }),
  request(dice, request) {
    const spaces = dice.pick(['%20', '+', '%20%20']) + dice.pick(['.', '..', ''])
    const up = dice.pick(['..', '%2e%2e', '%20..', '.%20.', '..%3Bx', `..${spaces}`, `..${spaces}`])
    const behind = dice.pick(['', '%2F', '%2Fx', '/x', '%2Fadmin'])
    to(request, dice.pick(['/v1/docs/', '/v1/docs/7%2F', '/v1/', '/v1/docs/7%2f']) + up + behind)
  },
}

const ESCAPED_SLASH: Topic = {
  policy: (dice) => ({
    rules: [
      rule('GET /v1/docs/{id}:copy', { scopes: ['admin:all'] }),
      rule('GET /v1/docs/{id}', { encoded_slash: true }),
      rule('GET /v1/{a}/{b}', {
        encoded_slash: true,
        ambiguous_paths: dice.pick(['allow', 'refuse']),
      }),
      rule('GET /v1/{a}', { encoded_slash: true }),
      rule('GET /files/{a}/*', { encoded_slash: true }),
    ],
  }),
  request(dice, request) {
    const segment = () => dice.pick(['docs', '7', 'a%2Fb', 'docs%2F7', 'docs%2f', '%2Fx', '7:copy'])
    const first = dice.pick(['/v1/', '/v1/', '/files/', '/v1%2F'])
    to(request, first + Array.from({ length: dice.pick([1, 2, 2, 3]) }, segment).join('/'))
  },
}

/** About as many readings as one path may have. */
const MANY_READINGS: Topic = {
  policy: () => ({ rules: [rule('GET /v1/admin', { scopes: ['admin:all'] }), rule('GET /v1/*')] }),
  request: (dice, request) => to(request, `/v1/x${'.x'.repeat(20 + dice.below(40))}`),
}

const METADATA: Topic = {
  policy: (dice) => ({
    gate: { origin: dice.pick(['https://o.example.com', 'https://o.example.com/.well-known']) },
    rules: [
      rule('GET /v1/.well-known/{a}', { encoded_slash: true }),
      rule('GET /v1/{a}', {
        encoded_slash: true,
        ...(dice.chance(0.6) && { strip_prefix: '/v1' }),
      }),
      rule('GET /{a}', { encoded_slash: true }),
      rule('GET /*'),
    ],
  }),
  request(dice, request) {
    const slash = dice.pick(['/', '%2F', '%2f'])
    const name = dice.pick(['oauth-x', 'oauth-authorization-server', 'other', 'OAUTH-x'])
    to(request, `${dice.pick(['/v1/', '/', '/v1/x/'])}.well-known${slash}${name}`)
  },
}

const HOSTS: Topic = {
  policy: () => ({ rules: [rule('GET /v1/docs')] }),
  request(dice, request) {
    // The same URL, if the host is taken as it is.
    if (dice.chance(0.5)) Object.assign(request, { host: `${request.host}/v1`, target: '/docs' })
  },
}

const SCHEMES: Topic = {
  policy: (dice) => ({
    gate: { resource: dice.pick(['http://localhost:8787', 'http://127.0.0.1:8787', API]) },
    rules: [
      rule('GET /v1/docs', { resource: dice.pick([`${API}/v1`, 'http://localhost:8787/v1']) }),
    ],
  }),
  request: (_, request) => (request.scheme = 'http'),
}

const PAGE = 'https://app.example'

const PREFLIGHTS: Topic = {
  policy: (dice) => ({
    gate: { address_limit: { limit: dice.pick([1, 2]), period: '60s' } },
    rules: [rule('GET /v1/docs', { cors: { origins: [PAGE] } })],
  }),
  request(dice, request) {
    if (dice.chance(0.4)) return
    request.method = 'OPTIONS'
    request.headers.push(['Origin', PAGE], ['Access-Control-Request-Method', 'GET'])
  },
}

const CONNECTION: Topic = {
  policy: () => ({ rules: [rule('GET /v1/docs')] }),
  request(dice, request) {
    const spelled = () => dice.pick(['x-tier', 'X-Tier', 'x_tier', 'X_TIER'])
    request.headers.push(
      [spelled(), 'gold'],
      ['Connection', dice.pick(['', 'close, ']) + spelled()],
    )
  },
}

/** Headers that another rule or the gate sets, as the caller sends them. */
const FORGED: Topic = {
  policy: (dice) => ({
    gate: { client_ip: dice.pick(['none', 'connection', 'x-client-ip']) },
    rules: [
      rule('GET /v1/docs'),
      rule('GET /v1/other', {
        inject: { 'X-Api-Key': '\u0024{API_KEY}' },
        forward_claims: { 'X-Tenant': 'tenant' },
      }),
    ],
  }),
  request(dice, request) {
    const names = ['X-Api-Key', 'x_api_key', 'X-Tenant', 'X-Forwarded-For', 'x_forwarded_for']
    for (const name of dice.some(names)) request.headers.push([name, '1.2.3.4'])
  },
}

/** Certificates that were not verified, are revoked, or are of others. */
const CERTIFICATES: Topic = {
  policy: () => ({ rules: [rule('GET /v1/docs', { possession: 'required' })] }),
  token: (_, { claims }) => (claims.cnf = { 'x5t#S256': '@x5t:cert' }),
  request(dice, request) {
    request.certificate = dice.pick(['cert', 'cert', 'unverified:cert', 'revoked:cert', 'other'])
  },
}

const SUBPROTOCOLS: Topic = {
  policy: () => ({ rules: [rule('GET /v1/docs', { token_subprotocols: ['own.'] })] }),
  request(dice, request) {
    if (dice.chance(0.5)) return
    request.headers.push(['Authorization', dice.pick(['Bearer x', 'Basic x', ''])])
  },
}

const HELLO = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='

const DIGESTS: Topic = {
  policy: (dice) => ({
    gate: { assertion: dice.pick<Json>(['body', { binding: 'body', max_body: 64 }]) },
    rules: [rule('POST /v1/docs')],
  }),
  request(dice, request) {
    const one = () =>
      `${dice.pick(['sha-256', 'sha-256', 'sha-512', 'x'])}=:${dice.pick([HELLO, 'AA=='])}:`
    const count = dice.pick([1, 2, 2, 3])
    request.body = 'hello'
    request.headers.push(['Content-Digest', Array.from({ length: count }, one).join(', ')])
  },
}

const PROOFS: Topic = {
  policy: (dice) => ({
    rules: [
      rule('GET /v1/docs', {
        possession: 'required',
        ...(dice.chance(0.7) && { replay: 'exact' }),
      }),
    ],
  }),
  token: (_, { claims }) => (claims.cnf = { jkt: '@jkt:client' }),
  request(dice, request) {
    const { proof, host, target } = request
    if (!proof) return
    const [path] = target.split('?')
    dice.pick<() => unknown>([
      () => {},
      () => (proof.claims.ath = 'x'),
      () => (proof.claims.ath = 'x'),
      () => (proof.claims.htu = `https://${host}:443${path}`),
      () => (proof.claims.htu = `HTTPS://${host}${path}?x`),
      () => Object.assign(proof, { key: 'client2', header: { jwk: '@jwk:client' } }),
    ])()
    proof.claims.jti = `p${dice.below(dice.pick([2, 30]))}`
  },
}

export const REQUEST_TOPICS: Topic[] = [
  ...[
    PATHS,
    PATHS,
    PATHS,
    SPELLINGS,
    ENDS,
    ENDS,
    STEPS_UP,
    ESCAPED_SLASH,
    MANY_READINGS,
    METADATA,
    HOSTS,
  ],
  ...[
    SCHEMES,
    PREFLIGHTS,
    CONNECTION,
    FORGED,
    CERTIFICATES,
    SUBPROTOCOLS,
    DIGESTS,
    PROOFS,
    PROOFS,
    PROOFS,
  ],
]
