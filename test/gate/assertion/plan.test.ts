import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Kept,
  nextChange,
  type Plan,
  type PublicKey,
  planOf,
  type Wanted,
} from '../../../src/gate/assertion/plan.ts'
import type { KeyAlgorithm } from '../../../src/gate/model/assertion.ts'
import { tries } from '../../kit/property.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const keyOf = (kid: string, algorithm: KeyAlgorithm = 'ES256'): PublicKey => ({
  kid,
  algorithm,
  jwk: { kty: 'EC', kid },
})
const A = keyOf('a')
const B = keyOf('b')
const C = keyOf('c')
const made = (algorithm: KeyAlgorithm = 'ES256'): Wanted => ({ algorithm, operatorKeys: [] })
const operators = (...keys: readonly PublicKey[]): Wanted => ({
  algorithm: 'ES256',
  operatorKeys: keys,
})
const without = (wanted: Wanted, ...withdrawn: readonly string[]): Wanted => ({
  ...wanted,
  withdrawn,
})

/** What a service holds, asked over time; it makes keys `m1`, `m2` and so on. */
const service = () => {
  let kept: Kept = { keys: [], withdrawn: [] }
  let count = 0
  return {
    get count() {
      return count
    },
    get withdrawn() {
      return kept.withdrawn
    },
    next: (now: number) => nextChange(kept.keys, now),
    ask(wanted: Wanted, now: number) {
      let plan: Plan = planOf(kept, wanted, now)
      if (plan.make !== undefined) {
        const kid = `m${++count}`
        const key = {
          ...keyOf(kid, wanted.algorithm),
          privateJwk: { d: kid },
          signsFrom: plan.make,
        }
        plan = planOf({ ...plan, keys: [...plan.keys, key] }, wanted, now)
      }
      expect(plan.make).toBeUndefined()
      const { keys, withdrawn, signer } = plan
      kept = { keys, withdrawn }
      return { signs: signer?.kid, published: keys.map(({ kid }) => kid), signer }
    },
  }
}

type Step = readonly [at: number, wanted: Wanted, signs: string, published: readonly string[]]

