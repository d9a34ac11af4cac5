import { describe, expect, it } from 'vitest'
import {
  type AssertionKey,
  nextChange,
  type Plan,
  type PublicKey,
  planOf,
  TIMES,
  type Wanted,
} from '../../../src/adapters/assertions/plan.ts'
import type { AssertionAlgorithm } from '../../../src/model/assertion.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const keyOf = (kid: string, algorithm: AssertionAlgorithm = 'ES256'): PublicKey => ({
  kid,
  algorithm,
  jwk: { kty: 'EC', kid },
})
const A = keyOf('a')
const B = keyOf('b')
const made = (algorithm: AssertionAlgorithm = 'ES256'): Wanted => ({ algorithm, brought: [] })
const brought = (...keys: readonly PublicKey[]): Wanted => ({ algorithm: 'ES256', brought: keys })

/** What a keeper holds, asked over time; it makes keys `m1`, `m2` and so on. */
const keeper = () => {
  let keys: readonly AssertionKey[] = []
  let count = 0
  return {
    get count() {
      return count
    },
    next: (now: number) => nextChange(keys, now),
    ask(wanted: Wanted, now: number) {
      let plan: Plan = planOf(keys, wanted, now)
      if (plan.make !== undefined) {
        const kid = `m${++count}`
        const key = {
          ...keyOf(kid, wanted.algorithm),
          privateJwk: { d: kid },
          signsFrom: plan.make,
        }
        plan = planOf([...plan.keys, key], wanted, now)
      }
      expect(plan.make).toBeUndefined()
      keys = plan.keys
      const { signer } = plan
      return { signs: signer?.kid, published: keys.map(({ kid }) => kid), signer }
    },
  }
}

type Step = readonly [at: number, wanted: Wanted, signs: string, published: readonly string[]]

const STORIES: Readonly<Record<string, readonly Step[]>> = {
  'a made key signs at once, since there is no other': [[0, made(), 'm1', ['m1']]],
  'the next one is published an hour before the thirty days are over': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR - 1, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY - 1, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
  ],
  'the one before is published on for an hour and two minutes': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + 62 * MINUTE - 1, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + 62 * MINUTE, made(), 'm2', ['m2']],
  ],
  'a rotation that nobody asked for in time is not hurried': [
    [0, made(), 'm1', ['m1']],
    [90 * DAY, made(), 'm1', ['m1', 'm2']],
    [90 * DAY + HOUR - 1, made(), 'm1', ['m1', 'm2']],
    [90 * DAY + HOUR, made(), 'm2', ['m1', 'm2']],
  ],
  'every thirty days anew': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
    [60 * DAY - HOUR, made(), 'm2', ['m2', 'm3']],
    [60 * DAY, made(), 'm3', ['m2', 'm3']],
  ],
  'the first of brought keys signs at once where nobody has seen another': [
    [0, brought(A, B), 'a', ['a', 'b']],
  ],
  'brought keys wait an hour where others are held': [
    [0, made(), 'm1', ['m1']],
    [DAY, brought(A, B), 'm1', ['m1', 'a', 'b']],
    [DAY + HOUR - 1, brought(A, B), 'm1', ['m1', 'a', 'b']],
    [DAY + HOUR, brought(A, B), 'a', ['m1', 'a', 'b']],
    [DAY + HOUR + 62 * MINUTE, brought(A, B), 'a', ['a', 'b']],
  ],
  'a brought key that is added waits, and the one that is there signs': [
    [0, brought(A), 'a', ['a']],
    [DAY, brought(B, A), 'a', ['a', 'b']],
    [DAY + HOUR, brought(B, A), 'b', ['a', 'b']],
    [DAY + 2 * HOUR, brought(B), 'b', ['a', 'b']],
    [DAY + 3 * HOUR + 2 * MINUTE, brought(B), 'b', ['b']],
  ],
  'one that is in the place of another signs at once: nobody else has a private key': [
    [0, brought(A), 'a', ['a']],
    [DAY, brought(B), 'b', ['a', 'b']],
    [DAY + 62 * MINUTE, brought(B), 'b', ['b']],
  ],
  'made, brought and made again, within the hour, is one key': [
    [0, made(), 'm1', ['m1']],
    [DAY, brought(A), 'm1', ['m1', 'a']],
    [DAY + HOUR, brought(A), 'a', ['m1', 'a']],
    [DAY + HOUR + 30 * MINUTE, made(), 'm1', ['m1', 'a']],
    [DAY + HOUR + 92 * MINUTE, made(), 'm1', ['m1']],
  ],
  'and later another': [
    [0, made(), 'm1', ['m1']],
    [DAY, brought(A), 'm1', ['m1', 'a']],
    [DAY + HOUR, brought(A), 'a', ['m1', 'a']],
    [9 * DAY, brought(A), 'a', ['a']],
    [10 * DAY, made(), 'm2', ['a', 'm2']],
    [10 * DAY + 62 * MINUTE, made(), 'm2', ['m2']],
  ],
  'another algorithm is a rotation': [
    [0, made(), 'm1', ['m1']],
    [DAY, made('EdDSA'), 'm1', ['m1', 'm2']],
    [DAY + HOUR - 1, made('EdDSA'), 'm1', ['m1', 'm2']],
    [DAY + HOUR, made('EdDSA'), 'm2', ['m1', 'm2']],
    [DAY + HOUR + 62 * MINUTE, made('EdDSA'), 'm2', ['m2']],
  ],
  'and back again while both are there makes no third': [
    [0, made(), 'm1', ['m1']],
    [DAY, made('EdDSA'), 'm1', ['m1', 'm2']],
    [DAY + HOUR, made('EdDSA'), 'm2', ['m1', 'm2']],
    [DAY + HOUR + MINUTE, made(), 'm1', ['m1', 'm2']],
    [DAY + 2 * HOUR, made('EdDSA'), 'm2', ['m1', 'm2']],
  ],
}

