import { pairedRatio, type Report } from './report.ts'

/** A throughput as a multiple of another, and what it should be at least. */
interface Target {
  readonly text: string
  readonly of: string
  readonly over: string
  readonly least: number
}

const TARGETS: readonly Target[] = [
  { text: 'warm, but for the revocation call', of: 'e-open', over: 'a', least: 0.75 },
  { text: 'warm, but for the revocation call', of: 'e-open', over: 'b', least: 1.8 },
  { text: 'new tokens', of: 'f', over: 'b', least: 0.95 },
  { text: '1,000 rules', of: 'p-1000', over: 'p-10', least: 1 / 1.1 },
]

/**
 * How the run compares to what is aimed at, a line each; beside the throughputs' ratio that of
 * workerd's processor time, which other work on the machine disturbs less. Judges nothing else.
 */
export const targetLines = ({ lines }: Report): readonly string[] =>
  [...new Set(lines.map(({ alg }) => alg))].flatMap((alg) =>
    TARGETS.flatMap(({ text, of, over, least }) => {
      const find = (id: string) => lines.find((line) => line.id === id && line.alg === alg)
      const [one, other] = [find(of), find(over)]
      if (!one || !other) return []
      const ratio = pairedRatio(one.rates, other.rates)
      const byCpu = one.cpu && other.cpu ? (other.cpu / one.cpu).toFixed(2) : '–'
      return [
        [
          `${alg}  (${of}) ÷ (${over})`.padEnd(24),
          `${ratio.toFixed(2)}, by processor time ${byCpu}`.padEnd(30),
          `${text}: ${least.toFixed(2)} is ${ratio >= least ? 'reached' : 'not reached'}`,
        ].join(' '),
      ]
    }),
  )

/** Who was busy, and how far the rounds lie apart: whether the numbers can be trusted. */
export const trustLines = ({ lines }: Report): readonly string[] =>
  lines.map(({ id, alg, cpu, busy, client, rates }) =>
    [
      `${alg}  (${id})`.padEnd(24),
      `${cpu?.toFixed(0) ?? '–'} µs/request`.padEnd(16),
      `workerd ${percent(busy)}, client ${percent(client)} of a processor`.padEnd(46),
      `${Math.min(...rates)} to ${Math.max(...rates)} req/s`,
    ].join(' '),
  )

const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${Math.round(share * 100)} %`
