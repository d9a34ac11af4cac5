/** The median; of an even count the mean of the middle two. Of nothing it is NaN. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/** The median of each round's own difference: what a whole round is slowed down by counts on both sides. */
export const pairedDifference = (values: readonly number[], less: readonly number[]): number =>
  median(differences(values, less))

/** How far that may be off, in 19 of 20 runs: 1.57 times the interquartile range by the root of the count. */
export const uncertainty = (values: readonly number[], less: readonly number[]): number => {
  const sorted = Float64Array.from(differences(values, less)).sort()
  const range = percentile(sorted, 0.75) - percentile(sorted, 0.25)
  return (1.57 * range) / Math.sqrt(sorted.length)
}

const differences = (values: readonly number[], less: readonly number[]): readonly number[] =>
  values.map((value, i) => value - (less[i] ?? Number.NaN))

/** The median of each round's own ratio. */
export const pairedRatio = (values: readonly number[], others: readonly number[]): number =>
  median(values.map((value, i) => value / (others[i] ?? Number.NaN)))

/** With so many decimals at most. */
export const rounded = (digits: number, value: number): number => Number(value.toFixed(digits))

/** The value below which a share of sorted values lies (nearest rank). Of nothing it is NaN. */
export const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

/**
 * The order of one round: every item once, each round begun by the next one, every second round
 * backwards, so that nobody always comes first or after the same neighbour.
 */
export const orderOf = <Item>(items: readonly Item[], round: number): readonly Item[] => {
  const start = items.length === 0 ? 0 : round % items.length
  const turned = [...items.slice(start), ...items.slice(0, start)]
  return round % 2 === 0 ? turned : turned.reverse()
}
