import { expect, it } from 'vitest'
import { KEY_TIMES, lifeOf, lifetimeOf } from '../../../src/gate/keys/times.ts'
import { DEFAULT_KEY_TIMES } from '../../../src/gate/policy/keys/keys.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

it.each([
  ['nothing said', undefined, {}, 10 * MINUTE],
  ['what is said', 900, {}, 15 * MINUTE],
  ['nothing to be kept', 0, {}, MINUTE],
  ['a second', 1, {}, MINUTE],
  ['just the least', 60, {}, MINUTE],
  ['just the most', 3_600, {}, HOUR],
  ['more than the most', 3_601, {}, HOUR],
  ['a year', 31_536_000, {}, HOUR],
  ['more than the entry allows', 900, { maxFresh: 2 * MINUTE }, 2 * MINUTE],
  ['nothing, of an entry that allows little', undefined, { maxFresh: 2 * MINUTE }, 2 * MINUTE],
  ['less than the least, of an issuer next door', 0, { maxFresh: 1_000 }, 1_000],
])('a set is fresh, with %s', (_, maxAge, over, lifetime) => {
  expect(lifetimeOf(maxAge, { ...DEFAULT_KEY_TIMES, ...over })).toBe(lifetime)
})

it.each([
  ['a day', undefined, {}, DAY],
  ['what the entry says', 60, { staleIfError: 2 * HOUR }, 2 * HOUR],
  ['never less than it is fresh', 3_600, { staleIfError: 0 }, HOUR],
])('a set lives %s', (_, maxAge, over, life) => {
  expect(lifeOf(maxAge, { ...DEFAULT_KEY_TIMES, ...over })).toBe(life)
})

it('leaves no more than a day to anybody, and no more than fifty writes in it', () => {
  expect(KEY_TIMES.kvLifeMs).toBe(DAY)
  expect(DAY / KEY_TIMES.rewriteMs).toBeLessThan(50)
})
