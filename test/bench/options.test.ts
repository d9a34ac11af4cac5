import { expect, it } from 'vitest'
import { LINEUP } from '../../dev/bench/lineup.ts'
import { readOptions } from '../../dev/bench/options.ts'

const idsFor = (...args: string[]) => readOptions(args, 'latest')?.rows.map(({ id }) => id)

it('every row has an id of its own, and one that it is measured above', () => {
  const ids = LINEUP.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { group } of LINEUP) expect(ids).toContain(`${group}.a`)
})

it('what is named comes with what it is measured above, in the order of the table', () => {
  expect(idsFor('--only', 'get-http.gate,post.b')).toEqual([
    'post.a',
    'post.b',
    'get-http.a',
    'get-http.gate',
  ])
  expect(idsFor('--only', 'sse')).toEqual(['sse.a', 'sse.b+', 'sse.gate'])
  expect(idsFor('--only', 'gate-1m')).toEqual(['get.a', 'get.gate-1m'])
  expect(idsFor('--only', 'revocations')).toEqual([])
  expect(idsFor('--quick', '--only', 'get')).not.toContain('get.gate-1m')
})

it('another build takes part beside each gate', () => {
  expect(idsFor('--only', 'sse', '--other', 'before.js')).toEqual([
    'sse.a',
    'sse.b+',
    'sse.gate',
    'sse.gate-other',
  ])
})

it('only a run of everything is saved as the latest', () => {
  const saved = (...args: string[]) => readOptions(args, 'latest')?.json
  expect(saved()).toBe('latest')
  expect(saved('--rounds', '9')).toBe('latest')
  for (const args of [['--quick'], ['--only', 'post'], ['--profile', 'x'], ['--other', 'x']]) {
    expect(saved(...args)).toBeUndefined()
    expect(saved(...args, '--json', 'mine')).toBe('mine')
  }
})

it.each([
  [['--rounds', '0'], '--rounds'],
  [['--seconds', 'x'], '--seconds'],
  [['--only', 'post,z'], 'nothing is called z'],
  [['--fast'], '--fast'],
])('%j is a mistake', (args, message) => {
  expect(() => readOptions(args, 'latest')).toThrow(message)
})
