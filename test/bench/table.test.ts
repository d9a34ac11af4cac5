import { expect, it } from 'vitest'
import type { Line, Report } from '../../bench/report.ts'
import {
  renderDifferences,
  renderMain,
  renderPolicyTable,
  renderSteps,
  renderSurroundings,
  renderTable,
} from '../../bench/table.ts'

const line = (id: string, title: string, alg: Line['alg'], more: Partial<Line> = {}): Line => ({
  id,
  title,
  alg,
  rate: 7412,
  p50: 3.65,
  p99: 48.561,
  client: 0.1,
  rates: [7412],
  ...more,
})

const report: Report = {
  date: '2026-11-25',
  machine: { system: 'linux x64', cpu: 'a processor', cores: 2 },
  versions: { workerd: '1.2.3' },
  settings: {
    rounds: 5,
    seconds: 3,
    connections: 32,
    origin: 'binding',
    stdout: '/dev/null',
    tokens: { ES256: 640, RS256: 896 },
  },
  lines: [
    line('a', 'pass-through', 'ES256', { rate: 1_234_567, toA: 1, toB: 1.994 }),
    line('a', 'pass-through', 'RS256', { rate: 999, toA: 1, toB: 1.5 }),
    line('e', 'gate', 'ES256', { toA: 0.756 }),
    line('p-10', '10 rules', 'ES256'),
    line('p-1000', '1,000 rules', 'ES256', { rate: 7000 }),
  ],
  policy: [
    { rules: 10, parse: 0.42, find: 800 },
    { rules: 1000, parse: 31.6, find: 1030 },
    { rules: 10_000, parse: 612.3, find: 1201 },
  ],
  steps: {
    base: 128.4,
    lines: [
      { id: 'nothing', title: 'nothing', isOurs: false, above: -0.04, toA: 1 },
      { id: 'address-known', title: 'address remembered', isOurs: true, above: 0.45, toA: 1.004 },
      { id: 'floor', title: 'the floor', isOurs: true, above: 77.4, toA: 1.603 },
      { id: 'decision', title: 'a decision', isOurs: true },
    ],
  },
}

it('has a row per contender and a group of columns per algorithm', () => {
  expect(renderTable(report)).toBe(
    [
      '|  | ES256 req/s | × (a) | × (b) | p50 / p99 ms | RS256 req/s | × (a) | × (b) | p50 / p99 ms |',
      '| --- | --: | --: | --: | --: | --: | --: | --: | --: |',
      '| (a) pass-through | 1,234,567 | 1.00 | 1.99 | 3.6 / 48.6 | 999 | 1.00 | 1.50 | 3.6 / 48.6 |',
      '| (e) gate | 7,412 | 0.76 | – | 3.6 / 48.6 | – | – | – | – |',
      '| (p-10) 10 rules | 7,412 | – | – | 3.6 / 48.6 | – | – | – | – |',
      '| (p-1000) 1,000 rules | 7,000 | – | – | 3.6 / 48.6 | – | – | – | – |',
    ].join('\n'),
  )
})

it('has no columns for an algorithm that did not take part', () => {
  const lines = report.lines.filter(({ alg }) => alg === 'RS256')
  expect(renderTable({ ...report, lines }).split('\n')[0]).toBe(
    '|  | RS256 req/s | × (a) | × (b) | p50 / p99 ms |',
  )
})

it('says what a policy of each size costs', () => {
  expect(renderPolicyTable(report)).toBe(
    [
      '| rules | gate, known token, each path new (ES256) | reading the policy | finding the rule |',
      '| --- | --: | --: | --: |',
      '| 10 | 7,412 req/s | 0.4 ms | 800 ns |',
      '| 1,000 | 7,000 req/s | 32 ms | 1,030 ns |',
      '| 10,000 | – | 612 ms | 1,201 ns |',
    ].join('\n'),
  )
})

it('shows readers few rows, in an order of their own', () => {
  const lines = [
    line('f', 'gate, new', 'ES256'),
    line('e-quiet', 'gate, journal off', 'ES256'),
    line('a', 'pass-through', 'ES256', { toA: 1, toB: 1.994 }),
    line('a', 'pass-through', 'RS256', { toA: 1, toB: 1.4 }),
  ]
  const network = [line('a', 'pass-through', 'ES256', { toA: 1, toB: 1.3 })]
  expect(renderMain({ ...report, lines, network })).toBe(
    [
      '|  | ES256 req/s | × (a) | × (b) | p50 / p99 ms | RS256 × (a) | × (b) | ES256 over HTTP × (a) | × (b) |',
      '| --- | --: | --: | --: | --: | --: | --: | --: | --: |',
      '| (a) pass-through | 7,412 | 1.00 | 1.99 | 3.6 / 48.6 | 1.00 | 1.40 | 1.00 | 1.30 |',
      '| (f) gate, new | 7,412 | – | – | 3.6 / 48.6 | – | – | – | – |',
    ].join('\n'),
  )
})

it('says when, where and with what it was measured', () => {
  expect(renderSurroundings(report)).toBe(
    '2026-11-25; linux x64, a processor, 2 processors; workerd 1.2.3. Medians of 5 rounds of 3 s over 32 connections, origin behind a service binding.',
  )
  const settings = {
    ...report.settings,
    turns: { rounds: 60, seconds: 0.25 },
    overHttp: { rounds: 24, seconds: 1 },
    origin: 'loopback',
  } as const
  expect(renderSurroundings({ ...report, settings })).toContain(
    'Medians of 5 rounds of 3 s (steps 60 turns of 0.25 s, over HTTP 24 rounds of 1 s) over 32 connections, origin over HTTP on this machine.',
  )
})

it('says what each step costs', () => {
  expect(renderSteps(report)).toBe(
    [
      '| the pass-through (a), and | done by the gate | µs above the 128 of (a) | × (a) |',
      '| --- | --: | --: | --: |',
      '| nothing (`nothing`) |  | 0.0 | 1.00 |',
      '| address remembered (`address-known`) | yes | 0.5 | 1.00 |',
      '| the floor (`floor`) | yes | 77 | 1.60 |',
      '| a decision (`decision`) | yes | – | – |',
    ].join('\n'),
  )
  expect(renderSteps({ ...report, steps: { lines: [] } })).toBe('Not measured.')
})

it('says what parts cost, as the difference of two contenders', () => {
  const lines = [
    line('a', 'pass-through', 'ES256', { cpu: 128 }),
    line('d', 'bare', 'ES256', { cpu: 215.6 }),
    line('d', 'bare', 'RS256', { cpu: 160 }),
    line('e-bounded', 'gate', 'ES256', { cpu: 400 }),
    line('e-bounded-1m', 'gate, many', 'ES256', { cpu: 403.4 }),
    line('f-bounded', 'gate, new', 'ES256', { cpu: 560 }),
  ]
  const rows = renderDifferences({ ...report, lines }).split('\n')
  expect(rows[0]).toBe('| µs of processor time for a request | ES256 | RS256 |')
  expect(rows).toContain('| a signature verified by `crypto.subtle` alone: (d) − (a) | 88 | – |')
  expect(rows).toContain('| what knowing the token saves: (f-bounded) − (e-bounded) | 160 | – |')
  expect(rows).toContain('| a million entries in that copy: (e-bounded-1m) − (e-bounded) | 3 | – |')
  expect(rows).toContain('| asking the revocation set on each request: (e) − (e-bounded) | – | – |')
})

it('survives being saved', () => {
  expect(renderTable(JSON.parse(JSON.stringify(report)))).toBe(renderTable(report))
})
