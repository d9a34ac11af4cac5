import fc from 'fast-check'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** How properties are tried: from one fixed seed and as often as they say, or from another and more often. */
    trying: { readonly seed: number; readonly factor: number }
  }
}

/**
 * What `fc.assert` is given beside a property: how often to try it, and the seed. `npm test` tries every
 * property the same few times each run; `npm run soak` ten times as often, or ten times `most` where a try
 * takes long, from a seed that it prints, and that `SEED` sets.
 */
export const tries = (
  numRuns: number,
  most = numRuns,
): { readonly seed: number; readonly numRuns: number } => {
  const { seed, factor } = inject('trying')
  return { seed, numRuns: isSoak() ? most * factor : numRuns }
}

/** Whether this is `npm run soak`: there are tries enough to meet what is rare, and time for long tables. */
export const isSoak = (): boolean => inject('trying').factor > 1

/** What `npm test` leaves out, as its few tries meet it too rarely, or other rows stand for it: nothing there, all in soak. */
export const rare = <Item>(...items: readonly Item[]): readonly Item[] => (isSoak() ? items : [])

/** Any code point but half a pair: `unit: 'binary'` of fast-check, which takes it a second to make. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat({ max: 0x10_f7_ff })
  .map((n) => String.fromCodePoint(n < 0xd8_00 ? n : n + 0x8_00))
