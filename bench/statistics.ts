/** The median; of an even count the mean of the middle two. Of nothing it is NaN. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/**
 * What one row takes above another: the difference between the means of their quicker halves. Other work of the machine
 * makes rounds slower and never quicker, so the slower half says more of the machine. Of nothing it is NaN.
 */
export const surcharge = (values: readonly number[], less: readonly number[]): number =>
  quickerHalf(values) - quickerHalf(less)

const quickerHalf = (values: readonly number[]): number => {
  const quick = Float64Array.from(values)
    .sort()
    .subarray(0, Math.ceil(values.length / 2))
  return quick.reduce((sum, value) => sum + value, 0) / quick.length
}

/** Most parts that the rounds are divided into. */
const PARTS = 10

/** How far the surcharge may be off, in 19 of 20 runs: by how far the surcharges of parts of the rounds lie apart. */
export const uncertainty = (values: readonly number[], less: readonly number[]): number => {
  const parts = Math.min(PARTS, Math.floor(values.length / 2))
  const found = Array.from({ length: parts }, (_, part) => {
    const own = (all: readonly number[]) => all.filter((_, round) => round % parts === part)
    return surcharge(own(values), own(less))
  })
  const mean = found.reduce((sum, one) => sum + one, 0) / parts
  const variance = found.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (parts - 1)
  return 2 * Math.sqrt(variance / parts)
}

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
