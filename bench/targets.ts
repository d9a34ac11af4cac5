import { fixed, markdown, UNKNOWN } from './markdown.ts'
import { ALGORITHMS, type Algorithm } from './public-key.ts'
import { pairedRatio, type Report } from './report.ts'

/** A throughput as a multiple of another, and what it should be at least. */
interface Target {
  readonly text: string
  readonly of: string
  readonly over: string
  readonly least: number
  /** The contender that does the least such a request needs, before anything is forwarded. */
  readonly bare?: string
  /** Whether it is worth knowing before an origin over HTTP as well. */
  readonly overHttp?: true
}

const TARGETS: readonly Target[] = [
  { text: 'known token', of: 'e-bounded', over: 'a', least: 0.75, bare: 'a', overHttp: true },
  { text: 'known token', of: 'e-bounded', over: 'b', least: 1.8, bare: 'a', overHttp: true },
  { text: 'new tokens', of: 'f-bounded', over: 'b', least: 0.95, bare: 'd', overHttp: true },
  { text: '1,000,000 revocations', of: 'e-bounded-1m', over: 'e-bounded', least: 0.95 },
  { text: 'an assertion', of: 'e-identity', over: 'e-bounded', least: 0.97 },
  { text: 'a condition and templates', of: 'e-when', over: 'e-bounded', least: 0.9 },
  { text: '1,000 rules', of: 'p-1000', over: 'p-10', least: 1 / 1.1 },
]

/** How one target was met under one algorithm. */
interface Found {
  /** Of the throughputs. */
  readonly ratio: number
  /** Of workerd's processor time, which other work on the machine disturbs less. */
  readonly byCpu: number
  /** What there would be if nothing were done beside the bare work and the least of the steps. */
  readonly atMost: number
}

const findOf = (report: Report, target: Target, alg: Algorithm): Found | undefined => {
  const { lines, steps } = report
  const lineOf = (id: string | undefined) =>
    lines.find((line) => line.id === id && line.alg === alg)
  const cpuOf = (id: string | undefined) => lineOf(id)?.cpu ?? Number.NaN
  const [one, other] = [lineOf(target.of), lineOf(target.over)]
  if (!one || !other) return undefined
  const { toA: forwarded = Number.NaN } = steps.lines.find(({ id }) => id === 'least') ?? {}
  return {
    ratio: pairedRatio(one.rates, other.rates),
    byCpu: cpuOf(target.over) / cpuOf(target.of),
    atMost: cpuOf(target.over) / (cpuOf(target.bare) + (forwarded - 1) * cpuOf('a')),
  }
}

/** How the run compares to what is aimed at, a line each. Judges nothing else. */
export const targetLines = (report: Report): readonly string[] =>
  algorithmsIn(report).flatMap((alg) =>
    TARGETS.flatMap((target) => {
      const found = findOf(report, target, alg)
      if (!found) return []
      const { of, over, text, least } = target
      const ratios = `${fixed(2, found.ratio)}, by processor time ${fixed(2, found.byCpu)}`
      return [
        [
          `${alg}  (${of}) ÷ (${over})`.padEnd(24),
          ratios.padEnd(30),
          `${text}: ${fixed(2, least)} is ${verdict(found, least)}`,
        ].join(' '),
      ]
    }),
  )

/**
 * The same as a Markdown table, with what the least of the steps alone would leave possible, and what was
 * found before an origin over HTTP.
 */
export const renderTargets = (report: Report): string => {
  const algorithms = algorithmsIn(report)
  const { network: lines } = report
  const overHttp = ({ of, over, overHttp }: Target): string => {
    if (!overHttp || !lines) return UNKNOWN
    const ratesOf = (id: string) =>
      lines.find((line) => line.id === id && line.alg === 'ES256')?.rates ?? []
    return fixed(2, pairedRatio(ratesOf(of), ratesOf(over)))
  }
  const rows = TARGETS.map((target) => ({
    target,
    found: algorithms.map((alg) => findOf(report, target, alg)),
  }))
  return markdown(
    [
      'aimed at',
      'at least',
      ...algorithms.flatMap((alg) => [alg, 'with the least alone']),
      'ES256, origin over HTTP',
    ],
    rows
      .filter(({ found }) => found.some((one) => one !== undefined))
      .map(({ target, found }) => [
        `${target.text}: (${target.of}) ÷ (${target.over})`,
        fixed(2, target.least),
        ...found.flatMap((one) => [
          one ? `${fixed(2, one.ratio)}, ${verdict(one, target.least)}` : UNKNOWN,
          fixed(2, one?.atMost),
        ]),
        overHttp(target),
      ]),
  )
}

const verdict = ({ ratio }: Found, least: number): string =>
  ratio >= least ? 'reached' : 'not reached'

const algorithmsIn = ({ lines }: Report): readonly Algorithm[] =>
  ALGORITHMS.filter((alg) => lines.some((line) => line.alg === alg))

/** Who was busy, and how far the rounds lie apart: whether the numbers can be trusted. */
export const trustLines = ({ lines }: Report): readonly string[] =>
  lines.map(({ id, alg, cpu, busy, client, rates }) =>
    [
      `${alg}  (${id})`.padEnd(24),
      `${fixed(0, cpu)} µs/request`.padEnd(16),
      `workerd ${percent(busy)}, client ${percent(client)} of a processor`.padEnd(46),
      `${Math.min(...rates)} to ${Math.max(...rates)} req/s`,
    ].join(' '),
  )

const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${Math.round(share * 100)} %`
