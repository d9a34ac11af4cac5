import { describe, expect, it } from 'vitest'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { CHAT, GATE, mistakes, policy, rule, type Vars } from '../policy/support.ts'

/** The rule's own terms, and those of GATE. */
const of = (own?: unknown, gate?: unknown): Vars => ({
  GATE: { ...GATE, ...(gate !== undefined && { revocation: gate }) },
  ROUTES: [{ ...CHAT, ...(own !== undefined && { revocation: own }) }],
})

const bounded = (maxStaleness: number) => ({ consistency: 'bounded', maxStaleness })
const strict = (maxStaleness = 5_000) => ({ consistency: 'strict', maxStaleness })

describe('GATE.revocation', () => {
  it.each<[string, unknown, object]>([
    ['nothing', undefined, bounded(5_000)],
    ['an empty table', {}, bounded(5_000)],
    ['strict', { consistency: 'strict' }, strict()],
    ['bounded', { consistency: 'bounded' }, bounded(5_000)],
    ['the least staleness', { max_staleness: '1s' }, bounded(1_000)],
    ['the same in other words', { max_staleness: '1000ms' }, bounded(1_000)],
    ['part of a second', { max_staleness: '1500ms' }, bounded(1_500)],
    ['the most staleness', { max_staleness: '5m' }, bounded(300_000)],
    ['both', { consistency: 'strict', max_staleness: '10s' }, strict(10_000)],
  ])('is %s: %j', (_, gate, terms) => {
    const made = policy(of(undefined, gate))
    expect(made.gate.revocation).toEqual(terms)
    expect(made.routes.map(({ revocation }) => revocation)).toEqual([terms])
  })
})

describe("a rule's revocation", () => {
  it.each<[string, unknown, unknown, object]>([
    ['one word, strict', 'strict', undefined, strict()],
    ['one word, bounded', 'bounded', { consistency: 'strict' }, bounded(5_000)],
    ['a table', { consistency: 'bounded', max_staleness: '2s' }, undefined, bounded(2_000)],
    // Whole: what it leaves out is the default, and not what GATE says.
    ['a word, beside a long bound', 'bounded', { max_staleness: '5m' }, bounded(5_000)],
    [
      'a table, beside a long bound',
      { consistency: 'bounded' },
      { max_staleness: '5m' },
      bounded(5_000),
    ],
    ['a bound, beside strict', { max_staleness: '2s' }, { consistency: 'strict' }, bounded(2_000)],
    ['an empty table, beside strict', {}, { consistency: 'strict' }, bounded(5_000)],
  ])('replaces that of GATE whole: %s', (_, own, gate, terms) => {
    expect(rule(of(own, gate)).revocation).toEqual(terms)
  })

  it('is of that rule alone', () => {
    const { routes } = policy({
      ROUTES: [
        { ...CHAT, revocation: 'strict' },
        { ...CHAT, match: 'GET /a' },
        { match: 'GET /open', access: 'public' },
        { ...CHAT, match: 'GET /b', access: 'optional', revocation: { max_staleness: '1m' } },
      ],
    })
    expect(routes.map(({ revocation }) => revocation)).toEqual([
      strict(),
      bounded(5_000),
      bounded(5_000),
      bounded(60_000),
    ])
  })
})

describe('mistakes in revocation', () => {
  const WORDS = /Allowed: `strict`, `bounded`/
  it.each<[string, unknown, string, RegExp]>([
    ['another consistency', { consistency: 'eventual' }, '.consistency', WORDS],
    ['a consistency in capitals', { consistency: 'Strict' }, '.consistency', WORDS],
    ['no consistency', { consistency: '' }, '.consistency', WORDS],
    ['a consistency that is no text', { consistency: true }, '.consistency', /string/],
    ['a bound below a second', { max_staleness: '999ms' }, '.max_staleness', /at least 1s/],
    ['no bound', { max_staleness: '0s' }, '.max_staleness', /at least 1s/],
    ['a bound above five minutes', { max_staleness: '300001ms' }, '.max_staleness', /at most 300s/],
    ['a bound of an hour', { max_staleness: '1h' }, '.max_staleness', /at most 5m/],
    ['a bound without unit', { max_staleness: '5' }, '.max_staleness', /unit/],
    ['a bound that is a number', { max_staleness: 5 }, '.max_staleness', /"5s"/],
    ['a slip', { max_stalenes: '5s' }, '.max_stalenes', /did you mean `max_staleness`/],
    ['what is not there', { regions: 4 }, '.regions', /unknown key/],
    ['what every object has', { toString: 4 }, '.toString', /unknown key/],
    ['a list', [], '', /table/],
    ['a number', 5, '', /table/],
    ['null', null, '', /table/],
  ])('%s', (_, value, at, says) => {
    for (const [vars, path] of [
      [of(undefined, value), 'GATE'],
      [of(value), 'ROUTES[0]'],
    ] as const) {
      const [line, ...rest] = mistakes(vars)
      expect(rest).toEqual([])
      expect(line?.startsWith(`${path}.revocation${at}: `)).toBe(true)
      expect(line).toMatch(says)
    }
  })

  it('one word is for a rule alone, and only one of two', () => {
    expect(mistakes(of(undefined, 'strict'))).toEqual(['GATE.revocation: must be a table'])
    for (const word of ['eventual', '', 'STRICT', '5s']) {
      expect(mistakes(of(word))).toEqual([
        'ROUTES[0].revocation: must be `strict`, `bounded` or a table',
      ])
    }
  })

  it('all of a table at once', () => {
    expect(mistakes(of({ consistency: 'x', max_staleness: '1d', shards: 4 })).length).toBe(3)
  })
})

it('the policy that is shown says the terms of GATE and of each rule, and reads the same again', () => {
  const made = policy({
    GATE: {
      ...GATE,
      revocation: {
        consistency: 'strict',
        max_staleness: '10s',
        locations: ['weur', 'eeur'],
        jurisdiction: 'eu',
      },
    },
    ROUTES: [CHAT, { ...CHAT, match: 'GET /a', revocation: { max_staleness: '90s' } }],
  })
  const { gate, routes } = showPolicy(made)
  expect(gate.revocation).toEqual({
    consistency: 'strict',
    max_staleness: '10s',
    shards: 4,
    locations: ['weur', 'eeur'],
    jurisdiction: 'eu',
  })
  expect(routes.map(({ revocation }) => revocation)).toEqual([
    { consistency: 'strict', max_staleness: '10s' },
    { consistency: 'bounded', max_staleness: '90s' },
  ])
  const again = policy(of(routes[1]?.revocation, gate.revocation))
  expect([again.gate.revocation, again.gate.placement, again.routes[0]?.revocation]).toEqual([
    made.gate.revocation,
    made.gate.placement,
    made.routes[1]?.revocation,
  ])
})
