import type { Contender } from './lineup.ts'
import { CONNECTIONS, type Feeds } from './load.ts'
import type { Algorithm } from './public-key.ts'
import type { Mint } from './tokens.ts'

/** The tokens a contender is asked with. */
export interface FeedSource {
  /** New tokens for a measurement at about `rate` requests a second; none was given out before. */
  renew(alg: Algorithm, rate: number, seconds: number): Promise<void>
  /** Tokens by connection, for a contender that is asked once since the last renewal. */
  of(contender: Contender, alg: Algorithm): Feeds
}

/**
 * Requests per connection that are built where the token repeats. Where each has a path of its own,
 * these are more paths than the gate remembers.
 */
const REPEATED = 128

/** More than expected: a measurement whose tokens run out ends early. */
const SPARE = 1.5

/**
 * Feeds from a mint. All contenders share the new tokens: each has an isolate, and so a memory, of
 * its own. Where tokens repeat, each connection has one to itself, as an agent has.
 */
export const createFeeds = async (
  mint: Mint,
  algorithms: readonly Algorithm[],
): Promise<FeedSource> => {
  const repeated = new Map<Algorithm, Feeds>()
  const fresh = new Map<Algorithm, Feeds>()
  for (const alg of algorithms) {
    const tokens = await mint.mint(alg, CONNECTIONS)
    repeated.set(
      alg,
      tokens.map((token) => Array<string>(REPEATED).fill(token)),
    )
  }
  return {
    async renew(alg, rate, seconds) {
      const each = Math.ceil((rate * seconds * SPARE) / CONNECTIONS) + 2
      const tokens = await mint.mint(alg, each * CONNECTIONS)
      fresh.set(
        alg,
        Array.from({ length: CONNECTIONS }, (_, i) => tokens.slice(i * each, (i + 1) * each)),
      )
    },
    of: ({ tokens }, alg) => (tokens === 'new' ? fresh : repeated).get(alg) ?? [],
  }
}
