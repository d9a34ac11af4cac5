import { describe, expect, it } from 'vitest'
import { shownValue } from '../../../../src/gate/policy/conditions/operands.ts'
import { accessOf, agentOf } from '../../../kit/facts.ts'
import { type Changes, compile, factsOf, MONDAY, verdict } from './support.ts'

const claims = (all: object): Changes => ({ claims: all })
const at = (text: string): Changes => ({ now: Date.parse(text) })
const caller = (ip: string): Changes => ({ caller: ip })
const HOURS = 'now.getHours("Europe/Berlin") >= 8 && now.getHours("Europe/Berlin") < 18'
const NESTED = { sub: 'a', act: { sub: 'b' } }

/** By what is known, lines of a condition and what it comes to. It is Monday, half past nine in Berlin. */
const JUDGED: readonly (readonly [known: string, changes: Changes, lines: string])[] = [
  [
    'a usual request',
    {},
    `
${HOURS} → true
now.getDayOfWeek("Europe/Berlin") in [1, 2, 3, 4, 5] → true
now.getHours("+05:30") == 14 && now.getMinutes("+05:30") == 0 → true
now.getHours("-08:00") == 0 && now.getDate("-08:00") == 5 → true
now.getHours() == 8 && now.getMinutes() == 30 && now.getSeconds() == 0 → true
now.getMonth("UTC") == 0 && now.getDayOfMonth("UTC") == 4 → true
now < timestamp("2026-02-01T00:00:00Z") → true
inNetwork(request.ip, "10.0.0.0/8") → true
inNetwork(request.ip, "10.1.2.0/25") → true
inNetwork(request.ip, ["192.168.0.0/16", "10.1.2.3"]) → true
inNetwork(request.ip, ["192.168.0.0/16"]) → false
inNetwork(request.ip, "::ffff:10.0.0.0/104") → true
!(request.country in ["RU", "KP"]) → true
request.asn == 3320 && request.bot_score > 30 → true
request.colo == "FRA" && request.tls == "TLSv1.3" → true
request.method == "GET" && request.host == "api.example.com" → true
request.path.startsWith("/docs/") && request.params.id == "7 a" → true
request.query.region == "eu" → true
request.headers["x-data-class"] == "public" → no_such_key
!("x-data-class" in request.headers) → true
agent.id == "planner" && agent.client_id == "app" && agent.subject == "alice" → true
agent.type == "sub-agent" → no_such_key
has(agent.type) && agent.type == "sub-agent" → false
agent.actor.sub == "planner" && agent.actor["issuer"] == agent.issuer → true
agent.depth == 1 && agent.types.size() == 0 → true
"docs:write" in agent.scopes → true
"a" in {"b": {"a": 1}}["b"] → true
"sub" in agent.actor && !("act" in agent.actor) → true
"id" in request.params && "region" in request.query → true`,
  ],
  ['the end of the day', at('2026-01-05T17:00:00Z'), `${HOURS} → false`],
  ['a morning in summer', at('2026-07-06T06:00:00Z'), `${HOURS} → true`],
  ['a second before', at('2026-07-06T05:59:59Z'), `${HOURS} → false`],
  [
    'a Sunday in Tokyo',
    at('2026-01-03T15:00:00Z'),
    `
now.getDayOfWeek("Asia/Tokyo") == 0 → true
now.getDayOfWeek() == 6 → true`,
  ],
  [
    'an hour that another zone has not',
    at('2026-03-29T06:30:00Z'),
    'now.getHours("America/New_York") == 2 → true',
  ],
  ['a new year', at('2026-12-31T12:00:00Z'), 'now.getFullYear("Pacific/Auckland") == 2027 → true'],
  [
    'a caller by version 6 of 4',
    caller('::ffff:10.9.9.9'),
    'inNetwork(request.ip, "10.0.0.0/8") → true',
  ],
  [
    'a caller by version 6',
    caller('2001:DB8:1::1'),
    'inNetwork(request.ip, "2001:db8::/32") → true',
  ],
  [
    'another caller',
    caller('2001:db9::1'),
    `
inNetwork(request.ip, "2001:db8::/32") → false
inNetwork(request.ip, "0.0.0.0/0") → false`,
  ],
  ['octal digits', caller('010.1.2.3'), 'inNetwork(request.ip, "10.0.0.0/8") → invalid_network'],
  [
    'two addresses',
    caller('10.1.2.3, 10.0.0.1'),
    'inNetwork(request.ip, "10.0.0.0/8") → invalid_network',
  ],
  [
    'nothing of the connection',
    { caller: undefined, connection: undefined },
    `
inNetwork(request.ip, "10.0.0.0/8") → no_such_key
!inNetwork(request.ip, "10.0.0.0/8") → no_such_key
request.country in ["DE"] → no_such_key
!(request.country in ["RU"]) → no_such_key
has(request.country) && request.country == "DE" → false
!has(request.country) || request.country == "DE" → true`,
  ],
  ['no score', { connection: {} }, 'request.bot_score > 30 → no_such_key'],
  ['no query', { query: '' }, 'request.query["region"] == "eu" → no_such_key'],
  [
    'a header',
    { headers: { 'X-Data-Class': 'internal' } },
    'request.headers["x-data-class"] in ["public", "internal"] → true',
  ],
  [
    'a token',
    claims({
      auth_time: MONDAY / 1000 - 599,
      far: 1e15,
      nets: ['10.1.0.0/16'],
      bad: ['10/8'],
      n: [7],
    }),
    `
now - timestamp(token.auth_time) < duration("10m") → true
now - timestamp(token.auth_time) < duration("599s") → false
timestamp(token.far) < now → invalid_timestamp
inNetwork(request.ip, token.nets) → true
inNetwork(request.ip, token.bad) → invalid_network
inNetwork(request.ip, token.n) → no_matching_overload`,
  ],
  [
    'actors in a token, of which only the outermost counts',
    claims({ act: NESTED }),
    `
has(token.act.act) → false
token.act.sub == "a" → true
token["act"]["act"].sub == "b" → no_such_key`,
  ],
  [
    'a map where a list is meant',
    claims({ m: { a: 'b' }, none: {} }),
    `
"a" in token.m → no_such_overload
!("b" in token.m) → no_such_overload
token.m.all(k, true) → no_such_overload
token.m.map(k, k == "a", k) == ["a"] → no_such_overload
"a" in (true ? token.m : {}) → no_such_overload
"a" in {"a": token.none} → true`,
  ],
]
const ROWS = JUDGED.flatMap(([known, changes, lines]) =>
  lines
    .trim()
    .split('\n')
    .map((line) => {
      const [source = '', word = ''] = line.split(' → ')
      return { known, changes, source, word }
    }),
)

