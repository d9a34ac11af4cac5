import { expect, it } from 'vitest'
import { LINEUP } from '../../bench/lineup.ts'
import { readOptions, USAGE } from '../../bench/options.ts'
import { STEPS } from '../../bench/steps.ts'

const idsOf = (all: readonly { readonly id: string }[] | undefined) => all?.map(({ id }) => id)

it('everything that is measured has an id of its own, and the help names it', () => {
  const ids = [...LINEUP, ...STEPS].map(({ id }) => id)
  const groups = ['steps', 'revocations']
  expect(new Set([...ids, ...groups]).size).toBe(ids.length + groups.length)
  for (const id of [...ids, ...groups]) expect(USAGE).toContain(id)
})

const SMALL = LINEUP.filter(({ largeSet }) => !largeSet)

it.each([
  [[], LINEUP, STEPS, true],
  [['--quick'], SMALL, [], false],
  [['--only', 'steps'], [], STEPS, false],
  [['--quick', '--only', 'steps'], [], STEPS, false],
  [['--only', 'revocations'], [], [], true],
  [['--quick', '--only', 'revocations,a'], LINEUP.slice(0, 1), [], true],
])('%j measures these', (args, contenders, steps, revocations) => {
  expect(readOptions(args, 'latest')).toMatchObject({ contenders, steps, revocations })
})

it('the large set has a row beside the one it is compared to', () => {
  const ids = idsOf(LINEUP) ?? []
  expect(idsOf(LINEUP.filter(({ largeSet }) => largeSet))).toEqual(['e-bounded-1m'])
  expect(ids.indexOf('e-bounded-1m')).toBe(ids.indexOf('e-bounded') + 1)
  const [small, large] = LINEUP.filter(({ id }) => id.startsWith('e-bounded'))
  expect({ ...large, id: '', title: '', largeSet: false }).toEqual({
    ...small,
    id: '',
    title: '',
    largeSet: false,
  })
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
    ['--only', 'revocations'],
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
