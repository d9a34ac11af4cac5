/** How long keys are believed and how often an issuer is asked, in one place. */
export const KEY_TIMES = {
  /** Milliseconds a set is used without asking again. */
  freshMs: 10 * 60_000,
  /** Milliseconds the last good set is used at most. */
  staleMs: 24 * 3_600_000,
  /** Milliseconds between two questions that unknown key ids may cause. */
  cooldownMs: 30_000,
  /** Milliseconds a failure is remembered, while nothing is held or while a set is being renewed. */
  failureMs: 5_000,
  /** Milliseconds one question to an issuer may take: two metadata documents and the set, and some slack. */
  askMs: 20_000,
  /** Milliseconds KV may take before the issuer is asked instead. */
  recallMs: 2_000,
  /** Milliseconds by which another machine's clock may be ahead. */
  skewMs: 60_000,
  /** Seconds a location may answer from its copy of the KV record. */
  kvCopySeconds: 60,
  /** Redirects of one document. */
  redirects: 2,
} as const
