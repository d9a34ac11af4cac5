/** Requests and tokens at the borders that single sentences of the docs draw: both must say the same on both sides. */
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../reference/types.ts'
import { keyOf } from './material.ts'
import { ISSUER, RESOURCE, rule, type Sent, type Setting, said, saidOf } from './said.ts'
import { BEGIN, type Said } from './shapes.ts'

/** Pairs of what is sent and what the gate says. */
const split = <One>(pairs: [one: One, code: string][]): [One[], string[]] => [
  pairs.map(([one]) => one),
  pairs.map(([, code]) => code),
]

describe('paths, methods and queries', () => {
  const rules = [
    { match: 'GET /v1/admin', scopes: ['z'] },
    { match: 'GET /v1/admin/users', scopes: ['z'] },
    { match: 'GET,POST /v1/*', scopes: [] },
    { match: 'GET /.well-known/openid-configuration', scopes: [] },
    { match: '* /*', scopes: [] },
  ]

  it('a path', async () => {
    const [targets, codes] = split([
      ['/v1/admin.json', 'path_ambiguous'],
      ['/v1/admin.json/', 'path_ambiguous'],
      ['/v1/admin.json/%20', 'path_ambiguous'],
      ['/v1/admin%20.json', 'path_ambiguous'],
      ['/v1/admin+.json.json', 'path_ambiguous'],
      ['/v1/admin%20.json%20.json%20', 'path_ambiguous'],
      ['/v1/admin.json/users', 'forwarded'],
      ['/v1/admin.x%3Fx/admin', 'path_ambiguous'],
      ['/v1/(X(1))/admin', 'path_ambiguous'],
      ['/v1/(X(1)S(x))admin', 'path_ambiguous'],
      ['/v1/(S(x))../docs', 'path_ambiguous'],
      ['/v1/...', 'forwarded'],
      ['/v1/..json', 'forwarded'],
      ['/v1/..%20', 'path_ambiguous'],
      ['/v1/%4', 'path_ambiguous'],
      ['/v1/a^b', 'path_ambiguous'],
      ['/v1/a|b[c]', 'forwarded'],
      [`/v1/${'a'.repeat(8188)}`, 'forwarded'],
      [`/v1/${'a'.repeat(8189)}`, 'path_ambiguous'],
      ['/.EDGEWARDEN/policy', 'path_ambiguous'],
      ['/.edgewarden.json', 'path_ambiguous'],
      ['/.edgewarden/revocations/a%2Fb', 'path_ambiguous'],
      ['/.edgewarden/revocations/(S(x))', 'path_ambiguous'],
      ['/.edgewarden/revocations/a%20', 'admin_not_allowed'],
      ['/x/..%20%20./y', 'path_ambiguous'],
      ['/.well-known/OAUTH-x', 'route_unknown'],
      ['/.well-known/openid-configuration/x', 'route_unknown'],
      ['/.well-known/openid-configuration', 'forwarded'],
    ])
    expect(
      await said(
        targets.map((target) => ({ target })),
        { rules },
      ),
    ).toEqual(codes)
  })

  it('an escaped slash that a rule allows, which some servers read as a slash', async () => {
    const rules = [
      { match: 'GET /v1/docs/{id}:copy', scopes: ['z'] },
      { match: 'GET /v1/{a}/{b}', scopes: [], encoded_slash: true, ambiguous_paths: 'allow' },
      { match: 'GET /v1/{a}', scopes: [], encoded_slash: true },
    ]
    const [targets, codes] = split([
      ['/v1/docs%2F/admin:copy', 'path_ambiguous'],
      ['/v1/docs%2fadmin:copy', 'path_ambiguous'],
      ['/v1/docs%2Fadmin:copy.json', 'path_ambiguous'],
      ['/v1/docs%20%2Fadmin:copy', 'path_ambiguous'],
      ['/v1/docs%2F/a%2Fb:copy', 'path_ambiguous'],
      ['/v1/models%2Fsmall/x', 'forwarded'],
      ['/v1/models/org%2Fsmall', 'forwarded'],
    ])
    expect(
      await said(
        targets.map((target) => ({ target })),
        { rules },
      ),
    ).toEqual(codes)
  })

  it.each([
    ['https://o.example.com/.well-known', '/v1/oauth-x', 'route_unknown'],
    ['https://o.example.com/x/.well-known', '/v1/oauth-x', 'forwarded'],
    ['https://o.example.com/x', '/v1/.well-known/oauth-x', 'forwarded'],
    ['https://o.example.com/', '/v1/.well-known/oauth-x', 'route_unknown'],
  ])('metadata of the origin %s, at %s: %s', async (origin, target, code) => {
    const rules = [rule({ match: 'GET /v1/*', origin, strip_prefix: '/v1' })]
    expect(await said([{ target }], { rules })).toEqual([code])
  })

  it('a credential that strip_headers names', async () => {
    const gate = { strip_headers: ['authorization', 'dpop', 'sec-websocket-protocol'] }
    const rules = [
      rule({ forward_token: true }),
      rule({ match: 'GET /v1/shadow', scopes: ['none'], mode: 'shadow' }),
    ]
    const headers: [string, string][] = [
      ['dpop', 'x'],
      ['sec-websocket-protocol', 'chat'],
    ]
    const requests = [{ headers }, { target: '/v1/shadow', headers }]
    // In shadow mode a denied request goes on.
    expect(await said(requests, { gate, rules })).toEqual(['forwarded', 'scope_missing'])
  })

  it('a token at a public rule with forward_token reaches the origin as it came', async () => {
    const rules = [
      rule({ forward_token: true }),
      rule({ match: 'GET /v1/open', access: 'public', scopes: undefined, forward_token: true }),
    ]
    const requests = [{}, { target: '/v1/open' }]
    const [, open] = await saidOf(requests, { rules, claims: { exp: BEGIN - 300 } })
    expect(open?.headers?.authorization).toMatch(/^Bearer /)
  })

  it('a query', async () => {
    const [queries, codes] = split([
      ['_method=post', 'forwarded'],
      ['method=DELETE', 'forwarded'],
      ['x-method=DELETE', 'method_ambiguous'],
      ['__method[]=DELETE', 'method_ambiguous'],
      ['X_HTTP_Method_Override=DELETE', 'method_ambiguous'],
      ['_method=GET&x-method=POST', 'method_ambiguous'],
      ['Access_Token=1', 'credential_in_query'],
      ['a;access-token=1', 'credential_in_query'],
      ['access_token[]=1', 'credential_in_query'],
      ['%EF%BD%81ccess_token=1', 'credential_in_query'],
      ['access%FF_token=1', 'forwarded'],
      ['accessToken=1', 'forwarded'],
      ['x[access_token]=1', 'forwarded'],
    ])
    expect(
      await said(
        queries.map((query) => ({ target: `/v1/x?${query}` })),
        { rules },
      ),
    ).toEqual(codes)
  })

  it('another method in the query, with which an earlier rule would match', async () => {
    const rules = [rule({ match: 'GET /v1/{a}/{b}' }), rule({ match: '* /v1/docs/{id}' })]
    const request = { method: 'DELETE', target: '/v1/docs/7?_method=GET' }
    expect(await said([request], { rules })).toEqual(['method_ambiguous'])
  })

  it('metrics for an issuer that may not read them, while revocations are not available', async () => {
    const request: Sent = {
      before: { unavailable: ['revocations'] },
      target: '/.edgewarden/metrics',
    }
    const setting = { issuer: { admin: 'own' }, claims: { scope: 'edgewarden:metrics' } }
    expect(await said([request], setting)).toEqual(['revocations_unavailable'])
  })

  it('a preflight', async () => {
    const ask = (method: string, query = '', path = '/v1/x'): Sent => ({
      method: 'OPTIONS',
      target: path + query,
      headers: [
        ['Origin', 'https://a.example'],
        ['Access-Control-Request-Method', method],
      ],
    })
    const metadata = '/.well-known/oauth-protected-resource'
    const [requests, codes] = split([
      [ask('GET'), 'preflight'],
      [ask('GET', '?_method=GET'), 'preflight'],
      [ask('GET', '?_method=POST'), 'method_ambiguous'],
      [ask('POST'), 'preflight_refused'],
      [ask('GET', '?access_token=1', metadata), 'endpoint'],
      [{ target: `${metadata}?access_token=1` }, 'credential_in_query'],
      [{ target: `${metadata}?_method=HEAD`, method: 'OPTIONS' }, 'endpoint'],
    ])
    const open = rule({ cors: { origins: ['*'] } })
    expect(await said(requests, { rules: [open, rule({ match: 'POST /v1/x' })] })).toEqual(codes)
  })

  it('a host', async () => {
    const [requests, codes] = split([
      [{ host: 'API.example.com:8443' }, 'forwarded'],
      [{ host: 'api.example.com.' }, 'host_malformed'],
      [{ host: 'x.example', target: '/.edgewarden/health' }, 'endpoint'],
      [{ host: '-', target: '/.edgewarden/health' }, 'host_malformed'],
    ])
    expect(await said(requests)).toEqual(codes)
  })
})

