import { expect, test } from 'vitest'
import { argumentsRead, evaluate, mistakeOf, type Variables } from './conditions.ts'
import { readJson } from './json.ts'
import type { JsonObject } from './types.ts'

const read = (text: string): JsonObject => {
  const reading = readJson(text)
  if (!reading.ok) throw new Error('no JSON')
  return reading.value as JsonObject
}

const CLAIMS = `{"sub":"alice","amount":50,"half":0.5,"big":9007199254740993,"groups":["a","admins"],
  "payment":{"account":"7","amount":100},"auth_time":1767225000,"network":["10.0.0.0/8"],"flag":true,
  "deep":{"big":1e22,"ok":1},"nul":"a\\u0000","half_pair":"\\ud800","long":"${'x'.repeat(1025)}",
  "l5":[[[[[]]]]],"l6":[[[[[[]]]]]],"text":"12","list":[1,"x",{"n":3}],
  "act":{"sub":"b","act":{"sub":"c"}}}`

const variables = (): Variables => ({
  token: read(CLAIMS),
  agent: { id: 'acme/a', issuer: 'https://a', type: 'sub-agent', depth: 1, scopes: ['x', 'y'] },
  request: {
    method: 'GET',
    host: 'api.example.com',
    path: '/v1/x',
    params: { account: '7' },
    headers: { 'x-data-class': 'public' },
    query: {},
    ip: '::ffff:192.0.2.7',
    country: 'DE',
    bot_score: 30,
  },
  // A Monday, 07:30 in UTC and 08:30 in Berlin.
  now: Date.parse('2026-11-30T07:30:00Z'),
  arguments: read('{"amount":5,"ids":["1","2"],"force":true}'),
})

test.each([
  'now.getDayOfWeek("Europe/Berlin") in [1, 2, 3, 4, 5] && now.getHours("Europe/Berlin") >= 8 && now.getHours("Europe/Berlin") < 18',
  'inNetwork(request.ip, ["192.0.2.0/24", "2001:db8::/32"]) || inNetwork(request.ip, token.network)',
  'request.country in ["DE", "AT", "CH"]',
  'token.payment.account == request.params.account && token.payment.amount <= (has(agent.type) && agent.type == "orchestrator" ? 10000 : 100)',
  'token.groups.exists(g, g == "admins")',
  '"x-data-class" in request.headers',
  'request.headers["x-data-class"] == "public"',
  'token.amount < 100',
  'token.amount * 2.0 == 100',
  'now - timestamp(token.auth_time) > duration("10m")',
  'now < timestamp("2027-01-01T00:00:00Z")',
  '!has(agent.workflow_id)',
  'token.missing == 1 || true',
  'true || token.missing == 1',
  '!(token.missing == 1 && false)',
  'token.list.exists(x, x.n == 3)',
  'size(token.sub) == 5 && token.sub.size() == 5',
  'token.amount != "50"',
  'token.list[0] == 1 && token.list[1] == "x"',
  '7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3',
  'int("9223372036854775807") > 9007199254740991',
  'double("4.5e3") == 4500.0',
  'int("-42") == -42',
  '"a,b".split(",") == ["a", "b"]',
  '" a ".trim() == "a" && "Ab".lowerAscii() == "ab"',
  'token.sub.matches("^al")',
  'now.getMonth() == 10 && now.getDate() == 30 && now.getDayOfMonth() == 29 && now.getMinutes("+02:00") == 30',
  'token.l5 == [[[[[]]]]]',
  'timestamp("2026-01-01T00:00:00.1239Z") == timestamp("2026-01-01T00:00:00.123Z")',
  'inNetwork("10.0.0.1", ["10.0.0.0/8", "x"])',
  'arguments.amount > 0 && "force" in arguments',
  'arguments.ids.map(i, int(i)).filter(i, i > 1) == [2]',
  'token.act.sub == "b" && !has(token.act.act)',
  '"a" in {"a": 1}',
  'r"\\d" == "\\\\d"',
  'agent.depth == 1 && request.bot_score > 29',
])('%s is true', (source) => {
  expect(mistakeOf(source, true)).toBeUndefined()
  expect(evaluate(source, variables())).toBe(true)
})

test.each([
  'token.missing == 1',
  'token.missing == 1 || false',
  'false || token.missing == 1',
  'token.missing == 1 && true',
  '!(token.missing == 1)',
  'token.missing == 1 ? true : true',
  'token.text < 100',
  'request.asn == 1',
  'token.big == 1',
  'token.big == 1 || true',
  'true || token.big == 1',
  'has(token.big)',
  'token.deep.ok == 1',
  'token.nul == "a"',
  'token.half_pair == "a"',
  'token.long == "a"',
  'token.l6 == []',
  'token.amount * 2 == 100',
  'token.payment.exists(x, true)',
  '"a" in token.payment',
  'token.sub',
  '1 / 0 == 1',
  '9007199254740991 * 9007199254740991 == 0',
  '9007199254740991.0 + 1.0 == 0.0',
  'double("0.10000000000000001") == 0.1',
  'int("0x10") == 16',
  'int("+1") == 1',
  'int("") == 1',
  'token.list.exists_one(x, x == 1 || x.n == 3)',
  'token.list.all(x, x.n == 3)',
  'inNetwork("x", "10.0.0.0/8")',
  'inNetwork("10.0.0.1", "10.0.0.1/8")',
  'inNetwork("10.0.0.1", ["x", "10.0.0.0/8"])',
  'timestamp("2026-02-30T00:00:00Z") < now',
  'has(token.sub.x)',
])('%s is an error', (source) => {
  expect(evaluate(source, variables())).toBe('error')
})

test.each([
  'token.amount > 100',
  'request.country in ["AT"]',
  'token.missing == 1 && false',
  'token.groups.all(g, g == "a")',
  'token.groups.exists_one(g, g == "z")',
  'token.flag == "true"',
])('%s is false', (source) => {
  expect(evaluate(source, variables())).toBe(false)
})

test.each([
  'tokens.a',
  'token == 1',
  'agent.nobody == 1',
  '1 +',
  'uint(1) == 1',
  '0.10000000000000001 == 0.1',
  '9007199254740992 == 1',
  'token.a.all(x, x.all(y, y))',
  '{1: 2} == {}',
  'arguments.a == 1',
  `${'1 + '.repeat(9)}1 == 10`,
])('%s is a mistake', (source) => {
  expect(mistakeOf(source)).toBeTypeOf('string')
})

test('the arguments that a condition reads', () => {
  expect(argumentsRead('!has(arguments.options.force) && "x" in arguments')).toEqual([
    ['options', 'force'],
    ['options'],
    ['x'],
  ])
})
