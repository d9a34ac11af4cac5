/** The median; of an even count the mean of the middle two. Of nothing it is NaN. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/** The mean of the smaller half, the middle one included. Of nothing it is NaN. */
export const fasterHalf = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.slice(0, Math.ceil(sorted.length / 2))
  return half.reduce((sum, value) => sum + value, 0) / half.length
}

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
