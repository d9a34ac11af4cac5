/** Numbers that look random and follow from a seed and a number alone, so that each case can be made again. */
export interface Dice {
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  /** Whether something happens that has this probability. */
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Some of the items, in their order. */
  some<T>(items: readonly T[], probability?: number): T[]
}

/** Dice of one case (the generator is splitmix32). */
export function createDice(seed: number, number: number): Dice {
  let state = (Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(number + 1, 0xc2b2_ae35)) | 0
  const next = (): number => {
    state = (state + 0x9e37_79b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0_aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a_2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  const chance = (probability: number) => next() < probability
  return {
    below,
    chance,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    some: (items, probability = 0.5) => items.filter(() => chance(probability)),
  }
}
