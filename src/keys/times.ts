import type { KeyTimes } from '../core/model/issuer.ts'

/** How long keys are believed and how often an issuer is asked, in one place; an entry says the rest. */
export const KEY_TIMES = {
  /** Milliseconds a set is fresh at least, and where the issuer says nothing (RFC 9111 §4.2). */
  leastFreshMs: 60_000,
  usualFreshMs: 10 * 60_000,
  /** Milliseconds a failure is waited out: the first, and the longest of those that follow. */
  failureMs: 5_000,
  longestFailureMs: 60_000,
  /** Milliseconds one question to an issuer may take: two metadata documents and the set, and some slack. */
  askMs: 20_000,
  /** Milliseconds a request waits for keys to be confirmed that it can go on with. */
  patienceMs: 1_000,
  /** Milliseconds KV may take before the keeper is asked instead. */
  recallMs: 2_000,
  /** Milliseconds by which another machine's clock may be ahead. */
  skewMs: 60_000,
  /** Seconds a location may answer from its copy of the KV record. */
  kvCopySeconds: 60,
  /** Milliseconds a KV record lives. */
  kvLifeMs: 24 * 3_600_000,
  /** Milliseconds after which an unchanged record is written to KV again: 48 times a day. */
  rewriteMs: 30 * 60_000,
  /** Milliseconds between two writes of a record. */
  writeGapMs: 1_000,
  /** Milliseconds between two runs of the cron trigger in wrangler.toml. */
  cronMs: 5 * 60_000,
  /** Redirects of one document. */
  redirects: 2,
  /** Rotations a record tells of. */
  rotations: 20,
} as const

/**
 * Milliseconds a document is fresh: what the issuer says (`maxAge`, seconds), within bounds. Up to
 * half of it, nobody is asked; in the second half it serves while it is renewed.
 */
export function lifetimeOf(maxAge: number | undefined, { maxFresh }: KeyTimes): number {
  const said = maxAge === undefined ? KEY_TIMES.usualFreshMs : maxAge * 1000
  return Math.min(Math.max(said, KEY_TIMES.leastFreshMs), maxFresh)
}

/** Milliseconds up to which a set may serve at all. */
export function lifeOf(maxAge: number | undefined, times: KeyTimes): number {
  return Math.max(lifetimeOf(maxAge, times), times.staleIfError)
}
