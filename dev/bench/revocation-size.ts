import type { Pulled } from './contenders/revocation-copy.ts'
import type { LargeSet } from './revocation-set.ts'
import { median, rounded } from './statistics.ts'

/** What a large set costs, in a workerd of its own; medians over the rounds. */
export interface RevocationSize {
  readonly entries: number
  /** Bytes of memory that an isolate's copy takes. */
  readonly copyBytes: number
  /** Bytes that the object has in storage. */
  readonly storedBytes: number
  /** Nanoseconds to look one hash up in the copy: of those in it, and of others. */
  readonly lookup: { readonly hit: number; readonly miss: number }
  /**
   * Milliseconds of an isolate's first pull: when the object has to pack the pages, when it still has
   * them, and what the isolate itself does of it.
   */
  readonly first: {
    readonly pages: number
    readonly unpacked: number
    readonly packed: number
    readonly own: number
  }
  /** Milliseconds to pull so many changes, one half of them lifted and one half new. */
  readonly changes: readonly { readonly count: number; readonly ms: number }[]
  /**
   * Microseconds of a strict lookup of six subjects: in the object, with none of them revoked or one,
   * and called by a Worker beside it.
   */
  readonly strict: { readonly miss: number; readonly hit: number; readonly call: number }
}

/** Changes between two pulls. */
const CHANGES = [0, 100, 10_000]
const ROUNDS = 5

type Times<Name extends string> = Readonly<Record<Name, number>>

/** What one round found. */
interface Round {
  readonly unpacked: Pulled
  readonly packed: Pulled
  readonly lookup: Times<'hit' | 'miss'>
  readonly strict: Times<'hit' | 'miss' | 'call'>
  readonly changes: readonly number[]
}

/** Measures the set. Throws where a copy of it is not whole. */
export const measureRevocations = async (set: LargeSet): Promise<RevocationSize> => {
  const rounds: Round[] = []
  // Tokens that are revoked, by number: the oldest are lifted, and others added.
  let oldest = 0
  const next = () => oldest + set.entries - 1
  const pulled = async (task: 'all' | 'changes'): Promise<Pulled> => {
    const found = await set.ask<Pulled>(task)
    if (found.held !== set.entries) throw new Error(`a copy holds ${found.held} entries`)
    return found
  }
  // The first round warms up.
  for (let round = -1; round < ROUNDS; round++) {
    // The changes of the round before made the object forget its pages.
    const found = {
      unpacked: await pulled('all'),
      packed: await pulled('all'),
      lookup: await set.ask<Round['lookup']>('search'),
      strict: await set.ask<Round['strict']>('strict', oldest, next()),
      changes: [] as number[],
    }
    for (const count of CHANGES) {
      if (count > 0) await set.ask('replace', oldest, next(), count / 2)
      oldest += count / 2
      found.changes.push((await pulled('changes')).ms)
    }
    if (round >= 0) rounds.push(found)
  }
  return sizeOf(rounds, set.entries, await set.ask<number>('stored'))
}

/** The medians. */
export const sizeOf = (
  rounds: readonly Round[],
  entries: number,
  storedBytes: number,
): RevocationSize => {
  const of = (digits: number, value: (round: Round) => number) =>
    rounded(digits, median(rounds.map(value)))
  return {
    entries,
    copyBytes: of(0, ({ unpacked }) => unpacked.bytes),
    storedBytes,
    lookup: {
      hit: of(0, ({ lookup }) => lookup.hit),
      miss: of(0, ({ lookup }) => lookup.miss),
    },
    first: {
      pages: of(0, ({ unpacked }) => unpacked.pages),
      unpacked: of(0, ({ unpacked }) => unpacked.ms),
      packed: of(0, ({ packed }) => packed.ms),
      own: of(0, ({ packed }) => packed.own),
    },
    changes: CHANGES.map((count, i) => ({
      count,
      ms: of(2, ({ changes }) => changes[i] ?? Number.NaN),
    })),
    strict: {
      miss: of(0, ({ strict }) => strict.miss * 1000),
      hit: of(0, ({ strict }) => strict.hit * 1000),
      call: of(0, ({ strict }) => strict.call * 1000),
    },
  }
}
