import { grouped } from '../markdown.ts'
import type { Growth, GrowthReport, Series } from './report.ts'

const SCALES = {
  s: [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
    [1e-9, 'ns'],
  ],
  B: [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
    [1, 'bytes'],
  ],
} as const

/** A number of seconds or bytes with two digits, in a unit that fits. */
export const amount = (value: number, unit: Series['unit']): string => {
  const scales = SCALES[unit]
  const two = Number(value.toPrecision(2))
  const [scale, name] = scales.find(([least]) => two >= least) ?? scales[scales.length - 1] ?? [1]
  return `${grouped2(two / scale)} ${name}`
}

/** With commas where it is large, and as many decimals as two digits need. */
const grouped2 = (value: number): string =>
  value >= 10 ? grouped(value) : String(Number(value.toPrecision(2)))

/** Factors up to which something has hardly grown: noise of the measurement is about so much. */
const HARDLY = 1.3
/** Exponents of the growth between which it is in proportion. */
const [LESS, MORE] = [0.85, 1.15]

/** How a line grows between two of its points, in words. */
export const growthIn = (
  from: readonly [number, number],
  to: readonly [number, number],
): string => {
  const factor = to[1] / from[1]
  const exponent = Math.log(factor) / Math.log(to[0] / Math.max(from[0], 1))
  if (factor < 1 / HARDLY) return 'less'
  if (factor <= HARDLY) return 'hardly more'
  if (exponent < LESS) return 'it grows less than their number'
  return exponent <= MORE ? 'it grows as their number does' : 'it grows faster than their number'
}

const START = /^./

const counted = (count: number, of: string): string =>
  `${grouped(count)} ${count === 1 ? of.replace(/s$/, '') : of}`

/** What a plot shows, in one sentence for each line. */
export const sentences = ({ of, series }: Growth): string =>
  series
    .map(({ what, unit, points }, i) => {
      const [first, last] = [points[0], points.at(-1)]
      if (!(first && last)) return ''
      const takes = `takes ${amount(first[1], unit)}`
      const then = `${amount(last[1], unit)}: ${growthIn(first, last)}`
      return i === 0
        ? `With ${counted(first[0], of)} ${what} ${takes}, with ${grouped(last[0])} it takes ${then}.`
        : `${what.replace(START, (letter) => letter.toUpperCase())} ${takes}, then ${then}.`
    })
    .join(' ')

/** The folder of the plots, from the root of the repository. */
export const PLOTS = 'docs/images/growth'

/** All plots with their sentences, for a page in docs. */
export const renderGrowth = ({ plots }: Pick<GrowthReport, 'plots'>): string =>
  plots.length === 0
    ? 'Not measured.'
    : plots
        .map((growth) => {
          const image = `![What grows with the ${growth.of}](images/growth/${growth.name}.svg)`
          return `**More ${growth.of}.** ${sentences(growth)}\n\n${image}`
        })
        .join('\n\n')
