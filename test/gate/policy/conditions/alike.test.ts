import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ConditionFacts } from '../../../../src/gate/model/condition.ts'
import { compileCondition } from '../../../../src/gate/policy/conditions/compile.ts'
import { tries } from '../../../kit/property.ts'
import { evaluate, type Variables } from '../../../reference/conditions.ts'
import { readJson } from '../../../reference/json.ts'
import type { JsonObject } from '../../../reference/types.ts'
import { ALLOWED, factsOf, MONDAY } from './support.ts'

/** The second implementation judges conditions by itself: it shares no code with the first. */

/** The same request, agent and token for the second implementation. */
const variablesOf = (claims: string): Variables => {
  const token = readJson(claims)
  if (!token.ok) throw new Error('no JSON')
  return {
    token: token.value as JsonObject,
    agent: {
      id: 'planner',
      name: 'planner',
      issuer: 'https://auth.example.com',
      subject: 'alice',
      client_id: 'app',
      types: [],
      actor: { sub: 'planner', issuer: 'https://auth.example.com' },
      depth: 1,
      scopes: ['docs:read', 'docs:write'],
    },
    request: {
      method: 'GET',
      host: 'api.example.com',
      path: '/docs/7',
      params: { id: '7 a' },
      headers: { 'x-data-class': 'public' },
      query: { region: 'eu' },
      ip: '10.1.2.3',
      country: 'DE',
      asn: 3320,
      colo: 'FRA',
      tls: 'TLSv1.3',
      bot_score: 99,
    },
    now: MONDAY,
    arguments: token.value as JsonObject,
  }
}

/** The request of `factsOf`, with a header. */
const factsWith = (claims: object) => {
  const facts = factsOf({ headers: { 'x-data-class': 'public' } })
  return { ...facts, access: { ...facts.access, claims }, arguments: claims } as ConditionFacts
}

/** What the token has may be anything, so that most of these pass the check of types, and fail, if so, when judged. */
const CLAIM = [
  'token.a',
  'token.b',
  'token.l',
  'token.m',
  'token.m.k',
  'token["a"]',
  'token.l[0]',
  'x',
]
const KNOWN = ['3', '0', '-1', '2.5', '"t"', '""', 'null', '[]', '["t"]', '{"k": 1}', 'agent.depth']
const claim = fc.constantFrom(...CLAIM)
const { test: condition } = fc.letrec<{ test: string; value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    claim,
    fc.constantFrom(...CLAIM, ...KNOWN, 'request.path', 'request.params.id', 'request.asn'),
    fc
      .tuple(tie('value'), fc.constantFrom('+', '-', '*', '/', '%'), claim)
      .map(([one, op, other]) => `(${one} ${op} ${other})`),
    fc
      .tuple(fc.constantFrom('size', 'int', 'double', 'string', '-'), claim)
      .map(([name, one]) => `${name}(${one})`),
    fc
      .tuple(
        claim,
        fc.constantFrom('trim()', 'lowerAscii()', 'upperAscii()', 'split(" ")', 'size()'),
      )
      .map(([one, call]) => `${one}.${call}`),
    fc
      .tuple(claim, fc.constantFrom('map', 'filter'), tie('test'))
      .map(([list, name, one]) => `${list}.${name}(x, ${one})`),
    fc.tuple(tie('test'), claim, claim).map(([one, a, b]) => `(${one} ? ${a} : ${b})`),
  ),
  test: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc
      .tuple(tie('value'), fc.constantFrom('==', '!=', '<', '>=', 'in'), claim)
      .map(([one, op, other]) => `${one} ${op} ${other}`),
    fc
      .tuple(claim, fc.constantFrom('==', '!=', '<', '<='), tie('value'))
      .map(([one, op, other]) => `${one} ${op} ${other}`),
    fc.constantFrom(
      ...['true', 'token.b', 'has(token.a)', 'has(token.m.k)', 'has(token.a.k)', '"k" in token.m'],
      ...[
        'token.a in agent.scopes',
        'has(agent.type)',
        'agent.actor.sub == token.a',
        'token.a in token',
      ],
      ...[
        'inNetwork(request.ip, token.a)',
        'inNetwork(token.a, "10.0.0.0/8")',
        'token.a.matches("t+")',
      ],
      ...[
        'timestamp(token.a) < now',
        'now - timestamp(token.a) > duration("90s")',
        'now.getHours() == 8',
      ],
    ),
    fc
      .tuple(claim, fc.constantFrom('contains', 'startsWith', 'endsWith'), claim)
      .map(([one, name, other]) => `${one}.${name}(${other})`),
    fc
      .tuple(claim, fc.constantFrom('all', 'exists', 'exists_one'), tie('test'))
      .map(([list, name, one]) => `${list}.${name}(x, ${one})`),
    fc
      .tuple(tie('test'), fc.constantFrom('&&', '||'), tie('test'))
      .map(([one, op, other]) => `(${one} ${op} ${other})`),
    tie('test').map((one) => `!(${one})`),
  ),
}))
const value = fc.constantFrom(
  ...['1', '3', '-1', '2.5', '1e3', '9007199254740993', '1e22', 'true', 'false', 'null', '""'],
  ...[
    '"t"',
    '"3"',
    '"-1"',
    '"2.5"',
    '" tT "',
    '"10.0.0.0/8"',
    '"2026-01-05T08:00:00Z"',
    '"\\u0000"',
  ],
  ...['[]', '[1,"t"]', '["t","u"]', '[[1]]', '{}', '{"k":1}', '{"k":"t"}'],
)