describe('tokens', () => {
  it.each<[Setting, string]>([
    [{ header: { typ: 'absent' } }, 'token_malformed'],
    [{ header: { typ: '' } }, 'token_malformed'],
    [{ header: { kid: 'a b' } }, 'token_malformed'],
    [{ header: { typ: 'wpt+jwt' } }, 'type_forbidden'],
    [{ claims: { iss: 7 } }, 'token_malformed'],
    [{ claims: { iss: '' } }, 'issuer_unknown'],
    [{ claims: { exp: '@raw:1e400' } }, 'time_malformed'],
    [{ claims: { nbf: BEGIN + 5 } }, 'forwarded'],
    [{ claims: { nbf: BEGIN + 5.5 } }, 'token_not_yet_valid'],
    [{ claims: { aud: `${RESOURCE}/` } }, 'forwarded'],
    [{ claims: { aud: `${RESOURCE}/x/` } }, 'audience_mismatch'],
    [{ claims: { sub: 'x'.repeat(2048) } }, 'forwarded'],
    [{ claims: { sub: 'x'.repeat(2049) } }, 'claim_malformed'],
    [{ claims: { agent_type: '' } }, 'agent_id_malformed'],
    [{ issuer: { agent_prefix: 'a/' }, claims: { client_id: 'x'.repeat(2046) } }, 'forwarded'],
    [
      { issuer: { agent_prefix: 'a/' }, claims: { client_id: 'x'.repeat(2047) } },
      'agent_id_malformed',
    ],
    [{ claims: { act: { sub: 'x'.repeat(2049) } } }, 'delegation_malformed'],
    [
      { rules: [rule({ claims: { n: 3 } })], claims: { n: [3, '@raw:3.00000000000000001'] } },
      'forwarded',
    ],
    [
      { rules: [rule({ claims: { n: 3 } })], claims: { n: '@raw:3.00000000000000001' } },
      'claim_rejected',
    ],
    [
      { rules: [rule({ claims: { n: { min: 1 } } })], claims: { n: '@raw:1e400' } },
      'claim_rejected',
    ],
    [{ rules: [rule({ max_age: '1m' })], claims: { sub: 'c@clients' } }, 'user_missing'],
    [{ rules: [rule({ max_age: '1m' })], claims: { auth_time: BEGIN - 65 } }, 'forwarded'],
    [
      { rules: [rule({ max_age: '1m' })], claims: { auth_time: '@raw:1e400' } },
      'authentication_malformed',
    ],
  ])('%o: %s', async (setting, code) => {
    expect(await said([{}], setting)).toEqual([code])
  })

  it.each([
    [{}, 'forwarded'],
    [{ p2c: 1000 }, 'header_forbidden'],
    [{ p2s: 'c2FsdA' }, 'header_forbidden'],
    [{ b64: true }, 'header_forbidden'],
  ])('an encrypted token with %o in its header: %s', async (header, code) => {
    const issuer = { decrypt: { secret: 'DECRYPT' } }
    const token = { encrypted: { key: 'decrypt' as const, header } }
    expect(await said([{}], { issuer, token })).toEqual([code])
  })

  it.each([
    ['clerk', 'claim_missing'],
    ['keycloak', 'claim_missing'],
    ['generic', 'forwarded'],
    ['rfc9068', 'forwarded'],
  ])('without a client id, with profile %s: %s', async (profile, code) => {
    const issuer = { profile, typ: ['at+jwt'], required_claims: ['exp', 'iat'], agent_id: 'sub' }
    expect(await said([{}], { issuer, claims: { client_id: undefined, typ: 'Bearer' } })).toEqual([
      code,
    ])
  })

  it('a scope that is included in two ways', async () => {
    const scopes = { w1: ['d:*'], w2: ['d:r:*'], p: ['d:r:*'], q: ['w1'] }
    const rules = [rule({ scopes: ['d:r:x'] })]
    expect(await said([{}], { rules, scopes, claims: { scope: 'q w1 p w2' } })).toEqual([
      'forwarded',
    ])
  })

  it('a token that is used twice', async () => {
    const setting = { rules: [rule({ single_use: true })], more: { exp: BEGIN + 600 } }
    const again: Sent = { token: 'u', before: { wait: 370 } }
    expect(await said([{}, again], setting)).toEqual(['forwarded', 'forwarded'])
    expect(await said([{}, { token: 'u' }, again], setting)).toEqual([
      'forwarded',
      'token_replayed',
      'token_replayed',
    ])
  })
})

