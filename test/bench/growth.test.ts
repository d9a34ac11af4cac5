import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { plotOf } from '../../dev/bench/growth/plot.ts'
import { type Growth, lastGrowth } from '../../dev/bench/growth/report.ts'
import { amount, growthIn, PLOTS, renderGrowth, sentences } from '../../dev/bench/growth/words.ts'
import { readOptions } from '../../dev/bench/options.ts'
import { ROOT } from '../kit/repository.ts'

const growth: Growth = {
  name: 'rules',
  of: 'rules',
  series: [
    {
      what: 'a request',
      unit: 's',
      points: [
        [0, 31e-6],
        [10, 30e-6],
        [10_000, 34e-6],
      ],
    },
    {
      what: 'the policy',
      unit: 'B',
      points: [
        [1, 1_000],
        [10, 12_000],
      ],
    },
  ],
}

it('an amount has two digits, and a unit that it is at least one of', () => {
  const seconds = [12.3e-9, 99.9e-8, 1.04e-3, 0.9996, 12].map((value) => amount(value, 's'))
  expect(seconds).toEqual(['12 ns', '1 µs', '1 ms', '1 s', '12 s'])
  const bytes = [7, 123_456, 2.5e9].map((value) => amount(value, 'B'))
  expect(bytes).toEqual(['7 bytes', '120 kB', '2.5 GB'])
})

it('growth is told by the first point and the last one', () => {
  const told = ([x, y]: readonly [number, number]) => growthIn([10, 1], [x, y])
  const points = [
    [1_000, 0.5],
    [1_000, 1.2],
    [1_000, 20],
    [1_000, 100],
    [1_000, 900],
  ] as const
  expect(points.map(told)).toEqual([
    'less',
    'hardly more',
    'it grows less than their number',
    'it grows as their number does',
    'it grows faster than their number',
  ])
  expect(sentences(growth)).toBe(
    'With 0 rules a request takes 31 µs, with 10,000 it takes 34 µs: hardly more. The policy takes 1 kB, then 12 kB: it grows as their number does.',
  )
})

it('a plot has a panel for each unit, and a dot for each point where it belongs', () => {
  const svg = plotOf(growth)
  const dots = [...svg.matchAll(/class="dot c(\d)" cx="([\d.]+)" cy="([\d.]+)"/g)].map(
    ([, colour, x, y]) => [Number(colour), Number(x), Number(y)] as const,
  )
  const [none, ten, most, small, large] = dots
  expect(dots.map(([colour]) => colour)).toEqual([0, 0, 0, 1, 1])
  // Nothing is left of everything else; what is larger is higher.
  expect([none?.[1], most?.[1]]).toEqual([70, 600])
  expect(none?.[1]).toBeLessThan(ten?.[1] ?? 0)
  expect(most?.[2]).toBeLessThan(ten?.[2] ?? 0)
  expect(large?.[2]).toBeLessThan(small?.[2] ?? 0)
  expect(small?.[2]).toBeGreaterThan(most?.[2] ?? 0)
  expect(svg).toContain('prefers-color-scheme: dark')
  expect(svg).not.toMatch(/NaN|undefined|Infinity/)
})

it('a page shows what was measured, or says that nothing was', () => {
  expect(renderGrowth({ plots: [growth] })).toContain('](images/growth/rules.svg)')
  expect(renderGrowth({ plots: [] })).toBe('Not measured.')
})

it('the drawn plots are of the saved results', () => {
  for (const one of lastGrowth().plots) {
    const file = join(ROOT, PLOTS, `${one.name}.svg`)
    expect(readFileSync(file, 'utf8'), 'run: npm run docs').toBe(plotOf(one))
  }
})

it('the options name the plots, and refuse what is none', () => {
  const asked = (...args: string[]) => readOptions(['--growth', ...args], 'latest.json')
  expect(asked()).toMatchObject({ rows: [], policies: false, revocations: false })
  expect(asked()?.growth).toHaveLength(7)
  expect(asked('--only', 'records,rules')?.growth).toEqual(['rules', 'records'])
  expect(() => asked('--only', 'post')).toThrow('no plot is called post')
  expect(readOptions([], 'latest.json')?.growth).toEqual([])
})
