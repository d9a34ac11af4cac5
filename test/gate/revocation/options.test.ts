import { describe, expect, it } from 'vitest'
import { LOCATIONS } from '../../../src/gate/model/revocation.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { CHAT, GATE, mistakes, parse, policy, rule, type Vars } from '../policy/support.ts'

/** The rule's own terms, and those of GATE. */
const of = (own?: unknown, gate?: unknown): Vars => ({
  GATE: { ...GATE, ...(gate !== undefined && { revocation: gate }) },
  ROUTES: [{ ...CHAT, ...(own !== undefined && { revocation: own }) }],
})

const bounded = (maxStaleness = 5_000) => ({ consistency: 'bounded', maxStaleness })
const strict = (maxStaleness = 5_000) => ({ consistency: 'strict', maxStaleness })

it.each<[unknown, object]>([
  [undefined, bounded()],
  [{ consistency: 'strict' }, strict()],
  [{ max_staleness: '1s' }, bounded(1_000)],
  [{ max_staleness: '1500ms' }, bounded(1_500)],
  [{ max_staleness: '5m' }, bounded(300_000)],
])('GATE.revocation %j is for all rules', (gate, terms) => {
  const made = policy(of(undefined, gate))
  expect(made.gate.revocation).toEqual(terms)
  expect(made.routes.map(({ revocation }) => revocation)).toEqual([terms])
})

it.each<[unknown, unknown, object]>([
  ['strict', undefined, strict()],
  ['bounded', { consistency: 'strict', max_staleness: '5m' }, bounded()],
  [{ max_staleness: '2s' }, { consistency: 'strict' }, bounded(2_000)],
  [{ consistency: 'bounded' }, { max_staleness: '5m' }, bounded()],
  [{}, { consistency: 'strict' }, bounded()],
])("a rule's revocation %j replaces that of GATE whole: %j", (own, gate, terms) => {
  expect(rule(of(own, gate)).revocation).toEqual(terms)
  const { routes } = policy({
    ROUTES: [
      { ...CHAT, revocation: own },
      { ...CHAT, match: 'GET /a' },
    ],
  })
  expect(routes.map(({ revocation }) => revocation)).toEqual([terms, bounded()])
})

const WORDS = /Allowed: `strict`, `bounded`/
it.each<[unknown, string, RegExp]>([
  [{ consistency: 'Strict' }, '.consistency', WORDS],
  [{ consistency: true }, '.consistency', /must be one of .strict., .bounded.$/],
  [{ max_staleness: '999ms' }, '.max_staleness', /at least 1s/],
  [{ max_staleness: '300001ms' }, '.max_staleness', /at most 300s/],
  [{ max_staleness: '1h' }, '.max_staleness', /at most 5m/],
  [{ max_staleness: '5' }, '.max_staleness', /unit/],
  [{ max_staleness: 5 }, '.max_staleness', /"5s"/],
  [{ max_stalenes: '5s' }, '.max_stalenes', /did you mean `max_staleness`/],
  [{ toString: 4 }, '.toString', /unknown key/],
  [[], '', /table/],
  [null, '', /table/],
])('revocation %j is a mistake in GATE and in a rule', (value, at, says) => {
  for (const [vars, path] of [
    [of(undefined, value), 'GATE'],
    [of(value), 'ROUTES[0]'],
  ] as const) {
    const found = mistakes(vars)
    expect(found).toEqual([expect.stringMatching(says)])
    expect(found[0]?.startsWith(`${path}.revocation${at}: `)).toBe(true)
  }
})

it('takes one word for a rule alone, and only one of two', () => {
  expect(mistakes(of(undefined, 'strict'))).toEqual(['GATE.revocation: must be a table'])
  for (const word of ['eventual', 'STRICT', '5s']) {
    expect(mistakes(of(word))).toEqual([
      'ROUTES[0].revocation: must be `strict`, `bounded` or a table',
    ])
  }
})

describe('where the set is kept', () => {
  const placed = (written?: object) => policy(of(undefined, written)).gate.placement

  it.each<[object | undefined, object]>([
    [undefined, { shards: 4, locations: [] }],
    [{ consistency: 'strict' }, { shards: 4, locations: [] }],
    [{ shards: 64 }, { shards: 64, locations: [] }],
    [{ locations: ['weur', 'weur'] }, { shards: 4, locations: ['weur', 'weur'] }],
    [{ locations: LOCATIONS }, { shards: 4, locations: LOCATIONS }],
    [{ jurisdiction: 'eu' }, { shards: 4, locations: [], jurisdiction: 'eu' }],
  ])('is said by %j', (written, placement) => {
    expect(placed(written)).toEqual(placement)
    expect([placed(written), placed(written).locations].every(Object.isFrozen)).toBe(true)
  })

  const NUMBER = 'shards: must be a whole number from 1 to 64'
  it.each<[object, string]>([
    ...[0, 65, 1.5, '4', null].map((shards): [object, string] => [{ shards }, NUMBER]),
    [{ locations: [] }, 'locations: must not be an empty list'],
    [{ locations: ['enam', 'WEUR'] }, 'locations[1]: unknown value `WEUR`; did you mean `weur`?'],
    [{ locations: ['CDG'] }, 'locations[0]: unknown value `CDG`. Allowed: `wnam`, `enam`'],
    [{ jurisdiction: 'de' }, 'jurisdiction: unknown value `de`. Allowed: `eu`, `us`, `fedramp`, '],
    [{ location: ['weur'] }, 'location: unknown key `location`; did you mean `locations`?'],
  ])('is a mistake as %j', (written, says) => {
    const lines = mistakes(of(undefined, written))
    expect(lines).toEqual([expect.stringContaining(`GATE.revocation.${says}`)])
  })

  it.each(['shards', 'locations', 'jurisdiction'])('is not for a rule to say: %s', (key) => {
    for (const value of [4, ['weur'], 'x']) {
      expect(mistakes(of({ [key]: value }))).toEqual([
        `ROUTES[0].revocation.${key}: \`${key}\` belongs into GATE.revocation`,
      ])
    }
  })
})

it.each<[boolean, object, object]>([
  [true, { shards: 1, consistency: 'strict' }, {}],
  [true, { shards: 1 }, { revocation: 'strict' }],
  [true, { shards: 1 }, { revocation: 'strict', access: 'optional' }],
  [false, { shards: 1 }, {}],
  [false, { shards: 2, consistency: 'strict' }, { revocation: 'strict' }],
  [false, { shards: 1, consistency: 'strict' }, { revocation: 'bounded' }],
])('warns (%s) of one shard beside strict rules: %j with %j', (isWarned, revocation, own) => {
  const parsed = parse({ GATE: { ...GATE, revocation }, ROUTES: [{ ...CHAT, ...own }] })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  const found = parsed.value.warnings.filter(({ path }) => path === 'GATE.revocation.shards')
  const message = expect.stringMatching(/1,000 a second/)
  expect(found).toMatchObject(isWarned ? [{ message }] : [])
})

it('shows the terms of GATE and of each rule, and reads the same again', () => {
  const placement = { shards: 4, locations: ['weur', 'eeur'], jurisdiction: 'eu' }
  const revocation = { consistency: 'strict', max_staleness: '10s', ...placement }
  const made = policy({
    GATE: { ...GATE, revocation },
    ROUTES: [CHAT, { ...CHAT, match: 'GET /a', revocation: { max_staleness: '90s' } }],
  })
  const { gate, routes } = showPolicy(made)
  expect(gate.revocation).toEqual(revocation)
  expect(routes.map((one) => one.revocation)).toEqual([
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