describe('tokens in another header', () => {
  const KEY = 'header:x-api-key:'
  const headers = ['authorization', 'x-api-key', 'api-key']
  const BASIC: [string, string] = ['Authorization', 'Basic x']
  const bare = (...sent: [string, string][]): Sent => ({ token: 'none', headers: sent })
  const beside = (...sent: [string, string][]): Sent => ({ as: KEY, headers: sent })

  it.each<[Sent, code: string, codeWithoutAuthorization?: string]>([
    [{ as: KEY }, 'forwarded'],
    [{ as: 'header:X-API-Key: ' }, 'forwarded'],
    [{ as: 'header:api-key:' }, 'forwarded'],
    [{}, 'forwarded', 'credential_missing'],
    [bare(BASIC), 'scheme_unsupported', 'credential_missing'],
    [bare(), 'credential_missing'],
    [{ as: 'header:x_api_key:' }, 'credential_missing'],
    [{ as: 'header:x-goog-api-key:' }, 'credential_missing'],
    [bare(['x-api-key', '']), 'credential_header_malformed'],
    [bare(['x-api-key', 'x']), 'token_malformed'],
    [bare(['x-api-key', 'x'.repeat(16_384)]), 'token_malformed'],
    [bare(['x-api-key', 'x'.repeat(16_385)]), 'token_too_long'],
    [bare(['x-api-key', 'a=b']), 'credential_header_malformed'],
    [{ as: `${KEY}Bearer ` }, 'credential_header_malformed'],
    [{ as: `${KEY},` }, 'credential_header_malformed'],
    [beside(['X-Api-Key', 'x']), 'credential_header_malformed'],
    [beside(['X-Api-Key', '']), 'credential_header_malformed'],
    [beside(['api-key', 'x']), 'credential_header_malformed'],
    [beside(['api-key', '']), 'credential_header_malformed'],
    [beside(['Authorization', '']), 'credential_header_malformed'],
    [beside(BASIC), 'credential_header_malformed'],
    [beside(['x_api_key', 'x'], ['x.api.key', 'y'], ['x-goog-api-key', 'z']), 'forwarded'],
    [beside(['Connection', 'close, x-api-key']), 'forwarded'],
    [{ headers: [['x_api_key', 'x']] }, 'forwarded', 'credential_missing'],
    [{ headers: [['Authorization', 'Bearer x']] }, 'credential_malformed', 'credential_missing'],
  ])('%o: %s, and without Authorization in the list: %s', async (request, code, other = code) => {
    for (const [names, expected] of [
      [headers, code],
      [headers.slice(1), other],
    ] as const) {
      const credential = { headers: [...names] }
      expect(await said([request], { rules: [rule({ credential })] })).toEqual([expected])
      // Where a token may be missing, one that was sent may not be in the wrong place.
      const rules = [rule({ credential, access: 'optional' })]
      const ofOptional = code === 'credential_missing' ? 'forwarded' : expected
      expect(await said([request], { rules })).toEqual([ofOptional])
    }
  })

  it.each<[cnf: JsonObject | undefined, code: string]>([
    [undefined, 'possession_required'],
    [{ jkt: 'x' }, 'token_bound_elsewhere'],
    [{ 'x5t#S256': '@cert:cert' }, 'token_bound_elsewhere'],
    [{ kid: 'x' }, 'token_bound_elsewhere'],
    [{}, 'token_bound_elsewhere'],
  ])('a token with cnf %o: %s', async (cnf, code) => {
    const credential = { headers }
    const rules = [rule({ credential, possession: 'required' })]
    expect(
      await said([{ as: KEY, certificate: 'cert' }], { rules, claims: { ...(cnf && { cnf }) } }),
    ).toEqual([code])
  })

  it('beside a subprotocol, and at the endpoints of the gate', async () => {
    const upgrade: [string, string][] = [
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
    ]
    const more = { credential: { headers: ['x-api-key'] }, token_subprotocols: ['own.'] }
    const [requests, codes] = split<Sent>([
      [{ as: 'protocol:own.', headers: upgrade }, 'forwarded'],
      [{ as: KEY, headers: upgrade }, 'forwarded'],
      [
        { as: 'protocol:own.', headers: [...upgrade, ['x-api-key', 'x']] },
        'subprotocols_malformed',
      ],
      [{ as: KEY, target: '/.edgewarden/policy' }, 'credential_missing'],
    ])
    expect(await said(requests, { rules: [rule(more)] })).toEqual(codes)
  })

  it('what the origin gets', async () => {
    const credential = { headers }
    const sent: Sent = {
      headers: [
        ['x_api_key', 'x'],
        ['api-key', 'y'],
        ['x-goog-api-key', 'z'],
      ],
    }
    const got = async (more: JsonObject, gate: JsonObject = {}, request = sent) => {
      const [one] = await saidOf([request], { rules: [rule(more)], gate })
      const names = Object.keys(one?.headers ?? {})
      return [one?.code, names.filter((name) => /api.key|^authorization$/.test(name))]
    }
    const ONE: Sent = { as: KEY, headers: [['x_api_key', 'x']] }
    expect(await got({})).toEqual([undefined, ['api-key', 'x-goog-api-key', 'x_api_key']])
    expect(await got({ credential }, {}, ONE)).toEqual([undefined, []])
    expect(await got({ credential, inject: { 'X-Api-Key': '\u0024{API_KEY}' } }, {}, ONE)).toEqual([
      undefined,
      ['x-api-key'],
    ])
    const MISSING: Sent = { token: 'none', headers: [['x_api_key', 'x']] }
    expect(await got({ credential, access: 'optional' }, {}, MISSING)).toEqual([undefined, []])
    const shadow = { credential, mode: 'shadow' }
    const TWO = { headers: [...(sent.headers ?? []), ['x-api-key', 'x'] as [string, string]] }
    expect(await got(shadow, {}, TWO)).toEqual([
      'credential_header_malformed',
      ['api-key', 'authorization', 'x-api-key', 'x-goog-api-key', 'x_api_key'],
    ])
    expect(await got(shadow, {}, ONE)).toEqual([undefined, ['x-api-key', 'x_api_key']])
    const NAMED = beside(['Connection', 'x-api-key'])
    expect(await got(shadow, {}, NAMED)).toEqual([undefined, []])
    expect(await got(shadow, { strip_headers: ['x-api-key'] }, ONE)).toEqual([undefined, []])
  })
})