const STORIES: Readonly<Record<string, readonly Step[]>> = {
  'a made key signs at once, since there is no other': [[0, made(), 'm1', ['m1']]],
  'the next one is published an hour ahead, and the one before for an hour and two minutes': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR - 1, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY - 1, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + 62 * MINUTE - 1, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + 62 * MINUTE, made(), 'm2', ['m2']],
    [60 * DAY - HOUR, made(), 'm2', ['m2', 'm3']],
  ],
  'a rotation that nobody asked for in time is not hurried': [
    [0, made(), 'm1', ['m1']],
    [90 * DAY, made(), 'm1', ['m1', 'm2']],
    [90 * DAY + HOUR - 1, made(), 'm1', ['m1', 'm2']],
    [90 * DAY + HOUR, made(), 'm2', ['m1', 'm2']],
  ],
  'the first of brought keys signs at once where nobody has seen another': [
    [0, operators(A, B), 'a', ['a', 'b', 'm1']],
  ],
  'brought keys wait an hour where others are held': [
    [0, made(), 'm1', ['m1']],
    [DAY, operators(A, B), 'm1', ['m1', 'a', 'b']],
    [DAY + HOUR - 1, operators(A, B), 'm1', ['m1', 'a', 'b']],
    [DAY + HOUR, operators(A, B), 'a', ['m1', 'a', 'b']],
    [DAY + HOUR + 62 * MINUTE, operators(A, B), 'a', ['m1', 'a', 'b']],
  ],
  'a brought key that is added waits, and the one that is there signs': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, operators(B, A), 'a', ['a', 'm1', 'b']],
    [DAY + HOUR, operators(B, A), 'b', ['a', 'm1', 'b']],
    [DAY + 2 * HOUR, operators(B), 'b', ['a', 'm1', 'b']],
    [DAY + 3 * HOUR + 2 * MINUTE, operators(B), 'b', ['m1', 'b']],
  ],
  'one that is in the place of another waits, and the made one that stands by signs': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, operators(B), 'm1', ['a', 'm1', 'b']],
    [DAY + HOUR - 1, operators(B), 'm1', ['a', 'm1', 'b']],
    [DAY + HOUR, operators(B), 'b', ['a', 'm1', 'b']],
    [DAY + HOUR + 2 * MINUTE, operators(B), 'b', ['m1', 'b']],
  ],
  'and where that one is new itself, origins have still seen it before': [
    [0, operators(A), 'a', ['a', 'm1']],
    [30 * MINUTE, operators(B), 'm1', ['a', 'm1', 'b']],
    [90 * MINUTE, operators(B), 'b', ['a', 'm1', 'b']],
  ],
  'the made one that stands by is published before it signs, when the brought ones are gone': [
    [0, operators(A), 'a', ['a', 'm1']],
    [10 * DAY, made(), 'm1', ['a', 'm1']],
    [10 * DAY + 62 * MINUTE, made(), 'm1', ['m1']],
    [30 * DAY, made(), 'm1', ['m1', 'm2']],
    [30 * DAY + HOUR, made(), 'm2', ['m1', 'm2']],
  ],
  'it is replaced every thirty days, published ahead, and the one before retired': [
    [0, operators(A), 'a', ['a', 'm1']],
    [30 * DAY - 1, operators(A), 'a', ['a', 'm1']],
    [30 * DAY, operators(A), 'a', ['a', 'm1', 'm2']],
    [30 * DAY + HOUR - 1, operators(A), 'a', ['a', 'm1', 'm2']],
    [30 * DAY + HOUR, operators(A), 'a', ['a', 'm1', 'm2']],
    [30 * DAY + HOUR + 62 * MINUTE, operators(A), 'a', ['a', 'm2']],
    [31 * DAY, made(), 'm2', ['a', 'm2']],
  ],
  'made, brought and made again, within the hour, is one key': [
    [0, made(), 'm1', ['m1']],
    [DAY, operators(A), 'm1', ['m1', 'a']],
    [DAY + HOUR, operators(A), 'a', ['m1', 'a']],
    [DAY + HOUR + 30 * MINUTE, made(), 'm1', ['m1', 'a']],
    [DAY + HOUR + 92 * MINUTE, made(), 'm1', ['m1']],
  ],
  'another algorithm is a rotation': [
    [0, made(), 'm1', ['m1']],
    [DAY, made('EdDSA'), 'm1', ['m1', 'm2']],
    [DAY + HOUR - 1, made('EdDSA'), 'm1', ['m1', 'm2']],
    [DAY + HOUR, made('EdDSA'), 'm2', ['m1', 'm2']],
    [DAY + HOUR + 62 * MINUTE, made('EdDSA'), 'm2', ['m2']],
  ],
  'and goes on with the one that signs, not with the one before that': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + 1, made('EdDSA'), 'm2', ['m1', 'm2', 'm3']],
    [30 * DAY + 62 * MINUTE, made('EdDSA'), 'm3', ['m2', 'm3']],
  ],
}

const LEAKS: Readonly<Record<string, readonly Step[]>> = {
  'the only made key: another one is made and signs at once': [
    [0, made(), 'm1', ['m1']],
    [DAY, without(made(), 'm1'), 'm2', ['m2']],
    [DAY + 30 * DAY - HOUR, without(made(), 'm1'), 'm2', ['m2', 'm3']],
  ],
  'and it does not come back, for nobody': [
    [0, made(), 'm1', ['m1']],
    [DAY, without(made(), 'm1'), 'm2', ['m2']],
    [DAY + 1, made(), 'm2', ['m2']],
    [DAY + 2, without(made(), 'm1'), 'm2', ['m2']],
    [2 * DAY, made(), 'm2', ['m2']],
  ],
  'the one that signs, while the next is published: that one signs at once': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY - MINUTE, without(made(), 'm1'), 'm2', ['m2']],
    [30 * DAY, without(made(), 'm1'), 'm2', ['m2']],
  ],
  'the one that signs, while the one before is still published: that one signs once more': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY, made(), 'm2', ['m1', 'm2']],
    [30 * DAY + MINUTE, without(made(), 'm2'), 'm1', ['m1', 'm3']],
    [30 * DAY + MINUTE + HOUR, without(made(), 'm2'), 'm3', ['m1', 'm3']],
  ],
  'one that does not sign': [
    [0, made(), 'm1', ['m1']],
    [30 * DAY - HOUR, made(), 'm1', ['m1', 'm2']],
    [30 * DAY - HOUR + 1, without(made(), 'm2'), 'm1', ['m1', 'm3']],
    [30 * DAY + 1, without(made(), 'm2'), 'm3', ['m1', 'm3']],
  ],
  'a brought one, with another in its place: the made one signs until that has been published': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, without(operators(B), 'a'), 'm1', ['m1', 'b']],
    [DAY + HOUR, without(operators(B), 'a'), 'b', ['m1', 'b']],
  ],
  'a brought one that a deployment still wants which does not know': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, without(operators(B), 'a'), 'm1', ['m1', 'b']],
    [DAY + 1, operators(A), 'm1', ['m1', 'b']],
    [DAY + 2, operators(A, C), 'm1', ['m1', 'b', 'c']],
    [DAY + HOUR + 2, operators(A, C), 'c', ['m1', 'b', 'c']],
  ],
  'all there are, of both kinds': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, without(operators(B), 'a', 'm1'), 'b', ['b', 'm2']],
  ],
  'the made one that stands by': [
    [0, operators(A), 'a', ['a', 'm1']],
    [DAY, without(operators(A), 'm1'), 'a', ['a', 'm2']],
    [2 * DAY, made(), 'm2', ['a', 'm2']],
  ],
}

