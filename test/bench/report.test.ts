import { describe, expect, it } from 'vitest'
import { LINEUP } from '../../bench/lineup.ts'
import type { Measure } from '../../bench/load.ts'
import type { Series } from '../../bench/match.ts'
import { linesOf, pairedRatio, type Report, readReport } from '../../bench/report.ts'
import { renderTargets, targetLines } from '../../bench/targets.ts'

const measure = (rate: number, more: Partial<Measure> = {}): Measure => ({
  rate,
  p50: 4,
  p99: 20,
  client: 0.1,
  ...more,
})

const series = (id: string, measures: Measure[], alg: Series['alg'] = 'ES256'): Series => {
  const contender = LINEUP.find((one) => one.id === id)
  if (!contender) throw new Error(`no ${id}`)
  return { contender, alg, measures }
}

describe('ratios', () => {
  it('are taken within each round', () => {
    // The second round was slow for both.
    expect(pairedRatio([500, 50, 480], [1000, 100, 1000])).toBe(0.5)
  })

  it('of nothing are no number', () => {
    expect(pairedRatio([1, 2], [])).toBeNaN()
  })
})

describe('lines', () => {
  it('hold medians, and ratios to the pass-through and to jose under the same algorithm', () => {
    const lines = linesOf([
      series('a', [measure(8000), measure(4000), measure(9000)]),
      series('a', [measure(1)], 'RS256'),
      series('b', [measure(4000), measure(2000), measure(3000)]),
      series('e', [
        measure(6000.4, { p50: 5.123, p99: 30, cpu: 150, client: 0.2 }),
        measure(3000, { p50: 6, p99: 50, cpu: 160, client: 0.1 }),
        measure(6300, { p50: 5.5, p99: 40.5678, cpu: 155.55, client: 0.3 }),
      ]),
    ])
    expect(lines.find(({ id }) => id === 'e')).toEqual({
      id: 'e',
      title: 'gate, known token, strict revocation',
      alg: 'ES256',
      rate: 6000,
      toA: 0.75,
      toB: 1.5,
      p50: 5.5,
      p99: 40.57,
      cpu: 152.8,
      busy: 0.9,
      client: 0.2,
      rates: [6000, 3000, 6300],
    })
  })

  it('leave out what is not known', () => {
    const [line] = linesOf([series('e', [measure(1000)])])
    for (const name of ['toA', 'toB', 'cpu', 'busy']) expect(line).not.toHaveProperty(name)
  })
})

describe('the targets', () => {
  const LEAST = { id: 'least', title: 'least', isOurs: false, above: 50 }
  const reportOf = (all: readonly Series[], least?: number): Report => ({
    date: '2026-11-25',
    machine: { system: 'linux x64', cpu: 'a processor', cores: 2 },
    versions: {},
    settings: {
      rounds: 1,
      seconds: 1,
      connections: 32,
      origin: 'binding',
      stdout: '/dev/null',
      tokens: {},
    },
    lines: linesOf(all),
    policy: [],
    steps: { lines: least === undefined ? [] : [{ ...LEAST, toA: least }] },
  })

  it('are told as reached or not, and not told where they were not measured', () => {
    const report = reportOf([
      series('a', [measure(1000, { cpu: 100 })]),
      series('b', [measure(500, { cpu: 200 })]),
      series('e-bounded', [measure(760, { cpu: 125 })]),
      series('e-bounded-1m', [measure(745, { cpu: 130 })]),
    ])
    expect(targetLines(report).map((line) => line.replace(/ +/g, ' '))).toEqual([
      'ES256 (e-bounded) ÷ (a) 0.76, by processor time 0.80 known token: 0.75 is reached',
      'ES256 (e-bounded) ÷ (b) 1.52, by processor time 1.60 known token: 1.80 is not reached',
      'ES256 (e-bounded-1m) ÷ (e-bounded) 0.98, by processor time 0.96 1,000,000 revocations: 0.95 is reached',
    ])
  })

  it('are told beside what the least alone would leave possible', () => {
    const all = [
      series('a', [measure(1000, { cpu: 100 })]),
      series('d', [measure(700, { cpu: 180 })]),
      series('b', [measure(500, { cpu: 207 })]),
      series('f-bounded', [measure(250, { cpu: 414 })]),
    ]
    expect(renderTargets(reportOf(all, 1.5))).toContain('| 0.50, not reached | 0.90 |')
  })
})

it('a report that was saved before there were steps can be read', () => {
  expect(readReport('{"date":"2026-11-25","lines":[]}')).toEqual({
    date: '2026-11-25',
    lines: [],
    steps: { lines: [] },
  })
  const steps = { base: 100, lines: [] }
  expect(readReport(JSON.stringify({ steps })).steps).toEqual(steps)
})