describe('conditions', () => {
  const claims = {
    ...{ sub: 'alice', amount: 50, half: 0.5, groups: ['a', 'admins'], flag: true, text: '12' },
    ...{ big: '@raw:9007199254740993', deep: { big: 1e22, ok: 1 }, nul: 'a\u0000', pair: '\ud800' },
    ...{ payment: { account: '7', amount: 100 }, auth_time: BEGIN - 700, list: [1, 'x', { n: 3 }] },
    ...{ long: 'x'.repeat(1025), l5: [[[[[]]]]], l6: [[[[[[]]]]]], network: ['192.0.2.0/24'] },
    ...{
      nets: ['10.0.0.0/8', 'x'],
      odd: ['x', '10.0.0.0/8'],
      bits: '10.0.0.1/8',
      feb: '2026-02-30T00:00:00Z',
    },
    act: { sub: 'b', act: { sub: 'c' } },
  }
  const FROM: [string, string][] = [
    ['X-Class', 'public'],
    ['CF-Connecting-IP', '192.0.2.7'],
  ]
  const judged = (condition: string) =>
    said([{ headers: FROM, country: 'DE', botScore: 30 }], {
      rules: [rule({ when: { condition, headers: ['x-class'] } })],
      claims,
    })

  it.each([
    // A Thursday, 00:01:40 in UTC and 01:01:40 in Berlin.
    'now.getDayOfWeek("Europe/Berlin") == 4 && now.getHours("Europe/Berlin") == 1',
    'now.getMonth() == 0 && now.getDate() == 1 && now.getDayOfMonth() == 0 && now.getFullYear() == 2026',
    'now.getMinutes("+02:00") == 1 && now.getSeconds() == 40 && now.getHours("-01:00") == 23',
    ...[
      'now - timestamp(token.auth_time) > duration("10m")',
      'duration("1h30m") == duration("90m")',
    ],
    ...['duration("-1.5s") < duration("0s")', 'timestamp(0) == timestamp("1970-01-01T00:00:00Z")'],
    'timestamp("2026-01-01T00:00:00.1239Z") == timestamp("2026-01-01T00:00:00.123Z")',
    'timestamp("2026-01-01T01:00:00+01:00") + duration("100s") == now',
    'inNetwork(request.ip, ["10.0.0.0/8"]) || inNetwork(request.ip, token.network)',
    ...['inNetwork("10.0.0.1", token.nets)', 'inNetwork("::ffff:10.0.0.1", "10.0.0.0/8")'],
    ...['inNetwork("2001:db8::1", "2001:db8::/32")', 'request.country in ["DE", "AT"]'],
    'token.payment.account == "7" && token.payment.amount <= (has(agent.type) ? 10000 : 100)',
    ...['token.groups.exists(g, g == "admins")', '"x-class" in request.headers'],
    ...['request.headers["x-class"] == "public"', 'token.amount * 2.0 == 100.0'],
    ...['!has(agent.workflow_id)', 'token.missing == 1 || true', '!(token.missing == 1 && false)'],
    ...['token.list.exists(x, x.n == 3)', 'size(token.sub) == 5 && token.sub.size() == 5'],
    ...[
      'token.amount != "50"',
      'token.list[0] == 1 && token.list[1] == "x"',
      'token.l5 == [[[[[]]]]]',
    ],
    ...[
      '7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3',
      'int("9223372036854775807") > 9007199254740991',
    ],
    ...[
      'double("4.5e3") == 4500.0',
      'int("-42") == -42 && bool("t")',
      '"a,b".split(",") == ["a", "b"]',
    ],
    ...['[1, 2].filter(i, i > 1) == [2]', '" a ".trim() == "a" && "Ab".lowerAscii() == "ab"'],
    ...[
      'token.sub.matches("^al") && token.sub.matches("ice$")',
      'token.sub.upperAscii() == "ALICE"',
    ],
    ...['["1", "2"].map(i, int(i)) == [1, 2]', '[1, 2].map(x, x > 1, x * 2) == [4]'],
    ...['token.act.sub == "b" && !has(token.act.act)', '"a" in {"a": 1}', '{"a": 1}.a == 1'],
    ...['"x" + "y" == "xy" && [1] + [2] == [1, 2]', 'agent.depth == 2 && request.bot_score > 29'],
    ...[
      String.raw`r"\d" == "\\d"`,
      '[1, 2].exists_one(x, x == 2)',
      'token.half < 1 && null == null',
    ],
  ])('%s is true', async (condition) => {
    expect(await judged(condition)).toEqual(['forwarded'])
  })

  it.each([
    ...['token.missing == 1', 'token.missing == 1 || false', 'false || token.missing == 1'],
    ...['token.missing == 1 && true', '!(token.missing == 1)', 'token.missing == 1 ? true : true'],
    ...['token.text < 100', 'request.asn == 1', 'token.big == 1', 'token.big == 1 || true'],
    ...['true || token.big == 1', 'has(token.big)', 'token.deep.ok == 1', 'token.nul == "a"'],
    ...['token.pair == "a"', 'token.long == "a"', 'token.l6 == []', 'token.amount * 2 == 100'],
    ...['token.payment.exists(x, true)', '"a" in token.payment', 'token.sub', '1 / 0 == 1'],
    ...['9007199254740991 * 9007199254740991 == 0', '9007199254740991.0 + 1.0 == 0.0'],
    ...['double("0.10000000000000001") == 0.1', 'int("0x10") == 16', 'int("+1") == 1'],
    ...['int("") == 1', 'token.list.exists_one(x, x == 1 || x.n == 3)', 'bool("T")'],
    ...['token.list.all(x, x.n == 3)', 'inNetwork("x", "10.0.0.0/8")', 'has(token.sub.x)'],
    ...['inNetwork("10.0.0.1", token.bits)', 'inNetwork("10.0.0.1", token.odd)'],
    ...['timestamp(token.feb) < now', 'token.list[3] == 1', 'token.list["a"] == 1'],
  ])('%s is an error', async (condition) => {
    expect(await judged(condition)).toEqual(['condition_error'])
  })

  it.each([
    ...['token.amount > 100', 'request.country in ["AT"]', 'token.missing == 1 && false'],
    ...['token.groups.all(g, g == "a")', 'token.groups.exists_one(g, g == "z")'],
    ...['token.flag == "true"', 'inNetwork("10.0.0.1", "2001:db8::/32")'],
  ])('%s is false', async (condition) => {
    expect(await judged(condition)).toEqual(['condition_failed'])
  })
})

