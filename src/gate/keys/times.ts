import type { KeyTimes } from '../model/issuer.ts'

/** Times for caching keys and asking issuers. The issuer's entry configures further ones. */
export const KEY_TIMES = {
  /** Milliseconds for which a set is fresh: minimum, and default without headers (RFC 9111 §4.2). */
  leastFreshMs: 60_000,
  usualFreshMs: 10 * 60_000,
  /** Milliseconds until a retry: after the first failure, and at most. */
  failureMs: 5_000,
  longestFailureMs: 60_000,
  /** Milliseconds for one question to an issuer: two metadata documents and the set, plus slack. */
  askMs: 20_000,
  /** Milliseconds until a question counts as lost, with what follows its answer. */
  flightMs: 21_000,
  /** Milliseconds that a request waits for the confirmation of usable keys. */
  patienceMs: 1_000,
  /** Milliseconds for KV, before the key service is asked instead. */
  recallMs: 2_000,
  /** Milliseconds until KV, which did not have keys that can be used, is read again. */
  recallGapMs: 1_000,
  /** Most milliseconds by which another machine's clock may be ahead. */
  skewMs: 60_000,
  /** A larger difference between two times shows that a clock was set back: in one isolate, and between two machines. */
  stepMs: { here: 1_000, there: 10_000 },
  /** Seconds for which a location may use its copy of the KV record. */
  kvCopySeconds: 60,
  /** Milliseconds until a KV record expires. */
  kvLifeMs: 24 * 3_600_000,
  /** Milliseconds after which an unchanged record is written to KV again: 48 times a day. */
  rewriteMs: 30 * 60_000,
  /** Milliseconds between two writes of a record. */
  writeGapMs: 1_000,
  /** Milliseconds between two runs of the cron trigger in wrangler.toml. */
  cronMs: 5 * 60_000,
  redirects: 2,
  rotations: 20,
} as const

/**
 * Milliseconds for which a document is fresh: the issuer's `maxAge` (seconds), within bounds. In the second half a set
 * is used while it is renewed.
 */
export function lifetimeOf(maxAge: number | undefined, { maxFresh }: KeyTimes): number {
  const said = maxAge === undefined ? KEY_TIMES.usualFreshMs : maxAge * 1000
  return Math.min(Math.max(said, KEY_TIMES.leastFreshMs), maxFresh)
}

/** Milliseconds for which a set may be used at all. */
export function lifeOf(maxAge: number | undefined, times: KeyTimes): number {
  return Math.max(lifetimeOf(maxAge, times), times.staleIfError)
}

/** Milliseconds since a time; infinite if the clock was set back since, because then nobody knows. */
export function elapsed(since: number, now: number): number {
  return since - now > KEY_TIMES.stepMs.there ? Number.POSITIVE_INFINITY : Math.max(0, now - since)
}

/** Whether the wait after a failure is not over. A longer wait than there is dates from before the clock was set back. */
export function isWaiting(retryAt: number, now: number): boolean {
  return now < retryAt && retryAt - now <= KEY_TIMES.longestFailureMs
}
