/** What becomes of a request by its address, headers, credential, proof and body: each case decided by both implementations. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bareKey, keyOf, thumbprintOf } from '../../differential/material.ts'
import { type Sent, type Setting, said, saidOf } from '../../differential/said.ts'
import { BEGIN } from '../../differential/shapes.ts'
import type { JsonObject } from '../../reference/types.ts'

const RESOURCE = 'https://api.example.com'
const ISSUER = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const rule = (more: JsonObject = {}) => [{ match: 'GET /v1/x', scopes: [], ...more }]
type Row = [code: string, sent: Sent, setting?: Setting]

const decides = (rows: Row[]) =>
  it.each<Row>(rows)('says %s to %j (%j)', async (code, sent, setting) => {
    expect(await said([sent], setting)).toEqual([code])
  })

const at = (...targets: string[]) => targets.map((target): Sent => ({ target }))
const rows = (code: string, all: readonly Sent[], setting: Setting = {}) =>
  all.map((sent): Row => [code, sent, setting])

const OPEN: Setting = { rules: rule({ match: 'GET /*' }) }

describe('a path', () => {
  const ADMIN: Setting = {
    rules: [
      { match: 'GET /v1/admin', scopes: ['z'] },
      { match: 'GET /*', scopes: [] },
    ],
  }
  const SLASHES: Setting = {
    rules: [
      ...rule({ match: 'GET /models/{model}:load', encoded_slash: true }),
      ...rule({ match: 'GET /open/{id}/*', encoded_slash: true }),
      ...rule({ match: 'GET /open/*' }),
    ],
  }
  decides([
    ...rows(
      'forwarded',
      at('/%2e%2e%2e', '/..a/a..b', '/a%20b', '/100%25', '/m/x:y|[1]', '/%ef%bb%bf'),
      OPEN,
    ),
    // The path as it is sent, be it no path to a parser of URLs.
    ...rows(
      'path_ambiguous',
      at('/a;b', '/..;/b', '/a\\b', '/\u2024\u2024/a', '/^', '/"', '/{a}'),
      OPEN,
    ),
    ...rows(
      'path_ambiguous',
      at('/%', '/a%2', '/%zz', '/%u002e', '/%5c', '/%2561', '/%252F', '/%25%36%31'),
      OPEN,
    ),
    ...rows(
      'path_ambiguous',
      at('/%c0%ae', '/%ff', '/%c3', '/%ed%a0%80', '/%f4%90%80%80', '/%80'),
      OPEN,
    ),
    ...rows('path_ambiguous', at('/a%00.json', '/%0a', '/%7f', '/%c2%80', '/%C2%9f'), OPEN),
    ...rows(
      'path_ambiguous',
      at('//a', '/a//b', '/a//', '/a/..', '/%2e', '/.%2e/a', '/a%2f..', '/..%2fa'),
      OPEN,
    ),
    ['path_ambiguous', { target: '/v1/ADMIN' }, ADMIN],
    ['path_ambiguous', { target: '/v1/admin/' }, ADMIN],
    ['forwarded', { target: '/v1/admins' }, ADMIN],
    ...rows('forwarded', at('/models/a%2Fb:load', '/models/a%2fb%2Fc:load'), SLASHES),
    ...rows(
      'path_ambiguous',
      at('/models%2Fa:load', '/open/a%2Fb', '/open/a/b%2Fc', '/models/a%2F..%2Fb:load'),
      SLASHES,
    ),
    ['path_ambiguous', { target: '/v1/a%2Fb' }, OPEN],
    ['route_unknown', { target: '/.edgewarden/anything' }, OPEN],
    ['route_unknown', { target: '/__proto__' }],
    ['method_unknown', { method: 'PROPFIND' }],
    ['route_unknown', { method: 'POST', headers: [['X-HTTP-Method-Override', 'GET']] }],
  ])

  it('goes on as it was judged', async () => {
    const [told] = await saidOf(at('/%61/%7euser/%e2%82%ac?x=%61'), OPEN)
    expect(told?.target).toBe('GET service:ORIGIN/a/~user/%E2%82%AC?x=%61')
  })
})

describe('a document that names an authorization server', () => {
  const mcp = { tools: { a: [] } }
  const place = (match: string, more: JsonObject = {}) => rule({ match, ...more })
  const setting: Setting = {
    rules: [
      ...place('GET /sub/.well-known/oauth-authorization-server', { strip_prefix: '/sub' }),
      ...place('GET /sub/*', { strip_prefix: '/sub' }),
      ...place('GET /escaped/{id}', { encoded_slash: true, strip_prefix: '/escaped' }),
      ...place('GET,POST /mcp/*', { mcp, resource: `${RESOURCE}/mcp` }),
      ...place('GET /.well-known/*'),
    ],
    claims: { aud: [RESOURCE, `${RESOURCE}/mcp`] },
  }
  decides([
    ...rows(
      'route_unknown',
      at(
        '/.well-known/oauth-authorization-server',
        '/sub/.well-known/OAuth-protected-resource/mcp',
        '/sub/.well-known/openid-configuration',
        '/escaped/.well-known%2Foauth-protected-resource',
        '/mcp/x/.WELL-KNOWN/openid-configuration',
      ),
      setting,
    ),
    ...rows(
      'forwarded',
      at(
        '/sub/.well-known/oauth-authorization-server',
        '/sub/x/.well-known/oauth-protected-resource',
        '/sub/.well-known/openid-configurations',
        '/escaped/well-known%2Foauth-protected-resource',
        '/.well-known/security.txt',
      ),
      setting,
    ),
  ])
})

describe('a host', () => {
  const both: Setting = {
    gate: { hosts: ['api.example.com', 'b.example.com'] },
    rules: [...rule(), ...rule({ match: 'GET /v1/b', host: 'b.example.com' })],
  }
  decides([
    ['host_unknown', { host: 'evil.example' }],
    ['host_unknown', { host: 'api.example.com.evil.example' }],
    ['host_malformed', { host: 'api.example.com, b.example.com' }],
    ['host_malformed', { host: 'api.example.com/v1' }],
    ['insecure_transport', { scheme: 'http' }],
    ['forwarded', { scheme: 'http' }, { gate: { insecure_http: true } }],
    [
      'forwarded',
      { scheme: 'http' },
      { rules: rule({ resource: 'http://localhost' }), claims: { aud: 'http://localhost' } },
    ],
    ['forwarded', { host: 'b.example.com', target: '/v1/b' }, both],
    ['route_unknown', { target: '/v1/b' }, both],
  ])
})

describe('the method that a query names', () => {
  const methods: Setting = { rules: [...rule(), ...rule({ match: 'DELETE /v1/x', scopes: ['z'] })] }
  decides([
    ['forwarded', { target: '/v1/x?_method=GET&_method=GET' }, methods],
    ['method_ambiguous', { target: '/v1/x?_method=GET&_method=DELETE' }, methods],
    ['method_ambiguous', { target: '/v1/x?_method=PURGE' }, methods],
    ['forwarded', { target: '/v1/x?payment_method=DELETE' }, methods],
    ['credential_in_query', { target: '/v1/x?a=1&access%5Ftoken=x' }],
    ['forwarded', { target: '/v1/x?q=access_token' }],
    [
      'credential_in_query',
      { target: '/v1/x?access_token=1', token: 'none' },
      { rules: [{ match: 'GET /v1/x', access: 'public' }] },
    ],
  ])
})

describe('the limit of addresses', () => {
  const setting: Setting = {
    gate: { client_ip: 'connection', address_limit: { limit: 1, period: '60s' } },
    rules: rule({ cors: { origins: ['*'] } }),
  }
  const preflight: Sent = {
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://a.example'],
      ['Access-Control-Request-Method', 'GET'],
    ],
  }
  const from = (...addresses: string[]) => addresses.map((address): Sent => ({ address }))
  it.each<[string, Sent[], string[]]>([
    ['preflights too', [preflight, {}], ['preflight', 'address_limited']],
    [
      'a /64 as one address, and the next one apart',
      from('2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:1::1'),
      ['forwarded', 'address_limited', 'forwarded'],
    ],
    ['each IPv4 address', from('192.0.2.1', '192.0.2.2'), ['forwarded', 'forwarded']],
  ])('counts %s', async (_, sent, codes) => {
    expect(await said(sent, setting)).toEqual(codes)
  })
})

describe('the workflow that a request names', () => {
  const of = (workflow: string, match = 'GET /v1/{run}'): Setting => ({
    rules: rule({ match, workflow, ...(match.includes('{') && { encoded_slash: true }) }),
    claims: { workflow_id: 'r1' },
  })
  const PATH = of('path:run')
  const HEADER = of('header:x-run', 'GET /v1/x')
  const QUERY = of('query:run', 'GET /v1/x')
  const headers = (...all: [string, string][]): Sent => ({ headers: all })
  decides([
    ['forwarded', { target: '/v1/%72%31' }, PATH],
    ['forwarded', { target: '/v1/a%2Fb' }, { ...PATH, claims: { workflow_id: 'a/b' } }],
    ['workflow_mismatch', { target: '/v1/a%2Fb' }, { ...PATH, claims: { workflow_id: 'a%2Fb' } }],
    ['workflow_mismatch', { target: '/v1/r2' }, PATH],
    [
      'forwarded',
      headers(['X-Run', 'r1'], ['X-Runs', 'r2'], ['Connection', 'keep-alive, x-ru']),
      HEADER,
    ],
    ...rows(
      'parameter_ambiguous',
      [
        {},
        headers(['X-Run', '']),
        headers(['X-Run', 'r1,r2']),
        headers(['X-Run', 'r1'], ['X-Run', 'r1']),
        headers(['X-Run', 'r1'], ['X_Run', 'r2']),
        headers(['X.Run', 'r1']),
        headers(['X-Run', 'r1'], ['Connection', 'X-Run']),
        headers(['X-Run', 'r1'], ['Connection', 'close, x_run']),
      ],
      HEADER,
    ),
    ['forwarded', { target: '/v1/x?x=1&%72un=r1' }, QUERY],
    ...rows(
      'parameter_ambiguous',
      at(
        '/v1/x',
        '/v1/x?run=',
        '/v1/x?run',
        '/v1/x?RUN=r1',
        '/v1/x?run=r1&run=r1',
        '/v1/x?run=r1&%72un=r2',
        '/v1/x?run[]=r1',
        '/v1/x?q=%',
      ),
      QUERY,
    ),
  ])
})

describe('what a condition reads of a request', () => {
  const when = {
    condition: 'request.headers["x-class"] == "a" || "region" in request.query',
    headers: ['x-class'],
    query: ['region'],
  }
  const setting: Setting = { rules: [...rule({ when }), ...rule({ match: 'GET /v1/any' })] }
  const headers = (...all: [string, string][]): Sent => ({
    target: '/v1/x?region=eu',
    headers: all,
  })
  decides([
    [
      'forwarded',
      { target: '/v1/x?region=eu&other=1&other=2', headers: [['X-Class', 'b']] },
      setting,
    ],
    ['condition_error', {}, setting],
    ['condition_failed', { headers: [['X-Class', 'b']] }, setting],
    ['parameter_ambiguous', { target: '/v1/x?region=eu&%72egion=us' }, setting],
    ...rows(
      'parameter_ambiguous',
      [
        headers(['X-Class', 'a,b']),
        headers(['X-Class', 'a'], ['X-Class', 'a']),
        headers(['X-Class', 'a'], ['X_Class', 'b']),
        headers(['X.Class', 'a']),
        headers(['X-Class', 'a'], ['Connection', 'close,x_class']),
        headers(['Connection', 'x-class']),
      ],
      setting,
    ),
    [
      'forwarded',
      { ...headers(['X_Class', 'a'], ['Connection', 'x-class']), target: '/v1/any' },
      setting,
    ],
  ])
})

describe('the Authorization header', () => {
  const sent = (value: string, target = '/v1/x'): Sent => ({
    token: 'none',
    target,
    headers: [['Authorization', value]],
  })
  const OPTIONAL: Setting = { rules: rule({ access: 'optional' }) }
  decides([
    ['forwarded', { as: 'bearer ' }],
    ['forwarded', { as: 'BEARER   ' }],
    ['credential_malformed', { as: 'Bearer\t' }],
    ['credential_malformed', { as: 'Bearer "' }],
    ['credential_malformed', { as: 'Basic YTpi, Bearer ' }],
    ['credential_malformed', { headers: [['Authorization', 'Basic YTpi']] }],
    ['scheme_unsupported', { as: 'Token ' }],
    ['scheme_unsupported', { as: 'Bearer' }],
    ['credential_malformed', { as: 'DPoP x, Bearer ' }],
    ['token_not_bound', { as: 'dpop ' }],
    ['credential_missing', { token: 'none' }],
    ...[
      'Bearer',
      'DPoP',
      'Basic YTpi,Negotiate',
      'Digest realm="a\\", b", Basic YTpi',
      'Digest realm="a, Basic YTpi',
    ].map((value): Row => ['credential_malformed', sent(value)]),
    ...[
      'Basic YTpi,',
      'Digest username="a", realm="b, Basic c", nc=00000001',
      `Digest ${'"\\'.repeat(4_000)}`,
    ].map((value): Row => ['scheme_unsupported', sent(value)]),
    ['forwarded', { token: 'none' }, OPTIONAL],
    ['scheme_unsupported', sent('Basic YTpi'), OPTIONAL],
    ['credential_malformed', sent('Bearer'), OPTIONAL],
    ['token_malformed', sent('Bearer rubbish'), OPTIONAL],
    ['forwarded', sent('Bearer rubbish'), { rules: [{ match: 'GET /v1/x', access: 'public' }] }],
  ])
})

describe('a token', () => {
  const header = (more: object): Setting => ({ header: { ...more } })
  const setting = (code: string, all: readonly Setting[]) => all.map((one): Row => [code, {}, one])
  decides([
    ...setting('header_forbidden', [
      header({ crit: ['exp'], exp: 1 }),
      header({ crit: [] }),
      header({ b64: true }),
      header({ jwk: {} }),
      header({ jku: 'https://evil.example' }),
      header({ x5u: 'https://evil.example' }),
      header({ x5c: ['x'] }),
    ]),
    ...setting(
      'algorithm_forbidden',
      ['none', 'None', '', 'HS256', 'es256', 'ES256K', ' ES256', ['ES256'], 'constructor'].map(
        (alg) => header({ alg }),
      ),
    ),
    ...setting('token_malformed', [
      ...['', 1, 'a\n', '\u00e4', 'a'.repeat(257)].map((kid) => header({ kid })),
      ...['', 1, ['at+jwt'], 'application/Absent'].map((typ) => header({ typ })),
      { claims: { iss: ['x'] } },
      { claims: { iss: null } },
      { claims: { a: JSON.parse('['.repeat(40) + ']'.repeat(40)) } },
      ...(['cut', 'payload', 'padding', 'twice'] as const).map((damage) => ({ token: { damage } })),
    ]),
    ...setting('type_forbidden', [
      header({ typ: 'dpop+jwt' }),
      header({ typ: 'Application/LOGOUT+jwt' }),
    ]),
    ['forwarded', {}, header({ typ: 'application/AT+JWT' })],
    ['type_not_accepted', {}, header({ typ: 'jwt' })],
    ['type_not_accepted', {}, header({ typ: null })],
    ['algorithm_not_accepted', {}, { issuer: { algorithms: ['RS256'] } }],
    ['issuer_unknown', {}, { claims: { iss: `${ISSUER}/` } }],
    ['issuer_unknown', {}, { claims: { iss: '__proto__' } }],
    ['key_unknown', {}, { header: { kid: 'k2' } }],
    ['signature_invalid', {}, { token: { damage: 'signature' } }],
    ['signature_invalid', {}, { token: { key: 'stranger' } }],
    ['token_too_long', {}, { claims: { fill: 'x'.repeat(16_384) } }],
    ['keys_unavailable', { before: { keys: { acme: null } } }],
  ])
})

describe('a key of an issuer', () => {
  const keys = (...names: string[]): Sent => ({ before: { keys: { acme: names } } })
  const by = (key: string, header: object = {}): Setting => ({
    token: { key },
    header: { ...header },
  })
  decides([
    ['forwarded', keys('a2', 'a1')],
    ['key_unknown', keys('a2')],
    // Two keys of one name: the token does not say which.
    ['key_ambiguous', keys('a1', 'a1b')],
    ['signature_invalid', keys('a1b')],
    ['forwarded', keys('a1'), { header: { kid: null } }],
    ['key_ambiguous', keys('a1', 'a2'), { header: { kid: null } }],
    ['key_unknown', keys('a1'), { header: { kid: 'other' } }],
    ['forwarded', keys('nameless'), by('nameless')],
    ['key_unknown', keys('nameless'), by('nameless', { kid: 'k9' })],
    ['key_unknown', keys('enc'), by('enc')],
    ['key_unknown', keys('signing'), by('signing')],
    ['key_unknown', keys('svid'), by('svid')],
    ['forwarded', keys('plain'), by('plain')],
    ['forwarded', keys('ed'), by('ed')],
    ['forwarded', keys('ed'), by('ed', { alg: 'EdDSA' })],
    ['key_unknown', keys('rsa'), by('rsaPs')],
  ])
})

describe('an encrypted token', () => {
  const decrypt = { secret: 'DECRYPT' }
  const sealed = (header: object = {}, more: Setting = {}): Setting => ({
    issuer: { decrypt, agent_prefix: 'acme/' },
    token: { encrypted: { key: 'decrypt', header: header as JsonObject } },
    ...more,
  })
  const plain = { beta: { issuer: BETA, agent_prefix: 'beta/' } }
  const setting = (code: string, all: readonly object[]) =>
    all.map((one): Row => [code, {}, sealed(one)])
  decides([
    ['forwarded', {}, sealed()],
    ['token_encrypted', {}, { ...sealed(), issuer: {} }],
    ['token_encrypted', {}, sealed({}, { others: plain, rules: rule({ issuers: ['beta'] }) })],
    ['encryption_issuer_mismatch', {}, sealed({}, { others: plain, claims: { iss: BETA } })],
    ['encryption_issuer_mismatch', {}, sealed({}, { claims: { iss: 'https://evil.example' } })],
    ['decryption_failed', {}, { ...sealed(), token: { encrypted: { key: 'rsa', header: {} } } }],
    ['decryption_failed', {}, sealed({ kid: 'nobody' })],
    ['forwarded', {}, sealed({ kid: null })],
    ['signature_invalid', {}, { ...sealed(), token: { ...sealed().token, key: 'stranger' } }],
    ...setting('header_forbidden', [
      { zip: 'DEF' },
      { crit: ['exp'], exp: 1 },
      { jku: 'https://evil.example' },
    ]),
    ...setting('encryption_not_accepted', [
      { cty: 'at+jwt' },
      { cty: null },
      { alg: 'RSA-OAEP' },
      { alg: 'dir' },
      { enc: 'A192GCM' },
      { enc: 'a256gcm' },
    ]),
    ...setting('token_malformed', [{ kid: '' }, { kid: 'a b' }]),
  ])
})

describe('a DPoP proof', () => {
  const { d: _, ...jwk } = keyOf('client').jwk
  const proof = (claims: object = {}, header: object = {}, more: Sent = {}): Sent => ({
    as: 'DPoP ',
    proof: { key: 'client', header: header as JsonObject, claims: claims as JsonObject },
    ...more,
  })
  const bound = (cnf: unknown = { jkt: thumbprintOf('client') }): Setting => ({ claims: { cnf } })
  const all = (code: string, sent: readonly Sent[], setting = bound()) => rows(code, sent, setting)
  decides([
    ['forwarded', proof(), bound()],
    ['forwarded', proof(), bound({ jwk: bareKey('client') })],
    ['proof_missing', { as: 'DPoP ' }, bound()],
    ['token_bound', {}, bound()],
    ['token_not_bound', proof()],
    ['possession_required', {}, { issuer: { possession: 'required' } }],
    ['possession_required', {}, { rules: rule({ possession: 'required' }) }],
    ...[{ jkt: 'x', jwk: {} }, { unheard_of: 1 }, {}, [], null].map(
      (cnf): Row => ['confirmation_unsupported', {}, bound(cnf)],
    ),
    ['proof_key_mismatch', proof(), bound({ jkt: thumbprintOf('client2') })],
    ['proof_key_mismatch', proof(), bound({ jwk: bareKey('client2') })],
    ['proof_key_mismatch', proof(), bound({ jkt: 7 })],
    ...all('proof_malformed', [
      ...['jti', 'htm', 'htu', 'iat', 'ath'].map((name) => proof({ [name]: null })),
      ...[{ jti: '' }, { jti: 7 }, { iat: `${BEGIN}` }].map((claims) => proof(claims)),
      ...[{ crit: ['x'] }, { typ: 'JWT' }, { typ: null }].map((header) => proof({}, header)),
      proof({}, {}, { headers: [['DPoP', 'e30.e30.AA']] }),
      { as: 'DPoP ', headers: [['DPoP', '']] },
    ]),
    ...all(
      'proof_algorithm_forbidden',
      ['none', 'HS256', 'es256', 'ES512'].map((alg) => proof({}, { alg })),
    ),
    ...all('proof_key_invalid', [
      ...[null, { kty: 'oct', k: 'AA' }, { ...jwk, d: 'AAAA' }, { ...jwk, y: jwk.x ?? '' }].map(
        (key) => proof({}, { jwk: key }),
      ),
      proof({}, { alg: 'RS256' }),
    ]),
    ...all(
      'proof_signature_invalid',
      [proof({}, { jwk: bareKey('client2') })],
      bound({ jkt: thumbprintOf('client2') }),
    ),
    ...all('proof_method_mismatch', [proof({ htm: 'POST' }), proof({ htm: 'get' })]),
    ...all('proof_token_mismatch', [proof({ ath: 'x' })]),
    ...all('forwarded', [
      proof({ iat: BEGIN - 60 }),
      proof({ iat: BEGIN + 5 }),
      proof({ exp: BEGIN + 1 }),
    ]),
    ...all('proof_expired', [
      proof({ iat: BEGIN - 61 }),
      proof({ iat: BEGIN + 6 }),
      proof({ exp: `${BEGIN + 1}` }),
    ]),
    ...[-11, 1].map(
      (by): Row => [
        'proof_expired',
        proof({ iat: BEGIN + by }),
        { ...bound(), gate: { proof_max_age: '10s', proof_max_ahead: '0s' } },
      ],
    ),
    ...all(
      'forwarded',
      [
        `${RESOURCE}/v1/x?x#y`,
        'HTTPS://API.example.com:443/v1/%78',
        'https://%61pi.example.com/v1/x',
      ].map((htu) => proof({ htu })),
    ),
    ...all(
      'proof_url_mismatch',
      [
        `${RESOURCE}/v1/x/`,
        `${RESOURCE}/V1/x`,
        `${RESOURCE}/v1/a/../x`,
        `${RESOURCE}//v1/x`,
        `${RESOURCE}:8443/v1/x`,
        'http://api.example.com/v1/x',
        'https://api.example.com.evil.example/v1/x',
        'https://evil@api.example.com/v1/x',
        '/v1/x',
      ].map((htu) => proof({ htu })),
    ),
  ])

  it('of a key that a request proved is verified all the same', async () => {
    const theirs = { ...proof(), proof: { key: 'client2', header: {}, claims: { jti: 'p2' } } }
    const setting = { ...bound(), more: { cnf: { jkt: thumbprintOf('client2') }, jti: 'k' } }
    const forged: Sent = { ...proof({ jti: 'p3' }, { jwk: bareKey('client2') }), token: 'u' }
    expect(await said([{ ...theirs, token: 'u' }, theirs, forged], setting)).toEqual([
      'forwarded',
      'proof_key_mismatch',
      'proof_signature_invalid',
    ])
  })

  const certificate = (name: string): Sent => ({ certificate: name })
  const toCertificate = bound({ 'x5t#S256': '@x5t:one' })
  decides([
    ['forwarded', certificate('one'), toCertificate],
    ['certificate_mismatch', certificate('two'), toCertificate],
    ['certificate_missing', {}, toCertificate],
    ['certificate_missing', certificate('unverified:one'), toCertificate],
    ['certificate_missing', certificate('revoked:one'), toCertificate],
    ['confirmation_unsupported', certificate('one'), bound({ 'x5t#S256': '@x5t:one', jkt: 'x' })],
  ])
})

describe('a body that is held', () => {
  const setting: Setting = {
    gate: { assertion: { binding: 'body', max_body: 64 } },
    rules: rule({ match: 'POST /v1/x' }),
  }
  const hash = (text: string, algorithm = 'sha256') =>
    createHash(algorithm).update(text).digest('base64')
  const SHA256 = `sha-256=:${hash('hello')}:`
  const SHA512 = `sha-512=:${hash('hello', 'sha512')}:`
  const OTHER = `sha-256=:${hash('other')}:`
  const post = (digest?: string, body = 'hello'): Sent => ({
    method: 'POST',
    body,
    headers: digest === undefined ? [] : [['Content-Digest', digest]],
  })
  decides([
    ['forwarded', post(), setting],
    ['forwarded', post(undefined, 'x'.repeat(64)), setting],
    ['body_too_large', post(undefined, 'x'.repeat(65)), setting],
    ...[
      SHA256,
      `${SHA512}, ${SHA256}`,
      // Algorithms that are not safe (RFC 9530 §5), or not known, say nothing.
      `crc32c=:AAAA:, *x.y-z_1=:AAAA:, ${SHA256}`,
    ].map((digest): Row => ['forwarded', post(digest), setting]),
    ...[
      OTHER,
      `${SHA256}, ${OTHER}`,
      SHA512.replace('512', '256'),
      '',
      `${SHA256},`,
      'sha-256',
      `sha-256=${hash('hello')}`,
      `SHA-256=:${hash('hello')}:`,
      `sha-256=:${Buffer.from(hash('hello'), 'base64').toString('base64url')}:`,
      `${SHA256} ${SHA512}`,
      // Parameters hide nothing.
      `md5=:AAAA:;a="${SHA256}", ${OTHER}`,
      `${SHA256}, ${OTHER}, ${SHA256}`,
    ].map((digest): Row => ['digest_mismatch', post(digest), setting]),
  ])
})

describe('a call of a tool', () => {
  const tools = {
    plain: ['weather:read'],
    either: { any: ['a', 'b'] },
    read: ['files:read:{arguments.path}'],
    any_read: { any: ['files:all', 'files:read:{arguments.path}'] },
    tenant: ['files:{tenant}:{arguments.path}'],
    deep: ['item:{arguments.item.id}'],
    pay: { scopes: [], when: 'arguments.amount < 100.0 && token.tenant == "blue"' },
    'near_*': { scopes: [], when: 'request.country == "DE"' },
    classed: {
      scopes: [],
      when: { condition: 'request.headers["x-class"] == "a"', headers: ['x-class'] },
    },
  }
  const setting = (scope: string, scopes = ['mcp']): Setting => ({
    rules: rule({
      match: 'GET,POST,DELETE /t/{tenant}',
      scopes,
      resource: `${RESOURCE}/t`,
      mcp: { tools },
    }),
    scopes: { 'weather:all': ['weather:read'], 'files:docs': ['files:read:docs:*', 'files:all'] },
    claims: { aud: `${RESOURCE}/t`, scope, tenant: 'blue' },
  })
  const call = (name: string, given: object = {}, id = 1) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: given },
  })
  const send = (message: unknown, target = '/t/blue', revision = '2025-06-18'): Sent => ({
    method: 'POST',
    target,
    headers: [
      ['Content-Type', 'application/json'],
      ['MCP-Protocol-Version', revision],
    ],
    body: JSON.stringify(message),
    country: 'DE',
  })
  const calls = (...all: readonly (readonly [string, object?])[]) =>
    send(
      all.map(([name, given], i) => call(name, given, i)),
      '/t/blue',
      '2025-03-26',
    )
  decides([
    ['forwarded', send(call('plain')), setting('mcp weather:all')],
    ['scope_missing', send(call('plain')), setting('weather:read')],
    ['scope_missing', send(call('plain')), setting('mcp')],
    ['forwarded', send(call('either')), setting('mcp b')],
    ['forwarded', send(call('read', { path: 'a/b.txt' })), setting('mcp files:read:a/b.txt')],
    // Compared whole: no beginning of one will do.
    [
      'scope_missing',
      send(call('read', { path: 'a/b' })),
      setting('mcp files:read: files:read files:read:a'),
    ],
    ['forwarded', send(call('any_read', { path: '../x' })), setting('mcp files:all')],
    ['forwarded', send(call('any_read')), setting('mcp files:docs')],
    ['scope_missing', send(call('tenant', { path: 'x' })), setting('mcp files:red:x')],
    ['forwarded', send(call('deep', { item: { id: 7 } })), setting('mcp item:7')],
    ...[
      '..',
      '../x',
      'a/../b',
      './a',
      'a//b',
      'a/',
      '',
      'a b',
      'a:b',
      'a%2Fb',
      'a\\b',
      '\u00e4',
      'a*',
      1.5,
      true,
      null,
      ['a'],
      undefined,
    ].map(
      (path): Row => [
        'scope_value_invalid',
        send(call('read', { path })),
        setting(
          `mcp files:read: ${/^[!-[^-~]+$/.test(`${path}`) ? `files:read:${path}` : ''}`.trim(),
        ),
      ],
    ),
    [
      'scope_value_invalid',
      send(call('plain'), '/t/a%20b'),
      setting('mcp weather:read', ['mcp:{tenant}']),
    ],
    ['forwarded', send(call('pay', { amount: 99.5 })), setting('mcp')],
    ['condition_failed', send(call('pay', { amount: 100 })), setting('mcp')],
    ...[undefined, '5', null, [5]].map(
      (amount): Row => ['condition_error', send(call('pay', { amount })), setting('mcp')],
    ),
    ['forwarded', send(call('near_x')), setting('mcp')],
    ['condition_failed', { ...send(call('near_x')), country: 'AT' }, setting('mcp')],
    // What the condition of any tool reads is read in one way only.
    [
      'parameter_ambiguous',
      {
        ...send(call('plain')),
        headers: [...(send(call('plain')).headers ?? []), ['X-Class', 'a'], ['X_Class', 'b']],
      },
      setting('mcp weather:read'),
    ],
    // Each call is judged by its own arguments.
    ['condition_failed', calls(['pay', { amount: 5 }], ['pay', { amount: 500 }]), setting('mcp')],
    ['condition_failed', calls(['pay', { amount: 500 }], ['pay', { amount: 5 }]), setting('mcp')],
    ['forwarded', calls(['pay', { amount: 5 }], ['pay', { amount: 6 }]), setting('mcp')],
  ])

  it('is told to the origin with the scopes that it needed', async () => {
    const sent = calls(['either'], ['plain'], ['plain'])
    const [told] = await saidOf([sent], setting('x mcp b weather:read'))
    expect(told?.headers?.['x-agent-grant']).toBe('mcp b weather:read')
  })
})
