import type { Clock } from '../core/model/ports.ts'
import { createBuckets } from '../platform/buckets.ts'

/** Who sent a token with an unknown key id. */
export interface Caller {
  /** The network of its address; empty where it is not known. */
  readonly network: string
  /** Whether a token from there has passed before. */
  readonly isKnown: boolean
}

/** Takes one question from what a caller may cause by an unknown key id; false where none is left. */
export type Budget = (caller: Caller) => boolean

const MINUTE = 60_000
/** Questions at once, and milliseconds in which as many come back. */
const NETWORK = { limit: 10, period: 5 * MINUTE }
const STRANGER = { limit: 2, period: 10 * MINUTE }
const TOGETHER = { limit: 10, period: 10 * MINUTE }
/** Networks with a budget of their own. */
const NETWORKS = 1_024

/**
 * What an isolate asks the key service of an issuer. Each network of known callers has a budget. One stranger
 * has a small one, and all strangers together have another.
 */
export function isolateBudget(clock: Clock): Budget {
  const known = createBuckets({ clock, most: NETWORKS })
  const stranger = createBuckets({ clock, most: NETWORKS })
  const strangers = createBuckets({ clock, most: 1 })
  return ({ network, isKnown }) =>
    isKnown
      ? known(network, NETWORK).ok
      : stranger(network, STRANGER).ok && strangers('', TOGETHER).ok
}

/**
 * What the key service asks the issuer. All callers share a budget, of which one stranger may take little.
 * Known callers have a reserve that strangers cannot use up.
 */
export function serviceBudget(clock: Clock): Budget {
  const stranger = createBuckets({ clock, most: NETWORKS })
  const anyone = createBuckets({ clock, most: 1 })
  const reserve = createBuckets({ clock, most: 1 })
  return ({ network, isKnown }) =>
    isKnown
      ? anyone('', TOGETHER).ok || reserve('', TOGETHER).ok
      : stranger(network, STRANGER).ok && anyone('', TOGETHER).ok
}
