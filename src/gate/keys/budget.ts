import type { Clock } from '../model/ports.ts'
import { createBuckets } from '../platform/buckets.ts'

/** The sender of a token with an unknown key id. */
export interface Caller {
  /** The network of its address; empty where it is unknown. */
  readonly network: string
  /** Whether a token from this network has passed before. */
  readonly isKnown: boolean
}

/** Counts a question that a caller causes by an unknown key id; `false` if its budget is used up. */
export type Budget = (caller: Caller) => boolean

const MINUTE = 60_000
/** A number of questions, and the milliseconds in which as many are refilled. */
const NETWORK = { limit: 10, period: 5 * MINUTE }
const STRANGER = { limit: 2, period: 10 * MINUTE }
const TOGETHER = { limit: 10, period: 10 * MINUTE }
/** Most networks with a budget of their own. */
const NETWORKS = 1_024

/**
 * The budget of an isolate for questions to an issuer's key service. Each network of known callers has its own budget.
 * Each network of strangers has a small budget, and all strangers share a further one.
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
 * The budget of the key service for fetches from the issuer. All callers share one budget, of which a network of
 * strangers may use only a little. Known callers also have a reserve.
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
