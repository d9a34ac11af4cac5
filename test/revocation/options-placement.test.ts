import { describe, expect, it } from 'vitest'
import { JURISDICTIONS, LOCATIONS } from '../../src/gate/model/revocation.ts'
import { CHAT, GATE, mistakes, parse, policy, type Vars } from '../policy/support.ts'

const gate = (revocation?: unknown): Vars => ({
  GATE: { ...GATE, ...(revocation !== undefined && { revocation }) },
})
const own = (revocation: unknown): Vars => ({ ROUTES: [{ ...CHAT, revocation }] })

describe('where the set is kept', () => {
  const placed = (written?: object) => policy(gate(written)).gate.placement

  it.each<[string, object | undefined, object]>([
    ['nothing', undefined, { shards: 4, locations: [] }],
    ['an empty table', {}, { shards: 4, locations: [] }],
    ['the terms alone', { consistency: 'strict' }, { shards: 4, locations: [] }],
    ['the fewest shards', { shards: 1 }, { shards: 1, locations: [] }],
    ['the most shards', { shards: 64 }, { shards: 64, locations: [] }],
    ['a place twice', { locations: ['weur', 'weur'] }, { shards: 4, locations: ['weur', 'weur'] }],
    ['every place, in order', { locations: LOCATIONS }, { shards: 4, locations: LOCATIONS }],
    [
      'everything',
      { shards: 2, locations: ['apac-ne'], jurisdiction: 'eu' },
      { shards: 2, locations: ['apac-ne'], jurisdiction: 'eu' },
    ],
    ...JURISDICTIONS.map((jurisdiction): [string, object, object] => [
      jurisdiction,
      { jurisdiction },
      { shards: 4, locations: [], jurisdiction },
    ]),
  ])('%s: %j', (_, written, placement) => {
    expect(placed(written)).toEqual(placement)
  })

  it('cannot be changed', () => {
    for (const placement of [placed(), placed({ locations: ['weur'] })]) {
      expect([placement, placement.locations].every(Object.isFrozen)).toBe(true)
    }
  })

  it.each<[string, unknown, string]>([
    ...[0, -1, 65, 1.5, '4', Number.NaN, Number.POSITIVE_INFINITY, null, true, [4]].map(
      (shards): [string, unknown, string] => [
        `shards: ${JSON.stringify(shards)}`,
        { shards },
        'shards: must be a whole number from 1 to 64',
      ],
    ),
    ['no places', { locations: [] }, 'locations: must not be an empty list'],
    ['a place that is not a list', { locations: 'weur' }, 'locations: must be a list'],
    ['a place that is no text', { locations: ['weur', 1] }, 'locations[1]: must be a string'],
    [
      'a place in capitals',
      { locations: ['enam', 'WEUR'] },
      'locations[1]: unknown value `WEUR`; did you mean `weur`?',
    ],
    ['no such place', { locations: ['europe'] }, 'locations[0]: unknown value `europe`. Allowed: '],
    [
      'a city',
      { locations: ['CDG'] },
      'locations[0]: unknown value `CDG`. Allowed: `wnam`, `enam`',
    ],
    ['a jurisdiction as a place', { locations: ['eu'] }, 'locations[0]: unknown value `eu`'],
    [
      'no such jurisdiction',
      { jurisdiction: 'de' },
      'jurisdiction: unknown value `de`. Allowed: `eu`, `us`, `fedramp`, `fedramp-high`',
    ],
    ['no jurisdiction', { jurisdiction: '' }, 'jurisdiction: unknown value'],
    ['jurisdictions', { jurisdiction: ['eu'] }, 'jurisdiction: must be a string'],
    [
      'a slip',
      { location: ['weur'] },
      'location: unknown key `location`; did you mean `locations`?',
    ],
  ])('is a mistake: %s', (_, written, says) => {
    const lines = mistakes(gate(written))
    expect(lines).toEqual([expect.stringContaining(`GATE.revocation.${says}`)])
  })

  it.each(['shards', 'locations', 'jurisdiction'])(
    'is no matter of a rule: %s, whatever it says',
    (key) => {
      for (const value of [4, ['weur'], 'eu', 'x']) {
        expect(mistakes(own({ [key]: value }))).toEqual([
          `ROUTES[0].revocation.${key}: \`${key}\` belongs into GATE.revocation`,
        ])
      }
    },
  )

  it('stays where it is when a rule has terms of its own', () => {
    const made = policy({ ...gate({ shards: 2, jurisdiction: 'eu' }), ...own('strict') })
    expect(made.gate.placement).toEqual({ shards: 2, locations: [], jurisdiction: 'eu' })
    expect(made.routes[0]?.revocation.consistency).toBe('strict')
  })
})

describe('one shard beside strict rules', () => {
  const strictRule = { ...CHAT, revocation: 'strict' }
  const warned = (revocation: object, ...rules: readonly object[]) => {
    const parsed = parse({ GATE: { ...GATE, revocation }, ROUTES: rules })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
    return parsed.value.warnings.filter(({ path }) => path.startsWith('GATE'))
  }
  const ADVICE = [
    { path: 'GATE.revocation.shards', message: expect.stringMatching(/1,000 a second/) },
  ]

  it.each<[string, object, readonly object[], readonly object[]]>([
    ['strict for all', { shards: 1, consistency: 'strict' }, [CHAT], ADVICE],
    ['strict for one of two', { shards: 1 }, [{ ...CHAT, match: 'GET /a' }, strictRule], ADVICE],
    [
      'strict, with a token or without',
      { shards: 1 },
      [{ ...strictRule, access: 'optional' }],
      ADVICE,
    ],
    ['bounded', { shards: 1 }, [CHAT], []],
    ['two shards', { shards: 2, consistency: 'strict' }, [strictRule], []],
    ['as many as by default', { consistency: 'strict' }, [strictRule], []],
    ['no rule is', { shards: 1, consistency: 'strict' }, [{ ...CHAT, revocation: 'bounded' }], []],
    [
      'no token is read',
      { shards: 1, consistency: 'strict' },
      [{ match: 'GET /a', access: 'public' }],
      [],
    ],
  ])('%s', (_, revocation, rules, advice) => {
    expect(warned(revocation, ...rules)).toEqual(advice)
  })
})