describe('a rate limit that a deploy changes', () => {
  const limited = (limit: number, period: string) => [rule({ rate_limit: { limit, period } })]
  const later = (wait: number): Sent => ({ before: { wait } })
  const deployed = (wait: number): Sent => ({ before: { wait, policy: 1 } })

  it.each<[string, Setting, Sent[], string[]]>([
    [
      'a longer period does not count again what was refilled',
      { rules: limited(2, '60s'), later: limited(2, '10m') },
      [{}, deployed(244), {}, {}],
      ['forwarded', 'forwarded', 'forwarded', 'rate_limited'],
    ],
    [
      'a longer period keeps what was counted',
      { rules: limited(2, '60s'), later: limited(2, '10m') },
      [{}, {}, deployed(29), {}],
      ['forwarded', 'forwarded', 'rate_limited', 'rate_limited'],
    ],
    [
      'a larger limit keeps what was counted',
      { rules: limited(2, '10m'), later: limited(4, '10m') },
      [{}, {}, deployed(0), {}, {}],
      ['forwarded', 'forwarded', 'forwarded', 'forwarded', 'rate_limited'],
    ],
    [
      'a shorter period begins with the first request, also if it is refused',
      { rules: limited(1, '1d'), later: limited(1, '1s') },
      [{}, deployed(10), later(1), {}],
      ['forwarded', 'rate_limited', 'forwarded', 'rate_limited'],
    ],
    [
      'a smaller limit begins with the first request, also if it is refused',
      { rules: limited(10, '60s'), later: limited(2, '60s') },
      [...Array.from({ length: 10 }, () => ({})), deployed(0), later(30), {}],
      [...Array(10).fill('forwarded'), 'rate_limited', 'forwarded', 'rate_limited'],
    ],
  ])('%s', async (_, setting, requests, codes) => {
    expect(await said(requests, setting)).toEqual(codes)
  })
})