/** What a condition comes to, by both; they agree. */
const judgedAlike = (
  source: string,
  claims: string,
  isCall = false,
): boolean | 'error' | undefined => {
  const read = compileCondition(source, ALLOWED, isCall ? 'call' : undefined)
  // The first refuses more than the second: what would take long, and what no type fits.
  if (!read.ok) return undefined
  const judged = read.value.evaluate(factsWith(JSON.parse(claims)))
  const verdict = judged.ok ? judged.value : 'error'
  const expected = evaluate(source, variablesOf(claims))
  expect({ source, claims, verdict }).toEqual({ source, claims, verdict: expected })
  return expected
}

it('random conditions come to the same on random claims', () => {
  const seen = { true: 0, false: 0, error: 0 }
  const some = fc.dictionary(fc.constantFrom('a', 'b', 'l', 'm'), value)
  const threeOf = fc.array(some, { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(condition, threeOf, fc.boolean(), (tokens, all, isCall) => {
      // A condition of a call may read its arguments as others read the token.
      const source = isCall ? tokens.replaceAll('token', 'arguments') : tokens
      for (const one of all) {
        const members = Object.entries(one).map(([name, text]) => `"${name}":${text}`)
        const verdict = judgedAlike(source, `{${members.join(',')}}`, isCall)
        if (verdict === undefined) return
        seen[verdict === 'error' ? 'error' : verdict ? 'true' : 'false']++
      }
    }),
    tries(400),
  )
  expect(seen.true).toBeGreaterThan(20)
  expect(seen.false).toBeGreaterThan(20)
  expect(seen.error).toBeGreaterThan(100)
})

/** Texts that some reader of numbers or times takes for what they are not, and such as are what they say. */
const TEXTS = [
  ...[
    '',
    '-',
    '0b1',
    '0X10',
    '0o7',
    '+1',
    ' 1',
    '1\n',
    '1.0',
    '1e2',
    '\uff11',
    'Infinity',
    '042',
    '-42',
  ],
  ...['9223372036854775807', '9223372036854775808', '-9223372036854775809', '00000000000000000001'],
  ...[
    '.5',
    '5.',
    '1e',
    '1_0',
    '1e400',
    '1e9999',
    '-62.5E-3',
    '9007199254740992',
    '9007199254740993',
  ],
  ...[
    '100.000000000000001',
    '0.10000000000000001',
    '1e-400',
    '1e16',
    'nan',
    'NaN',
    'inf',
    '-infinity',
  ],
  ...[
    '2024-02-29T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    'Jan 5, 2026 05:00:00 ',
  ],
  ...['2026-02-30T00:00:00.000Z', '2026-01-05T05:00:00.000', '2023-02-29T00:00:00Z', '1767589200'],
  ...[
    '2026-01-05T24:00:00Z',
    '2026-01-05T05:00:60Z',
    '2026-01-05 05:00:00Z',
    '2026-01-05T05:00:00Z\n',
  ],
  ...['2026-01-05T05:00:00+24:00', '2026-01-05T07:00:00+02:00', '+002026-01-05T05:00:00Z'],
  ...[
    '0000-12-31T23:59:59Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    'aBZ\u00c4',
  ],
  ...['\u212a', '\u017f', '\u00df', 's', 'K'],
]

it.each([
  ...[
    'int(token.a) <= 100',
    'int(token.a) > 0',
    'double(token.a) <= 100.0',
    '!(double(token.a) > 5.0)',
  ],
  ...['double(int(token.a)) > 0.0', 'timestamp(token.a) < now', '!(timestamp(token.a) < now)'],
  ...[
    'token.a.lowerAscii() in ["k", "s", "abz\u00c4"]',
    'token.a.upperAscii() in ["K", "S", "SS"]',
  ],
])('%s comes to the same of each text', (source) => {
  const verdicts = new Set(TEXTS.map((text) => judgedAlike(source, JSON.stringify({ a: text }))))
  expect(verdicts.size).toBeGreaterThan(1)
})
