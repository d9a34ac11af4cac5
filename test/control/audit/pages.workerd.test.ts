import fc from 'fast-check'
import { expect, it } from 'vitest'
import { END, merged } from '../../../src/control/audit/pages.ts'
import type { ShardPage } from '../../../src/control/audit/protocol.ts'
import { tries } from '../../kit/property.ts'
import { recordAt } from './record.ts'

const T = Date.UTC(2030, 0, 1)

/** A page of a shard with records at these times, the latest first. A position is the number of records before it. */
const pageOf = (times: readonly number[], before: string, limit: number): ShardPage => {
  if (before === END) return { found: [] }
  const from = Number(before)
  const found = times.slice(from, from + limit).map((time, at) => ({
    record: recordAt(T + time),
    position: String(from + at + 1),
  }))
  return { found, ...(from + limit < times.length && { next: String(from + limit) }) }
}

it('pages of several shards have each record once, the latest first', () => {
  const shard = fc.array(fc.nat(50), { maxLength: 12 })
  const shards = fc.array(shard, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(shards, fc.integer({ min: 1, max: 5 }), (given, limit) => {
      const sorted = given.map((times) => times.toSorted((a, b) => b - a))
      const all: number[] = []
      let at: readonly string[] | undefined = given.map(() => '')
      while (at) {
        const befores: readonly string[] = at
        const pages = sorted.map((times, i) => pageOf(times, befores[i] ?? '', limit))
        const { decisions, next } = merged(pages, befores, limit)
        expect(decisions.length).toBeLessThanOrEqual(limit)
        all.push(...decisions.map((one) => Date.parse(JSON.parse(one).time) - T))
        at = next
      }
      expect(all).toEqual(given.flat().sort((a, b) => b - a))
    }),
    tries(100),
  )
})
