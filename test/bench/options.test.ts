import { expect, it } from 'vitest'
import { chosen, LINEUP } from '../../bench/lineup.ts'
import { readOptions } from '../../bench/options.ts'

it('contenders are chosen in the order of the table, and each has one id', () => {
  expect(new Set(LINEUP.map(({ id }) => id)).size).toBe(LINEUP.length)
  expect(chosen(undefined)).toEqual(LINEUP)
  expect(chosen(['e', 'a']).map(({ id }) => id)).toEqual(['a', 'e'])
  expect(() => chosen(['a', 'z'])).toThrow('no such contender: z')
})

it('only a run of everything is saved as the latest', () => {
  const saved = (...args: string[]) => readOptions(args, 'latest')?.json
  expect(saved()).toBe('latest')
  expect(saved('--rounds', '9')).toBe('latest')
  for (const args of [
    ['--quick'],
    ['--only', 'a'],
    ['--alg', 'ES256'],
    ['--profile', 'x'],
    ['--origin', 'loopback'],
  ]) {
    expect(saved(...args)).toBeUndefined()
    expect(saved(...args, '--json', 'mine')).toBe('mine')
  }
})

it.each([
  [['--rounds', '0'], '--rounds'],
  [['--seconds', 'x'], '--seconds'],
  [['--alg', 'ES512'], 'no such algorithm'],
  [['--origin', 'moon'], '--origin'],
  [['--fast'], '--fast'],
])('%j is a mistake', (args, message) => {
  expect(() => readOptions(args, 'latest')).toThrow(message)
})
