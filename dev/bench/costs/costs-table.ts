import { fixed, grouped, markdown } from '../markdown.ts'
import type { CostLine, CostsReport, Uses } from './costs-report.ts'

/** List prices of the paid plan in November 2026, in dollars for a million. */
const PRICES = {
  requests: 0.3,
  cpuMs: 0.02,
  objectCalls: 0.15,
  rowsWritten: 1,
  rowsRead: 0.001,
  kvReads: 0.5,
  kvWrites: 5,
}

/** What the free plan has: milliseconds and subrequests for a request; requests, calls and rows for a day. */
const FREE = { cpuMs: 10, subrequests: 50, requests: 100_000, objectCalls: 100_000, rows: 100_000 }

const callsOf = ({ objects }: Uses): number =>
  Object.values(objects).reduce((sum, calls) => sum + calls, 0)

/** Dollars for a million warm requests, without what the plan includes and without the duration of objects. */
const priceOf = ({ warm, cpu }: CostLine): number =>
  PRICES.requests +
  PRICES.cpuMs * cpu.mean +
  PRICES.objectCalls * callsOf(warm) +
  PRICES.rowsWritten * warm.rowsWritten +
  PRICES.rowsRead * warm.rowsRead +
  PRICES.kvReads * warm.kvReads +
  PRICES.kvWrites * warm.kvWrites

/** Warm requests that a day of the free plan allows. */
const freeOf = ({ warm }: CostLine): number =>
  Math.floor(
    Math.min(FREE.requests, FREE.objectCalls / callsOf(warm), FREE.rows / warm.rowsWritten),
  )

const amount = (value: number): string =>
  value === 0 || Number.isInteger(value) ? String(value) : fixed(value < 0.1 ? 3 : 2, value)

const NAMES: Readonly<Record<string, string>> = {
  REVOCATIONS: 'revocation set',
  KEY_SERVICE: 'key service',
  ASSERTION_KEY_SERVICE: 'assertion keys',
  RATE_LIMITER: 'limits',
  REPLAYS: 'replays',
  AUDIT_LOG: 'audit',
  AGENTS: 'registry',
  APPROVALS: 'approvals',
}

const objectsOf = ({ objects }: Uses): string =>
  Object.entries(objects)
    .filter(([, calls]) => calls > 0)
    .map(([binding, calls]) => `${NAMES[binding] ?? binding} ${amount(calls)}`)
    .join(', ') || 'none'

const isIn10 = (ms: number): string => (ms < FREE.cpuMs ? 'yes' : '**no**')

/** What a request costs, as Markdown tables. */
export const renderCosts = (report: CostsReport): string => {
  const { lines, counted, rate, timed, started, date, machine } = report
  const [first] = lines
  return [
    markdown(
      [
        'a request, warm',
        'subrequests',
        'calls of objects',
        'rows written',
        'rows read',
        'a million',
        'a day on the free plan',
      ],
      lines.map((line) => [
        line.title,
        amount(line.warm.subrequests),
        objectsOf(line.warm),
        amount(line.warm.rowsWritten),
        amount(line.warm.rowsRead),
        `$${fixed(2, priceOf(line))}`,
        grouped(freeOf(line)),
      ]),
    ),
    markdown(
      [
        'processor time, ms',
        'warm: p50',
        'p99',
        'first request: p50',
        'p99',
        'warm p99 in 10 ms',
        'first p99 in 10 ms',
      ],
      lines.map(({ title, cpu, cold }) => [
        title,
        fixed(2, cpu.p50),
        fixed(2, cpu.p99),
        fixed(1, cold.p50),
        fixed(1, cold.p99),
        isIn10(cpu.p99),
        isIn10(cold.p99),
      ]),
    ),
    ...(first ? [firstRequest(first)] : []),
    [
      `${date}; ${machine.cpu}, ${machine.cores} processors.`,
      `Counted: ${grouped(counted)} requests of a configuration, ${rate} a second, in one isolate.`,
      `Timed: ${grouped(timed)} requests one after the other, and the first ones of ${started} isolates.`,
      'Of first requests, p99 is the slowest.',
    ].join(' '),
  ].join('\n\n')
}

/** The first request of an isolate, with new objects and empty KV. */
const firstRequest = ({ first }: CostLine): string =>
  [
    'The first request, as `edgewarden init` deploys it, with new objects and an empty KV:',
    markdown(
      ['', 'uses'],
      [
        ['subrequests', `${amount(first.subrequests)} of ${FREE.subrequests}`],
        ['fetches from the issuer', amount(first.issuer)],
        ['reads and writes of KV', `${amount(first.kvReads)} and ${amount(first.kvWrites)}`],
        ['calls of objects, also among themselves', objectsOf(first)],
        ['rows written, mostly tables of new objects', amount(first.rowsWritten)],
      ],
    ),
  ].join('\n\n')
