import { describe, expect, it } from 'vitest'
import { createRevocationSet, eachHash } from '../../../src/gate/revocation/set.ts'

/** Chance that is the same in each run. */
const createChance = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const hashOf = (first: number, second: number): Uint8Array =>
  new Uint8Array(new Uint32Array([first, second]).buffer)

describe('a set of hashes', () => {
  // The first half says where a hash belongs: few of them, or all at the end, make the longest rows.
  it.each([
    ['spread out', 2 ** 32, 0],
    ['in a few places', 50, 0],
    ['around the end', 8, 1_020],
  ])('is right after many changes to hashes %s', (_, places, from) => {
    const chance = createChance(7)
    const set = createRevocationSet()
    const pool = Array.from({ length: 2_000 }, () => hashOf(from + chance(places), chance(2 ** 32)))
    const model = new Set<Uint8Array>()
    const wrong: number[] = []
    for (let round = 0; round < 20_000; round++) {
      const hash = pool[chance(pool.length)] as Uint8Array
      // More come than go, then more go than come.
      if (chance(10) < (round < 10_000 ? 7 : 3)) {
        set.add(hash, 0)
        model.add(hash)
      } else {
        set.delete(hash, 0)
        model.delete(hash)
      }
      if (set.size !== model.size) wrong.push(round)
    }
    expect(wrong).toEqual([])
    expect(model.size).toBeGreaterThan(300)
    expect(pool.filter((hash) => set.has(hash, 0) !== model.has(hash))).toEqual([])
  })

  it('takes 24 bytes a hash at most, at every size', () => {
    const chance = createChance(3)
    const set = createRevocationSet()
    let most = 0
    for (let count = 1; count <= 20_000; count++) {
      set.add(hashOf(chance(2 ** 32), count), 0)
      if (count > 500) most = Math.max(most, set.bytes / set.size)
    }
    expect(set.size).toBe(20_000)
    expect(most).toBeLessThan(24)
  })
})

describe('a list of hashes', () => {
  it('is refused whole where it is cut off', () => {
    const seen: number[] = []
    expect(() => eachHash(new Uint8Array(23), (at) => seen.push(at))).toThrow('cut off')
    expect(seen).toEqual([])
  })
})
