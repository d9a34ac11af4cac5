import { beforeEach, describe, expect, it } from 'vitest'
import { type Admission, ALWAYS, type Within } from '../../../src/gate/base/admission.ts'
import { chain, stage } from '../../../src/gate/base/chain.ts'
import { denials } from '../../../src/gate/base/denial.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'

const deny = denials({ odd: ['forbidden', 'The number is odd', 'Send an even one'] })

/** Names of the stages that ran. */
let ran: string[]
beforeEach(() => {
  ran = []
})

const named = stage({
  name: 'named',
  establishes: 'a name',
  denials: [deny],
  run({ path }: { readonly path: string }) {
    ran.push('named')
    return path === '' ? fail(deny('odd')) : ok({ name: path.slice(1) })
  },
})

const half = stage({
  name: 'half',
  establishes: 'the half of the number',
  denials: [deny],
  run({ n }: { readonly n: number }, { until }: { readonly until: number }) {
    ran.push('half')
    return n % 2 === 0
      ? { ...ok({ half: n / 2 }), within: { first: 3, last: until } }
      : fail(deny('odd'))
  },
})

const each = stage({
  name: 'each',
  establishes: 'what is so of one request',
  denials: [deny],
  run({ path, half }: { readonly path: string; readonly half: number }) {
    ran.push('each')
    return path === '/no' ? fail(deny('odd')) : ok({ both: `${path} ${half}` })
  },
})

const quarter = stage({
  name: 'quarter',
  establishes: 'the half of the half',
  denials: [],
  async run({ half }: { readonly half: number }, ports: { readonly within?: Within }) {
    await Promise.resolve()
    ran.push('quarter')
    return { ...ok({ quarter: half / 2 }), ...(ports.within && { within: ports.within }) }
  },
})

const last = stage({
  name: 'last',
  establishes: 'the admission is there',
  denials: [],
  run({ admission }: { readonly admission: Admission }) {
    ran.push('last')
    return ok({ seen: admission })
  },
})

const line = chain<{ readonly n: number; readonly path: string }>()
  .and(named)
  .by('n')
  .by('name')
  .once(half)
  .and(each)
  .once(quarter)
  .admitted()
  .and(last)

const watch = { now: () => 0, onError: () => {} }
const given = { n: 8, path: '/a' }
const ports = { until: 9 }

const run = async (facts = given, recall?: Parameters<typeof line.run>[3]) =>
  line.run(facts, ports, watch, recall)
const admissionIn = async (...with_: Parameters<typeof line.run>) => {
  const { outcome, known } = await line.run(...with_)
  if (outcome !== 'passed') throw new Error(outcome)
  return known.admission
}

describe('stages that are decided once', () => {
  it.each<[string, Within | undefined, Within]>([
    ['as the one says', undefined, { first: 3, last: 9 }],
    ['where the other begins later', { first: 4, last: 99 }, { first: 4, last: 9 }],
    ['where the other ends sooner', { first: 0, last: 7 }, { first: 3, last: 7 }],
    ['where the other is narrower', { first: 5, last: 6 }, { first: 5, last: 6 }],
    ['where the other holds always', ALWAYS, { first: 3, last: 9 }],
  ])('hold for as long as all of them do: %s', async (_, within, narrowest) => {
    const with_ = within ? { ...ports, within } : ports
    expect((await admissionIn(given, with_, watch)).within).toEqual(narrowest)
  })

  it('do not run where an admission is recalled; the others do, and all facts are there', async () => {
    const admission = await admissionIn(given, ports, watch)
    ran = []
    const again = await run({ n: 8, path: '/b' }, () => admission)
    expect(ran).toEqual(['named', 'each', 'last'])
    expect(again).toEqual({
      outcome: 'passed',
      // A fact it is found by is that of the admission: whoever recalls it has held them against each other.
      known: {
        n: 8,
        path: '/b',
        name: 'a',
        half: 4,
        both: '/b 4',
        quarter: 2,
        admission,
        seen: admission,
      },
      waits: {},
    })
    if (again.outcome === 'passed') expect(again.known.admission).toBe(admission)
  })

  it('after a stage that refuses add no facts, remembered or not', async () => {
    const admission = await admissionIn(given, ports, watch)
    const refused = { n: 8, path: '/no' }
    const factsOf = async (recall?: () => Admission) => {
      const { outcome, known } = await run(refused, recall as never)
      expect(outcome).toBe('denied')
      return Object.keys(known)
    }
    expect(await factsOf()).toEqual(['n', 'path', 'name', 'half'])
    expect((await factsOf(() => admission)).filter((name) => name !== 'admission')).toEqual([
      'n',
      'path',
      'name',
      'half',
    ])
  })
})
