import type { Measure } from './load.ts'
import type { Series } from './match.ts'
import type { PolicySize } from './policy-size.ts'
import type { Algorithm } from './public-key.ts'
import type { RevocationSize } from './revocation-size.ts'
import { fasterHalf, median, rounded } from './statistics.ts'
import type { StepReport } from './steps.ts'

/** What one run found, as it is saved. Names no host and no path. */
export interface Report {
  /** `YYYY-MM-DD`. */
  readonly date: string
  readonly machine: { readonly system: string; readonly cpu: string; readonly cores: number }
  readonly versions: Readonly<Record<string, string>>
  readonly settings: {
    readonly rounds: number
    readonly seconds: number
    /** Of the steps, if any were measured. */
    readonly turns?: { readonly rounds: number; readonly seconds: number }
    readonly connections: number
    /** Before an origin over HTTP, if that was measured. */
    readonly overHttp?: { readonly rounds: number; readonly seconds: number }
    /** `binding`: a service binding; `loopback`: over HTTP on this machine. */
    readonly origin: 'binding' | 'loopback'
    /** Where the journal went. */
    readonly stdout: '/dev/null'
    /** Characters of a token. */
    readonly tokens: Readonly<Partial<Record<Algorithm, number>>>
  }
  readonly lines: readonly Line[]
  /** Some of them once more, before an origin over HTTP on this machine. Absent where it was not measured. */
  readonly network?: readonly Line[]
  readonly policy: readonly PolicySize[]
  /** Absent where it was not measured. */
  readonly revocations?: RevocationSize
  readonly steps: StepReport
}

/** A report as it was saved, with nothing where an earlier run did not measure something. */
export const readReport = (text: string): Report => ({ steps: { lines: [] }, ...JSON.parse(text) })

/** One contender under one algorithm: medians over the rounds, but for processor time. */
export interface Line {
  readonly id: string
  readonly title: string
  readonly alg: Algorithm
  /** Requests a second. */
  readonly rate: number
  /** Throughput as a multiple of (a) and of (b): the median of each round's own ratio. */
  readonly toA?: number
  readonly toB?: number
  /** Latency in milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Microseconds of workerd's processor time for a request; of the faster half of the rounds. */
  readonly cpu?: number
  /** Share of one processor that workerd and the client had. */
  readonly busy?: number
  readonly client: number
  /** Requests a second of each round. */
  readonly rates: readonly number[]
}

/** The median of each round's own ratio: what slows a whole round down counts on both sides. */
export const pairedRatio = (rates: readonly number[], others: readonly number[]): number =>
  median(rates.map((rate, i) => rate / (others[i] ?? Number.NaN)))

/** Medians and ratios of all series, in their order. */
export const linesOf = (all: readonly Series[]): readonly Line[] =>
  all.map(({ contender: { id, title }, alg, measures }) => {
    const of = (value: (one: Measure) => number) => median(measures.map(value))
    const rates = measures.map(({ rate }) => rate)
    const over = (other: string) => {
      const found = all.find(({ contender, alg: its }) => contender.id === other && its === alg)
      return pairedRatio(rates, found?.measures.map(({ rate }) => rate) ?? [])
    }
    return {
      id,
      title,
      alg,
      rate: rounded(0, median(rates)),
      ...known('toA', 3, over('a')),
      ...known('toB', 3, over('b')),
      p50: rounded(
        2,
        of(({ p50 }) => p50),
      ),
      p99: rounded(
        2,
        of(({ p99 }) => p99),
      ),
      ...known('cpu', 1, fasterHalf(measures.flatMap(({ cpu }) => cpu ?? []))),
      ...known(
        'busy',
        2,
        of(({ cpu = Number.NaN, rate }) => (cpu * rate) / 1e6),
      ),
      client: rounded(
        2,
        of(({ client }) => client),
      ),
      rates: rates.map((rate) => rounded(0, rate)),
    }
  })

const known = <Name extends string>(name: Name, digits: number, value: number) =>
  Number.isNaN(value) ? {} : ({ [name]: rounded(digits, value) } as Record<Name, number>)
