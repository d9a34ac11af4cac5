import { expect, it } from 'vitest'
import { LINEUP } from '../../bench/lineup.ts'
import { readOptions, USAGE } from '../../bench/options.ts'
import { STEPS } from '../../bench/steps.ts'

const idsOf = (all: readonly { readonly id: string }[] | undefined) => all?.map(({ id }) => id)

it('everything that is measured has an id of its own, and the help names it', () => {
  const ids = [...LINEUP, ...STEPS].map(({ id }) => id)
  expect(new Set([...ids, 'steps']).size).toBe(ids.length + 1)
  for (const id of ids) expect(USAGE).toContain(id)
})

it.each([
  [[], LINEUP, STEPS],
  [['--quick'], LINEUP, []],
  [['--only', 'steps'], [], STEPS],
  [['--quick', '--only', 'steps'], [], STEPS],
])('%j measures these', (args, contenders, steps) => {
  expect(readOptions(args, 'latest')).toMatchObject({ contenders, steps })
})

it('those that are named come in the order of their tables', () => {
  const options = readOptions(['--only', 'floor,e,headers-copied,a'], 'latest')
  expect(idsOf(options?.contenders)).toEqual(['a', 'e'])
  expect(idsOf(options?.steps)).toEqual(['headers-copied', 'floor'])
})

it('only a run of everything is saved as the latest', () => {
  const saved = (...args: string[]) => readOptions(args, 'latest')?.json
  expect(saved()).toBe('latest')
  expect(saved('--rounds', '9')).toBe('latest')
  for (const args of [
    ['--quick'],
    ['--only', 'a'],
    ['--only', 'steps'],
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
  [['--only', 'a,z'], 'no such contender: z'],
  [['--alg', 'ES512'], 'no such algorithm'],
  [['--origin', 'moon'], '--origin'],
  [['--fast'], '--fast'],
])('%j is a mistake', (args, message) => {
  expect(() => readOptions(args, 'latest')).toThrow(message)
})
