/** Milliseconds by which a timer or a message may come late; more of them show that the clock went back. */
const LATE_MS = 1_000

/** A wait that has begun. */
export interface Wait {
  /** Resolves at the end. */
  readonly over: Promise<void>
  /** Takes note of a message, and returns by how many milliseconds it came late. */
  hear(sentAt: number | undefined): number
}

/**
 * Begins to wait for so many milliseconds. If the machine's clock goes back, the time of an object stands until the
 * clock has caught up, and its timers fire no sooner. So a message from which such a step can be seen ends the wait.
 */
export function beginWait(ms: number): Wait {
  const { promise, resolve } = Promise.withResolvers<void>()
  const since = Date.now()
  setTimeout(resolve, ms)
  return {
    over: promise,
    hear(sentAt) {
      const now = Date.now()
      const late = now - (sentAt ?? now)
      if (Math.max(late, now - since) > ms + LATE_MS) resolve()
      return late
    },
  }
}
