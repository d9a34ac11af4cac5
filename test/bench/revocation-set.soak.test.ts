import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Pulled } from '../../dev/bench/contenders/revocation-copy.ts'
import { createLargeSet, type LargeSet } from '../../dev/bench/revocation-set.ts'

const ENTRIES = 2_000

let set: LargeSet
beforeAll(async () => {
  set = await createLargeSet(ENTRIES)
})
afterAll(() => set.remove())

it('is filled with what the set itself can tell, find, lift and add to', async () => {
  expect(await set.ask<Pulled>('all')).toMatchObject({ held: ENTRIES, pages: 1 })
  const times = { hit: expect.any(Number), miss: expect.any(Number) }
  expect(await set.ask('search')).toEqual(times)
  expect(await set.ask('strict', 0, ENTRIES - 1)).toEqual({ ...times, call: expect.any(Number) })
  await set.ask('replace', 0, ENTRIES - 1, 10)
  expect(await set.ask<Pulled>('changes')).toMatchObject({ held: ENTRIES })
  expect(await set.ask<Pulled>('all')).toMatchObject({ held: ENTRIES })
  expect(await set.ask('strict', 10, ENTRIES + 9)).toEqual({ ...times, call: expect.any(Number) })
})

it('fails where what is asked for is not so', async () => {
  // The token that the first lookup is about has been lifted.
  await expect(set.ask('strict', 0, ENTRIES - 1)).rejects.toThrow('the set is another')
  await expect(set.ask('replace', 0, ENTRIES, 1)).rejects.toThrow('was not revoked')
  await expect(set.ask('nothing')).rejects.toThrow('404')
})
