import { expect, it } from 'vitest'
import { isSoak } from '../kit/property.ts'
import { stepsOf } from '../kit/steps.ts'
import { growths, loadWorld } from './growth.ts'
import { BASES, ENTRIES, type Entry, headerEntry } from './growth-entries.ts'

const { world, gate } = await loadWorld({ isCounted: true })

/** More than the texts that are remembered. */
const LENGTH = 600
/** Steps for each character of a text of twice the length: what needs no second look, and what is too much. */
const STEPS = { few: 200, most: 1_100 }

/**
 * Of which texts one is tried here, and all in soak: of single tokens, and of pairs. Entries with the same tokens begin at
 * different ones, so that what they share reads most of them.
 */
const EACH = isSoak() ? { alone: 1, pair: 1 } : { alone: 3, pair: 23 }
let begin = 0
const tried = (entry: Entry) => {
  let [alone, pair] = [begin, begin++]
  return [...growths(entry)].filter(({ isAlone }) =>
    isAlone ? alone++ % EACH.alone === 0 : pair++ % EACH.pair === 0,
  )
}

const steps = (entry: Entry, text: string): Promise<number> => {
  const sent = entry.send(text, world)
  return stepsOf(() => gate.ask(sent))
}

/** What takes more than linear time, or too many steps for each character. */
const faultsOf = async (entry: Entry): Promise<readonly string[]> => {
  const faults: string[] = []
  const bases = new Map<string, number>()
  await gate.ask(entry.send('', world))
  for (const { label, at } of tried(entry)) {
    const base = bases.get(at(0)) ?? (await steps(entry, at(0)))
    bases.set(at(0), base)
    const more = (await steps(entry, at(2 * LENGTH))) - base
    if (more <= 2 * LENGTH * STEPS.few) continue
    const less = (await steps(entry, at(LENGTH))) - base
    if (more > 2.3 * less || more > 2 * LENGTH * STEPS.most)
      faults.push(`${label}: ${less} steps, ${more} of twice the length`)
  }
  return faults
}

it.each(ENTRIES)('$name takes time that is linear in its length', async (entry) => {
  expect(await faultsOf(entry)).toEqual([])
})

it('each header that the gate reads takes time that is linear in its length', async () => {
  const read = new Map<string, string>()
  for (const [base, sent] of Object.entries(BASES)) {
    for (const name of await gate.namesRead(sent(world))) if (!read.has(name)) read.set(name, base)
  }
  expect(read.size).toBeGreaterThan(20)
  const faults: string[] = []
  for (const [name, base] of read) faults.push(...(await faultsOf(headerEntry(name, base))))
  expect(faults).toEqual([])
})