describe('a condition', () => {
  it.each(ROWS)('with $known: $source is $word', ({ source, changes, word }) => {
    expect(String(verdict(source, changes))).toBe(word)
  })

  it.each<[string, unknown, boolean | string]>([
    ['int(token.x) == 42', '42', true],
    ['int(token.x) == 42', 42.9, true],
    ['int(token.x) + 9007199254740991 < -9007199254740991', '-9223372036854775808', true],
    ['int(token.x) == int("9007199254740993")', '9007199254740993', true],
    ['int(token.x) == int("9007199254740993")', '9007199254740992', false],
    ['int(token.x) > token.x', '9007199254740993', 'no_such_overload'],
    ['int(token.x) <= 100', '0b1', 'int_conversion_error'],
    ['int(token.x) > 0', true, 'no_matching_overload'],
    ['int(token.x) > 0', ['1'], 'no_matching_overload'],
    ['double(token.x) == 4.5', '4.5', true],
    ['double(token.x) == 4.5', 4.5, true],
    ['double(agent.depth) == 1.0', 0, true],
    ['double(int(token.x)) == 9007199254740991.0', '9007199254740991', true],
    ['double(int(token.x)) > 0.0', '9007199254740993', 'double_conversion_error'],
    ['!(double(token.x) > 5.0)', 'nan', 'double_conversion_error'],
    ['double(token.x) > 0.0', null, 'no_matching_overload'],

    // Times have a zone, and a day that there is.
    ['timestamp(token.x) == timestamp("2026-01-05T05:00:00Z")', '2026-01-05T07:00:00+02:00', true],
    ['timestamp(token.x) == timestamp("2026-01-05T05:00:00Z")', '2026-01-04T23:30:00-05:30', true],
    ['timestamp(token.x) == timestamp(1767589200.25)', '2026-01-05T05:00:00.250999999Z', true],
    ['timestamp(token.x) < now', '2026-02-30T00:00:00.000Z', 'invalid_timestamp'],
    ['timestamp(token.x) < now', true, 'no_matching_overload'],

    // Only letters of ASCII are folded.
    ['token.x.lowerAscii() == "abz\u00c4"', 'aBZ\u00c4', true],
    ['token.x.upperAscii() == "ABZ\u00e4"', 'abZ\u00e4', true],
    ['token.x.lowerAscii() == "a"', ['A'], 'no_matching_overload'],

    // The check of types cannot know the type of a member of such a list.
    ['([] + token.x).exists(t, t + 1.0 > 2.0)', [2], true],
    ['([] + token.x).exists(t, t + 1 > 2)', [[1]], 'no_such_overload'],
    ['!("A" < ([] + token.x)[0])', [['a']], 'no_such_overload'],
    ['([] + token.x).exists(t, t.lowerAscii() == "a")', [['A']], 'no_matching_overload'],

    // What is out of range is no number, time or duration.
    ['!(token.x / 0.0 > 5.0)', 0, 'numeric_overflow'],
    ['token.x * token.x > 5.0', 2 ** 52, 'numeric_overflow'],
    ['1.0 / token.x > 5.0', -0, 'numeric_overflow'],
    ['token.x < 5', -(2 ** 53), 'value_unfit'],
    ['token.x.a[0].b != 5', { a: [{ b: 1e300 }] }, 'value_unfit'],
    ['token.x != "a"', '\ud800', 'value_unfit'],
    ['token.x > 5.0', Number.POSITIVE_INFINITY, 'value_unfit'],
    ['-int(token.x) > 0', '-9223372036854775808', 'numeric_overflow'],
    ['int(token.x) / -1 > 0', '-9223372036854775808', 'numeric_overflow'],
    ['timestamp(token.x) + duration("2s") > now', '9999-12-31T23:59:58Z', 'numeric_overflow'],
    ['timestamp(token.x) + duration("1s") > now', '9999-12-31T23:59:58Z', true],
    ['timestamp(token.x) - duration("1s") < now', '0001-01-01T00:00:00Z', 'numeric_overflow'],
    ['duration("-0.5s") + duration("-0.7s") == duration("-1.2s")', 0, true],
    ['{"gold": 10, "basic": 1}[token.x] == 10', 'constructor', 'no_such_key'],
    ['token.x == {}', { constructor: 1 }, false],
  ])('%s with %j is %s', (source, x, expected) => {
    expect(verdict(source, claims({ x }))).toBe(expected)
  })

  it('knows the outermost actor with its own issuer', () => {
    const [partner, own] = ['https://partner.example', 'https://auth.example.com']
    const actors = [partner, own].map((issuer) => ({ sub: 'planner', issuer }))
    const agent = agentOf({ actors })
    expect(verdict(`agent.actor.issuer == "${partner}"`, { agent })).toBe(true)
  })

  it('does not reach what an object inherits, nor a member that only looks like one', () => {
    const parsed = JSON.parse('{"m":{"constructor":"x"},"constructor":"own"}')
    expect(verdict('token.constructor == "own"', claims(parsed))).toBe(true)
    expect(verdict('token.m.constructor == "x"', claims(parsed))).toBe(true)
    const odd = claims({ m: JSON.parse('{"__proto__":{}}') })
    expect(verdict('token.m == {"x": 1}', odd)).toBe('value_unfit')
    for (const name of ['__proto__', 'constructor', 'toString', '__defineGetter__']) {
      expect(verdict(`token.${name} == 1`), name).toBe('no_such_key')
      expect(verdict(`has(token.${name})`), name).toBe(false)
      expect(verdict(`"${name}" in token.m`, claims({ m: [] })), name).toBe(false)
      expect(verdict(`"${name}" in {"a": 1}`), name).toBe(false)
      expect(verdict(`token.m["${name}"] == 1`, claims({ m: {} })), name).toBe('no_such_key')
    }
  })

  it.each<[string, string, Changes]>([
    ['a long text', 'token.x == "a"', claims({ x: 'a'.repeat(1_025) })],
    ['a long list', '"a" in token.x', claims({ x: Array(257).fill('a') })],
    ['no finite number', 'token.x > 10.0', claims({ x: JSON.parse('1e400') })],
    ['one in a list', '10.0 in token.x', claims({ x: JSON.parse('[1e400]') })],
    ['many members', 'size(token.x) > 0', claims({ x: Array(250).fill([1, 2, 3, 4, 5]) })],
    ['a deep claim', 'has(token.x.a)', claims({ x: { a: [[[[[1]]]]] } })],
    ['a long path', 'request.path == "/"', { path: `/${'a'.repeat(1_024)}` }],
    [
      'a long header',
      '"x-data-class" in request.headers',
      { headers: { 'x-data-class': 'a'.repeat(1_025) } },
    ],
    ['many parts', 'token.x.split("").size() > 0', claims({ x: 'a'.repeat(257) })],
    ['a long needle', 'token.x.contains(token.x)', claims({ x: 'a'.repeat(129) })],
    [
      'what no pattern matches for its length',
      '!token.x.matches("b")',
      claims({ x: 'a'.repeat(257) }),
    ],
  ])('does not reckon with %s', (_, source, changes) => {
    expect(verdict(source, changes)).toBe('value_unfit')
  })

  it('does not care for large claims that it does not read', () => {
    expect(verdict('token.a == 1', claims({ a: 1, x: Array(5_000).fill('a') }))).toBe(true)
  })

  it('does not care for a large agent of which it reads something else', () => {
    const agent = agentOf({ subject: 's'.repeat(1_025) })
    const access = accessOf({ scopes: Array.from({ length: 257 }, (_, i) => `s:${i}`) })
    expect(verdict('agent.id == "planner"', { agent, access })).toBe(true)
    expect(verdict('request.method == "GET"', { agent, access })).toBe(true)
    expect(verdict('agent.subject == "s"', { agent })).toBe('value_unfit')
    expect(verdict('"s:1" in agent.scopes', { access })).toBe('value_unfit')
  })

  it('says which operand decided, and what each is', () => {
    const condition = compile(
      'has(token.amount) && (token.amount < 100 || "big:spender" in agent.scopes) && !(request.country == "DE")',
    )
    const facts = factsOf(claims({ amount: 250 }))
    expect(condition.evaluate(facts)).toEqual({ ok: true, value: false })
    expect(condition.blamed(facts, false)).toBe('token.amount < 100')
    expect(condition.operands(facts)).toEqual([
      { source: 'has(token.amount)', value: true },
      {
        source: 'token.amount < 100',
        value: false,
        sides: [{ source: 'token.amount', value: 250 }],
      },
      {
        source: '"big:spender" in agent.scopes',
        value: false,
        sides: [{ source: 'agent.scopes', value: ['docs:read', 'docs:write'] }],
      },
      {
        source: 'request.country == "DE"',
        value: true,
        sides: [{ source: 'request.country', value: 'DE' }],
      },
    ])
    expect(condition.blamed(factsOf(claims({ amount: 1 })), false)).toBe('request.country == "DE"')
  })

  it.each([
    ['token.a == 1 ? token.b == 1 : token.c == 1', 'token.b == 1'],
    ['!(token.a == 1 && request.method == "GET")', 'token.a == 1'],
    ['!(token.a == 2 || request.method == "GET")', 'request.method == "GET"'],
    ['(token.x == 1 || token.a == 2) && token.a == 1', 'token.x == 1'],
  ])('blames of %s the part %s', (source, blamed) => {
    const facts = factsOf(claims({ a: 1, b: 2, c: 1 }))
    expect(compile(source).blamed(facts, false)).toBe(blamed)
  })

  it('blames what has no value where it has none itself', () => {
    const condition = compile('request.method == "PUT" || token.amount < 100')
    expect(condition.evaluate(factsOf())).toEqual({ ok: false, reason: 'no_such_key' })
    expect(condition.blamed(factsOf(), true)).toBe('token.amount < 100')
    expect(condition.operands(factsOf())[1]).toEqual({
      source: 'token.amount < 100',
      error: 'No such key: amount',
      sides: [{ source: 'token.amount', error: 'No such key: amount' }],
    })
  })

  it.each([
    ['(1 + 2) * 3 == 9', ['(1 + 2) * 3 == 9', '(1 + 2) * 3']],
    ['2 * (3 - (1 - 1)) == 6', ['2 * (3 - (1 - 1)) == 6', '2 * (3 - (1 - 1))']],
    ['("a)" + "(b").size() == 4', ['("a)" + "(b").size() == 4', '("a)" + "(b").size()']],
    ["(('(' + r'\\)')).size() == 3", ["(('(' + r'\\)')).size() == 3", "(('(' + r'\\)')).size()"]],
    ['(true) && ((now) == now)', ['true', '(now) == now', 'now', 'now']],
  ])('tells operands of %s with their parentheses', (source, expected) => {
    const operands = compile(source).operands(factsOf())
    expect(
      operands.flatMap((one) => [one.source, ...(one.sides ?? []).map((side) => side.source)]),
    ).toEqual(expected)
    expect(operands.every(({ value }) => value === true)).toBe(true)
  })

  it('shows times and durations, and what is none as a fault', () => {
    const shown = (source: string) => compile(source).operands(factsOf())[0]?.sides
    const overflow = { error: 'It is out of range' }
    expect(shown('now + duration("87660000h") > now')).toMatchObject([overflow, {}])
    expect(shown('now - duration("1500ms") < now')).toMatchObject([
      { value: '2026-01-05T08:29:58.500Z' },
      { value: '2026-01-05T08:30:00.000Z' },
    ])
    expect(shown('now - now < duration("1s")')).toMatchObject([{ value: '0s' }])
    expect(shown('[now] == [now, now].filter(t, t < now)')).toMatchObject([
      { value: ['2026-01-05T08:30:00.000Z'] },
      { value: [] },
    ])
  })

  it.each([
    ['no time', new Date(Number.NaN)],
    ['no time in a list', [new Date(Number.NaN)]],
    ['what has no text', Object.create(null)],
    ['what has itself', new Map([['a', new Proxy({}, { ownKeys: () => [1] as never })]])],
  ])('never throws for %s', (_, value) => {
    expect(shownValue(value)).toBe('(cannot be shown)')
  })

  it('shows whole numbers as they are', () => {
    const facts = factsOf(claims({ x: '9007199254740993' }))
    const sides = (source: string) => compile(source).operands(facts)[0]?.sides
    expect(sides('int(token.x) > 5')).toMatchObject([{ value: '9007199254740993' }])
    expect(sides('int(token.x) - 2 > 5')).toMatchObject([{ value: 9007199254740991 }])
  })

  it('cuts what it shows', () => {
    const [operand] = compile('token.x == "a" && "b" in token.y').operands(
      factsOf(claims({ x: 'x'.repeat(1_000), y: Array(200).fill('yyyyyyyy') })),
    )
    expect(JSON.stringify(operand).length).toBeLessThan(300)
  })
})
