/** The median; of an even count the mean of the middle two. Of nothing it is NaN. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/**
 * The mean of the quicker half of the rounds. Other work of the machine makes rounds slower and never quicker, so the
 * slower half says more of the machine. Rare work of the Worker itself falls into the slower half too. Of nothing it is
 * NaN.
 */
export const quickerHalf = (values: readonly number[]): number => {
  const quick = Float64Array.from(values)
    .sort()
    .subarray(0, Math.ceil(values.length / 2))
  return quick.reduce((sum, value) => sum + value, 0) / quick.length
}

/** The mean of all rounds, with all rare work. Of nothing it is NaN. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** What one row takes above another, by the mean of all rounds or by another estimate. */
export const surcharge = (
  values: readonly number[],
  less: readonly number[],
  by: (values: readonly number[]) => number = mean,
): number => by(values) - by(less)

/** Parts that the rounds are divided into, and Student's factor for 19 of 20 at so many. */
const [PARTS, FACTOR] = [10, 2.26]

/**
 * How far an estimate from all rounds may be off: by how far the same estimates from ten parts of the run lie apart.
 * `estimate` is given what cuts a part out of a row's rounds. NaN where a part would have a single round.
 */
export const uncertainty = (
  rounds: number,
  estimate: (own: (all: readonly number[]) => readonly number[]) => number,
): number => {
  if (rounds < 2 * PARTS) return Number.NaN
  const start = (part: number) => Math.floor((part * rounds) / PARTS)
  const found = Array.from({ length: PARTS }, (_, part) =>
    estimate((all) => all.slice(start(part), start(part + 1))),
  )
  const middle = mean(found)
  const variance = found.reduce((sum, one) => sum + (one - middle) ** 2, 0) / (PARTS - 1)
  return FACTOR * Math.sqrt(variance / PARTS)
}

/** The median of each round's own ratio. */
export const pairedRatio = (values: readonly number[], others: readonly number[]): number =>
  median(values.map((value, i) => value / (others[i] ?? Number.NaN)))

/** With so many decimals at most. */
export const rounded = (digits: number, value: number): number => Number(value.toFixed(digits))

/**
 * The order of one round: every item once, each round begun by the next one, every second round
 * backwards, so that nobody always comes first or after the same neighbour.
 */
export const orderOf = <Item>(items: readonly Item[], round: number): readonly Item[] => {
  const start = items.length === 0 ? 0 : round % items.length
  const turned = [...items.slice(start), ...items.slice(0, start)]
  return round % 2 === 0 ? turned : turned.reverse()
}