describe('the keys over time', () => {
  it.each(Object.entries(STORIES))('%s', (_, steps) => {
    const keys = keeper()
    const told = steps.map(([at, wanted]) => {
      const { signs, published } = keys.ask(wanted, at)
      return [at, wanted, signs, published]
    })
    expect(told).toEqual(steps)
  })

  it('have times that origins and isolates can live with', () => {
    expect(TIMES).toEqual({ ahead: HOUR, after: 62 * MINUTE, rotation: 30 * DAY })
  })
})

describe('two deployments that want different keys', () => {
  const PAIRS: readonly (readonly [string, Wanted, Wanted, number])[] = [
    ['made and brought', made(), brought(A), 1],
    ['two algorithms', made(), made('EdDSA'), 2],
    ['two brought ones', brought(A), brought(B), 0],
  ]

  it.each(PAIRS)(
    'make none anew while both ask, and each has its own: %s',
    (_, one, other, most) => {
      const keys = keeper()
      keys.ask(one, 0)
      keys.ask(other, 1)
      const signers = [new Set<string>(), new Set<string>()]
      for (let now = 2 * HOUR; now < 2 * DAY; now += 5 * MINUTE) {
        const told = [keys.ask(one, now), keys.ask(other, now + 1)]
        for (const [i, { signs = '', published }] of told.entries()) {
          signers[i]?.add(signs)
          // Whatever either signs with is published to the origins of both.
          expect(published).toContain(signs)
          expect(published).toEqual(expect.arrayContaining([...signers].flatMap((one) => [...one])))
        }
      }
      expect(keys.count).toBe(most)
      expect(signers.map(({ size }) => size)).toEqual([1, 1])
      expect([...(signers[0] ?? [])]).not.toEqual([...(signers[1] ?? [])])
    },
  )
})

describe('the next change', () => {
  it('is each of those that the keys bring by themselves', () => {
    const keys = keeper()
    keys.ask(made(), 0)
    expect(keys.next(0)).toBe(30 * DAY - HOUR)
    keys.ask(made(), 30 * DAY - HOUR)
    expect(keys.next(30 * DAY - HOUR)).toBe(30 * DAY)
    keys.ask(made(), 30 * DAY)
    expect(keys.next(30 * DAY)).toBe(30 * DAY + 62 * MINUTE)
    keys.ask(made(), 30 * DAY + 62 * MINUTE)
    expect(keys.next(30 * DAY + 62 * MINUTE)).toBe(60 * DAY - HOUR)
  })

  it('is when a brought key may sign', () => {
    const keys = keeper()
    keys.ask(made(), 0)
    keys.ask(brought(A), DAY)
    expect(keys.next(DAY)).toBe(DAY + HOUR)
  })

  it('comes at last, where nothing is going to change', () => {
    const keys = keeper()
    keys.ask(brought(A), 0)
    expect(keys.next(0)).toBe(30 * DAY)
  })
})

it('a plan has private keys only where they were made', () => {
  const keys = keeper()
  keys.ask(made(), 0)
  const { signer } = keys.ask(brought(A), DAY)
  expect(signer).toHaveProperty('privateJwk')
  expect(keys.ask(brought(A), DAY + HOUR).signer).not.toHaveProperty('privateJwk')
})
