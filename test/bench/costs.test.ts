import { expect, it } from 'vitest'
import type { CostsReport, Uses } from '../../dev/bench/costs/costs-report.ts'
import { renderCosts } from '../../dev/bench/costs/costs-table.ts'

const USES: Uses = {
  subrequests: 2,
  kvReads: 0.1,
  kvWrites: 0,
  issuer: 0,
  objects: { RATE_LIMITER: 1, AUDIT_LOG: 0.02, AGENTS: 0 },
  rowsRead: 10,
  rowsWritten: 2,
}

const reportOf = (p99: number): CostsReport => ({
  date: '2026-12-02',
  machine: { system: 'linux', cpu: 'a processor', cores: 2 },
  versions: {},
  counted: 2_000,
  rate: 50,
  timed: 400,
  started: 20,
  lines: [
    {
      id: 'limit',
      title: 'an exact limit',
      warm: USES,
      first: { ...USES, subrequests: 9 },
      cpu: { mean: 2, p50: 1.5, p99 },
      cold: { p50: 8, p99: 12 },
    },
  ],
})

it('a request costs what its parts cost, and a day of the free plan has as many as its scarcest part allows', () => {
  const text = renderCosts(reportOf(9.99))
  // 0.30 + 2 × 0.02 + 1.02 × 0.15 + 2 × 1 + 10 × 0.001 + 0.1 × 0.5; 100,000 rows ÷ 2.
  expect(text).toContain('| an exact limit | 2 | limits 1, audit 0.020 | 2 | 10 | $2.55 | 50,000 |')
  expect(text).toContain('| an exact limit | 1.50 | 9.99 | 8.0 | 12.0 | yes | **no** |')
  expect(text).toContain('| subrequests | 9 of 50 |')
})

it('ten milliseconds are too many', () => {
  expect(renderCosts(reportOf(10))).toContain('| 8.0 | 12.0 | **no** | **no** |')
})
