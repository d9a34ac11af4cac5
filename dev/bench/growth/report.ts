import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Report } from '../report.ts'

/** Where the results of the last run are. */
export const GROWTH = fileURLToPath(new URL('../results/growth.json', import.meta.url))

/** What one run of the growth found, as it is saved. Names no host and no path. */
export interface GrowthReport extends Pick<Report, 'date' | 'machine' | 'versions'> {
  readonly plots: readonly Growth[]
}

/** The results of the last run; none if there was no run. */
export const lastGrowth = (): Pick<GrowthReport, 'plots'> =>
  existsSync(GROWTH) ? JSON.parse(readFileSync(GROWTH, 'utf8')) : { plots: [] }

/** What takes how long, or how much memory, with more and more of one thing. */
export interface Growth {
  /** Of the file of the plot. */
  readonly name: string
  /** The thing that there is more of: its plural. */
  readonly of: string
  readonly series: readonly Series[]
}

/** One line of a plot. */
export interface Series {
  /** What is measured, with an article. */
  readonly what: string
  /** Of the second number of a point: seconds, or bytes. */
  readonly unit: 's' | 'B'
  /** How much there is of the thing, and what was measured then. */
  readonly points: readonly (readonly [count: number, value: number])[]
}

/** What points are measured with. */
export interface Means {
  /** Whether to leave out the largest points, and to measure each for a shorter time. */
  readonly quick: boolean
  readonly note: (text: string) => void
}

/** Of some sizes, those that a quick run has too. */
export const sizesFor = (
  { quick }: Pick<Means, 'quick'>,
  most: number,
  sizes: readonly number[],
): readonly number[] => sizes.filter((size) => !quick || size <= most)

/** Lines from what was measured for each size, by the order in which it was measured. */
export const seriesOf = (
  lines: readonly Pick<Series, 'what' | 'unit'>[],
  found: ReadonlyMap<number, readonly number[]>,
): readonly Series[] =>
  lines.map((line, i) => ({
    ...line,
    points: [...found].map(([size, values]) => [
      size,
      Number((values[i] ?? Number.NaN).toPrecision(3)),
    ]),
  }))