const play = (steps: readonly Step[]) => {
  const keys = service()
  return steps.map(([at, wanted]) => {
    const { signs, published } = keys.ask(wanted, at)
    return [at, wanted, signs, published]
  })
}

describe('the keys over time', () => {
  it.each(Object.entries(STORIES))('%s', (_, steps) => {
    expect(play(steps)).toEqual(steps)
  })

  it('are told of before they sign, whatever is wanted, and whenever', () => {
    const wanted = fc.constantFrom(
      made(),
      made('EdDSA'),
      ...[[A], [B], [A, B], [B, A], [C, B]].map((keys) => operators(...keys)),
      { ...operators(C), algorithm: 'EdDSA' as const },
    )
    const pause = fc.constantFrom(1, MINUTE, 30 * MINUTE, HOUR, 62 * MINUTE, 3 * HOUR, 31 * DAY)
    fc.assert(
      fc.property(fc.array(fc.tuple(wanted, pause), { minLength: 2, maxLength: 12 }), (asked) => {
        const keys = service()
        let now = 0
        let before: readonly string[] | undefined
        for (const [one, ms] of asked) {
          const { signs = '', published } = keys.ask(one, now)
          expect(published).toContain(signs)
          if (before) expect(before).toContain(signs)
          expect(published.length).toBeLessThan(9)
          before = published
          now += ms
        }
      }),
      tries(100),
    )
  })
})

describe('a key is withdrawn', () => {
  it.each(Object.entries(LEAKS))('%s', (_, steps) => {
    expect(play(steps)).toEqual(steps)
  })

  it('and that is remembered of the last sixty-four, those of now among them', () => {
    const keys = service()
    const kids = Array.from({ length: 80 }, (_, i) => `x${i}`)
    for (const kid of kids) keys.ask(without(made(), 'x0', kid), 0)
    expect(keys.withdrawn).toHaveLength(64)
    expect(keys.withdrawn).toEqual([...kids.slice(-63, -1), 'x0', 'x79'])
  })
})

describe('two deployments that want different keys', () => {
  const PAIRS: readonly (readonly [string, Wanted, Wanted, number])[] = [
    ['made and brought', made(), operators(A), 1],
    ['two algorithms', made(), made('EdDSA'), 2],
    ['two brought ones', operators(A), operators(B), 1],
  ]

  it.each(PAIRS)(
    'make none anew while both ask, and each has its own: %s',
    (_, one, other, most) => {
      const keys = service()
      const signers = [new Set<string>(), new Set<string>()]
      for (let now = 0; now < 2 * DAY; now += 5 * MINUTE) {
        const told = [keys.ask(one, now), keys.ask(other, now + 1)]
        // Until then each waits for its own.
        if (now < 2 * HOUR) continue
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
    const keys = service()
    keys.ask(made(), 0)
    expect(keys.next(0)).toBe(30 * DAY - HOUR)
    keys.ask(made(), 30 * DAY - HOUR)
    expect(keys.next(30 * DAY - HOUR)).toBe(30 * DAY)
    keys.ask(made(), 30 * DAY)
    expect(keys.next(30 * DAY)).toBe(30 * DAY + 62 * MINUTE)
    keys.ask(made(), 30 * DAY + 62 * MINUTE)
    expect(keys.next(30 * DAY + 62 * MINUTE)).toBe(60 * DAY - HOUR)
  })

  it('is when the made key that stands by may sign, and when the next one is to be published', () => {
    const keys = service()
    keys.ask(operators(A), 0)
    expect(keys.next(0)).toBe(HOUR)
    keys.ask(operators(A), HOUR)
    expect(keys.next(HOUR)).toBe(30 * DAY)
  })
})
