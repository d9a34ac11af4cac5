import { describe, expect, it } from 'vitest'
import type { LargeSet } from '../../dev/bench/revocation-set.ts'
import { measureRevocations, sizeOf } from '../../dev/bench/revocation-size.ts'

const pulled = (ms: number, own = 0) => ({
  ms,
  own,
  pages: 10,
  held: 1_000_000,
  bytes: 16_777_216,
})

/** A round in which everything takes so many milliseconds or nanoseconds. */
const round = (time: number) => ({
  unpacked: pulled(time),
  packed: pulled(time / 2, time / 4),
  lookup: { hit: time + 0.4, miss: time + 1 },
  strict: { miss: time / 1e3, hit: time / 1e3 + 0.001, call: time / 1e2 },
  changes: [time / 1e3, time / 1e2, time / 10],
})

const size = sizeOf(
  [round(400), round(9_000), round(200), round(500), round(300)],
  1_000_000,
  475_578_368,
)

describe('what a large set costs', () => {
  it('are medians over the rounds', () => {
    expect(size).toEqual({
      entries: 1_000_000,
      copyBytes: 16_777_216,
      storedBytes: 475_578_368,
      lookup: { hit: 400, miss: 401 },
      first: { pages: 10, unpacked: 400, packed: 200, own: 100 },
      changes: [
        { count: 0, ms: 0.4 },
        { count: 100, ms: 4 },
        { count: 10_000, ms: 40 },
      ],
      strict: { miss: 400, hit: 401, call: 4000 },
    })
  })
})

/** A set whose numbers are kept, and whose copies hold so many entries. */
const createSet = (held: number) => {
  const revoked = { first: 0, end: 999_999 }
  const answers: Readonly<Record<string, (...numbers: readonly number[]) => unknown>> = {
    all: () => ({ ...pulled(100), held }),
    changes: () => ({ ...pulled(1), held }),
    search: () => ({ hit: 100, miss: 100 }),
    stored: () => 1,
    strict(first, end) {
      expect({ first, end }).toEqual(revoked)
      return { miss: 1, hit: 1, call: 1 }
    },
    replace(lifted, made, count = 0) {
      expect([lifted, made]).toEqual([revoked.first, revoked.end])
      revoked.first += count
      revoked.end += count
    },
  }
  const ask = async <Result>(task: string, ...numbers: readonly number[]) =>
    answers[task]?.(...numbers) as Result
  const nothing = async () => undefined
  const set: LargeSet = {
    entries: 1_000_000,
    disk: '',
    filledIn: 0,
    ask,
    stop: nothing,
    remove: nothing,
  }
  return { set, replaced: () => revoked.first }
}

describe('measuring', () => {
  it('lifts what is there, adds what is not, and keeps the size', async () => {
    const { set, replaced } = createSet(1_000_000)
    await measureRevocations(set)
    expect(replaced()).toBeGreaterThan(0)
  })

  it('fails where a copy is not whole', async () => {
    await expect(measureRevocations(createSet(999_999).set)).rejects.toThrow('999999')
  })
})
