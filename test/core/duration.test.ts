import { expect, it } from 'vitest'
import { dateTimeText, durationMs, durationText } from '../../src/gate/base/duration.ts'

it.each([
  ['250ms', 250],
  ['0s', 0],
  ['7d', 604_800_000],
  ['', undefined],
  ['1.5h', undefined],
  ['1 s', undefined],
  ['1000000000000000s', undefined],
])('%j are %j milliseconds', (text, expected) => {
  expect(durationMs(text)).toBe(expected)
})

it.each([
  [86_400, '24h'],
  [5_400, '90m'],
  [60, '1m'],
  [150.5, '151s'],
  [0, '0s'],
])('%j seconds are written %j', (seconds, expected) => {
  expect(durationText(seconds)).toBe(expected)
})

it('writes times as Date does, in any order', () => {
  const times = [
    0, 1, 999, 1_000, 1_001, 999, 1_795_600_000_007, 1_795_600_000_070, 1_795_600_000_700,
  ]
  expect(times.map(dateTimeText)).toEqual(times.map((time) => new Date(time).toISOString()))
})