describe('a throttled agent', () => {
  const throttled = { agents: { [`${ISSUER} c`]: { status: 'discovered' as const, throttle: 1 } } }
  const rules = [rule({ mode: 'shadow' }), rule({ match: 'GET /v1/y' })]
  const enforced: Sent = { target: '/v1/y' }

  it.each<[string, Sent[], string[]]>([
    [
      'whose limit cannot be asked',
      [{ before: { ...throttled, unavailable: ['limits'] } }],
      ['agent_throttled'],
    ],
    [
      'whose limit is used up, after one request that counted',
      [{ before: throttled }, {}, enforced, {}, enforced],
      ['forwarded', 'forwarded', 'forwarded', 'agent_throttled', 'agent_throttled'],
    ],
  ])('on a rule in shadow mode, %s', async (_, requests, codes) => {
    const all = await saidOf(requests, { rules })
    expect(all.map(({ code, outcome }) => code ?? outcome)).toEqual(codes)
    // A request on a rule in shadow mode reaches the origin anyway.
    const isShadow = (_: Said, i: number) => requests[i]?.target === undefined
    expect(all.filter(isShadow).every(({ outcome }) => outcome === 'forwarded')).toBe(true)
  })
})

describe('an issuer with rules = "named"', () => {
  const rules = [rule(), rule({ match: 'GET /v1/y', issuers: ['acme'] })]
  const others = { beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' } }
  const issuer = { agent_prefix: 'acme/', rules: 'named' }

  it('is accepted by rules that name it, and by the endpoints of the gate', async () => {
    const [requests, codes] = split<Sent>([
      [{}, 'issuer_not_accepted'],
      [{ target: '/v1/y' }, 'forwarded'],
      [{ target: '/.edgewarden/metrics' }, 'admin_not_allowed'],
    ])
    expect(await said(requests, { rules, others, issuer })).toEqual(codes)
  })
})

describe('keys and proofs', () => {
  const { d: _, ...jwk } = keyOf('client').jwk as JsonObject
  const proof = (claims: JsonObject = {}, header: JsonObject = {}): Sent => ({
    as: 'DPoP ',
    proof: { key: 'client', header, claims: { jti: 'p', ...claims } },
  })

  it.each<[Sent, string]>([
    [proof({ nbf: BEGIN + 5 }), 'forwarded'],
    [proof({ nbf: BEGIN + 6 }), 'proof_expired'],
    [proof({ exp: BEGIN }), 'proof_expired'],
    [proof({ iat: BEGIN - 60.5 }), 'proof_expired'],
    [proof({}, { typ: 'application/DPOP+JWT' }), 'forwarded'],
    [proof({}, { x: 'y'.repeat(1300) }), 'proof_key_invalid'],
    [proof({}, { jwk: { ...jwk, use: 'enc' } }), 'proof_key_invalid'],
    [proof({}, { jwk: { ...jwk, key_ops: ['sign'] } }), 'proof_key_invalid'],
  ])('%o: %s', async (request, code) => {
    expect(await said([request], { claims: { cnf: { jwk } } })).toEqual([code])
  })

  it.each([
    ['https://api.example.com:8443/v1/x', 'forwarded'],
    ['https://api.example.com/v1/x', 'proof_url_mismatch'],
  ])('a host with two resources, and a proof for %s: %s', async (htu, code) => {
    const rules = [rule({ resource: 'https://api.example.com:8443/x', audiences: [RESOURCE] })]
    expect(await said([proof({ htu })], { rules, claims: { cnf: { jwk } } })).toEqual([code])
  })

  it.each([
    [{ scope: '' }, 'scope_empty'],
    [{ scope: undefined, roles: ['a'] }, 'forwarded'],
    [{ cnf: { jwk, jkt: 'x' } }, 'confirmation_unsupported'],
    [{ cnf: { jwk: { ...jwk, use: 'enc' } } }, 'confirmation_malformed'],
    [{ workflow_id: 'w' }, 'intent_malformed'],
  ])('an Agentic JWT with %o: %s', async (changed, code) => {
    const intent = {
      executed_by: 'u',
      delegation_chain: 'e2b0bb2db17839e8',
      step_sequence_hash: 'bed72404ae7c18e8',
    }
    const agent_proof = { agent_checksum: 'a'.repeat(64), registration_id: 'reg_u_1' }
    const approved = { status: 'approved' as const, checksums: [`sha256:${'a'.repeat(64)}`] }
    const before = { agents: { [`${ISSUER} u`]: approved } }
    const issuer = {
      profile: 'agentic-jwt',
      agentic_forms: ['bare-checksum'],
      scope: ['scope', 'roles'],
    }
    const claims = { intent, agent_proof, cnf: { jwk }, ...changed }
    const setting = { header: { kid: 'k1' }, issuer, claims }
    expect(await said([{ ...proof(), before }], setting)).toEqual([code])
  })
})

describe('messages to an MCP server', () => {
  const PAGE = 'https://app.example'
  const rules = [
    {
      match: 'GET,POST,DELETE /mcp',
      scopes: [],
      resource: `${RESOURCE}/mcp`,
      mcp: {
        tools: { a: [], 'f*': { scopes: { any: ['s:{arguments.p}', 'a'] } } },
        prompts: { p: [] },
        resources: { 'file:///d/*': [] },
        methods: ['x/y', 'tasks/update'],
        origins: [PAGE],
      },
    },
  ]
  const VERSION = 'io.modelcontextprotocol/protocolVersion'
  const RELATED = 'io.modelcontextprotocol/related-task'
  const call = (method: string, params: JsonObject = {}, id: unknown = 1) => ({
    jsonrpc: '2.0',
    id,
    method,
    params,
  })
  const send = (body: unknown, revision: string, more: [string, string][] = []): Sent => ({
    method: 'POST',
    target: '/mcp',
    headers: [['Content-Type', 'application/json'], ['MCP-Protocol-Version', revision], ...more],
    body: JSON.stringify(body),
  })
  const OLD = (method: string, params?: JsonObject, id?: unknown) =>
    send(call(method, params, id), '2025-11-25')
  const TOLD = (params: JsonObject) =>
    send({ jsonrpc: '2.0', method: 'notifications/x', params }, '2025-11-25')
  const NEW = (method: string, params: JsonObject, more: [string, string][] = []) =>
    send(call(method, { _meta: { [VERSION]: '2026-07-28' }, ...params }), '2026-07-28', [
      ['Mcp-Method', method],
      ...more,
    ])
  const BATCH = (...messages: unknown[]) => send(messages, '2025-03-26')
  const name = (text: string): [string, string][] => [['Mcp-Name', text]]

  it.each<[Sent, string]>([
    [OLD('tools/list', {}, 'x'.repeat(256)), 'forwarded'],
    [OLD('tools/list', {}, 'x'.repeat(257)), 'message_invalid'],
    [OLD('tools/list', {}, null), 'message_invalid'],
    [send(call('ping'), '2025-11-25', [['Origin', PAGE]]), 'forwarded'],
    // The value is both together, which is no origin.
    [
      send(call('ping'), '2025-11-25', [
        ['Origin', PAGE],
        ['Origin', PAGE],
      ]),
      'origin_not_allowed',
    ],
    [OLD('x y'), 'message_invalid'],
    [OLD('tools/call', { name: '' }), 'params_invalid'],
    [OLD('tools/call', { name: 'a', arguments: [] }), 'params_invalid'],
    [OLD('tools/call', { name: 'a', Uri: 'x' }), 'params_ambiguous'],
    [OLD('tools/call', { name: 'a', x: 1, X: 2 }), 'params_ambiguous'],
    [OLD('tools/call', { name: 'f a', arguments: { p: '..' } }), 'forwarded'],
    [
      OLD('tools/call', { name: 'f a', arguments: { p: 'q', z: { k: 1, K: 2 } } }),
      'arguments_ambiguous',
    ],
    [OLD('tools/call', { name: 'fa ' }), 'tool_not_allowed'],
    [OLD('x/y', { Uri: 1, meta: 1 }), 'forwarded'],
    [OLD('x/y', { Meta: 1, _META: 1 }), 'params_ambiguous'],
    [OLD('tools/list', { _meta: [] }), 'params_invalid'],
    [OLD('tools/list', { _meta: { [VERSION]: '2025-03-26' } }), 'header_mismatch'],
    [OLD('initialize', { protocolVersion: 7 }), 'params_invalid'],
    [OLD('tasks/get', { taskId: 7 }), 'task_unknown'],
    [OLD('subscriptions/listen', { notifications: { task_ids: [] } }), 'params_ambiguous'],
    [
      OLD('subscriptions/listen', { notifications: { resourceSubscriptions: [''] } }),
      'params_invalid',
    ],
    [send({ jsonrpc: '2.0', id: 1, result: {} }, '2025-11-25'), 'forwarded'],
    [send({ jsonrpc: '2.0', id: 1, result: 7 }, '2025-11-25'), 'message_invalid'],
    [send({ jsonrpc: '2.0', id: 1, result: {} }, '2026-07-28'), 'message_invalid'],
    [BATCH(), 'message_invalid'],
    [BATCH(call('ping'), call('ping', {}, 2)), 'forwarded'],
    [BATCH(call('ping'), call('ping')), 'message_invalid'],
    [BATCH(...Array.from({ length: 51 }, (_, id) => call('ping', {}, id))), 'message_invalid'],
    [NEW('tools/list', {}), 'forwarded'],
    [NEW('tools/list', { _meta: {} }), 'params_invalid'],
    [NEW('ping', { _meta: [] }), 'mcp_method_not_allowed'],
    [NEW('tools/call', { name: 'a' }), 'header_mismatch'],
    [NEW('tools/call', { name: 'a' }, name('=?base64?YQ==?=')), 'forwarded'],
    [NEW('tools/call', { name: 'a' }, name('=?base64?YR==?=')), 'header_mismatch'],
    [NEW('tools/list', { name: 'a' }, name('a')), 'forwarded'],
    [NEW('tools/list', { name: 'a' }, name('b')), 'header_mismatch'],
    [NEW('tasks/get', { taskId: 'x' }), 'header_mismatch'],
    [NEW('tasks/get', { taskId: 7 }, name('x')), 'header_mismatch'],
    [NEW('tasks/get', { taskId: 'x' }, name('x')), 'mcp_method_not_allowed'],
    // Ids of tasks and sessions: the server gets its own, wherever they are.
    [OLD('tasks/get', { taskId: 'mine-1' }), 'forwarded'],
    [OLD('tasks/get', { taskId: 'own-1' }), 'task_unknown'],
    [OLD('tasks/result', { taskId: 'u-1' }), 'forwarded'],
    [OLD('tasks/cancel', { taskId: 'alice-1' }), 'task_unknown'],
    [OLD('tools/list', { _meta: { [RELATED]: { taskId: 'mine-1' } } }), 'forwarded'],
    [OLD('tools/list', { _meta: { [RELATED]: { taskId: 'own-1' } } }), 'task_unknown'],
    [OLD('subscriptions/listen', { notifications: { taskIds: ['mine-1', 'u-2'] } }), 'forwarded'],
    [OLD('subscriptions/listen', { notifications: { taskIds: ['mine-1', 'x'] } }), 'task_unknown'],
    [TOLD({ _meta: { [RELATED]: { taskId: 'own-1' } } }), 'forwarded'],
    [TOLD({ _meta: { [RELATED]: { taskId: 'u-1' } } }), 'forwarded'],
    [BATCH(call('tasks/get', { taskId: 'mine-1' }), call('ping', {}, 2)), 'forwarded'],
    [NEW('tasks/update', { taskId: 'mine-1' }, name('mine-1')), 'forwarded'],
    [NEW('tasks/update', { taskId: 'mine-1' }, name('=?base64?bWluZS0x?=')), 'forwarded'],
    [send(call('ping'), '2025-11-25', [['Mcp-Session-Id', 'u-1']]), 'forwarded'],
    [send(call('ping'), '2025-11-25', [['Mcp-Session-Id', 'own-1']]), 'session_unknown'],
    [send(call('ping'), '2025-11-25', [['Mcp-Session-Id', 'alice-1']]), 'session_unknown'],
    [{ ...OLD('ping'), method: 'DELETE' }, 'session_missing'],
    [send({}, '2025-11-25', [['Mcp-Session-Id', 'mine-1']]), 'message_invalid'],
    [
      { ...send({}, '2025-11-25', [['Mcp-Session-Id', 'mine-1']]), method: 'DELETE' },
      'body_too_large',
    ],
    [send(call('ping'), '2025-11-25', [['Content-Digest', 'sha-256=:AAAA:']]), 'digest_mismatch'],
  ])('%o: %s', async (request, code) => {
    const setting = { rules, claims: { aud: `${RESOURCE}/mcp` } }
    expect(await said([request], setting)).toEqual([code])
  })
})
