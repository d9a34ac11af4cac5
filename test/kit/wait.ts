/**
 * Milliseconds that a test waits for what has to come. It only ends what hangs: a busy machine may take
 * long for anything, and no test is about how long.
 */
export const PATIENCE = 30_000

/** Something that changes, and those who wait for it to look different. */
export interface Changes {
  /** Lets every waiter look again. */
  notify(): void
  /**
   * Resolves with the first value other than `undefined` that `probe` gives, asked now and after
   * each change. Rejects with `what()` after `ms` milliseconds, or with what `probe` throws.
   */
  until<T>(probe: () => T | undefined, ms: number, what: () => string): Promise<T>
}

/** Makes a condition that tests can await, so that none of them has to sleep. */
export function changes(): Changes {
  const waiting = new Set<() => void>()
  return {
    notify() {
      for (const look of [...waiting]) look()
    },
    until<T>(probe: () => T | undefined, ms: number, what: () => string): Promise<T> {
      return new Promise<T>((done, fail) => {
        const settle = (finish: () => void) => {
          clearTimeout(timer)
          waiting.delete(look)
          finish()
        }
        const timer = setTimeout(
          () => settle(() => fail(new Error(`not within ${ms} ms: ${what()}`))),
          ms,
        )
        const look = () => {
          try {
            const value = probe()
            if (value !== undefined) settle(() => done(value))
          } catch (error) {
            settle(() => fail(error))
          }
        }
        waiting.add(look)
        look()
      })
    },
  }
}
