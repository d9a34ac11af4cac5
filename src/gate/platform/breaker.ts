import { within } from '../base/timeout.ts'
import { dropOldest } from './buckets.ts'
import { type Background, system } from './system.ts'

/** Milliseconds that a call waits for a late dependency, and milliseconds between two probes of it. */
const SHORT_MS = 1_000
/** Most dependencies that are remembered as late. */
const MOST = 1_024

export type Breaker = ReturnType<typeof createBreaker>

/**
 * A circuit breaker in the memory of an isolate. A dependency is late from a call without an answer in time until its
 * next answer. Calls to a late dependency wait for a second at most. Each call is still made, so that an answer is
 * noticed at once; one call in a second may go on after its request, so that a slow answer is noticed too. A call
 * without an answer rejects, so nothing is allowed by it.
 */
export function createBreaker({
  clock = system.clock,
  waitUntil = () => {},
}: Partial<Pick<Background, 'clock' | 'waitUntil'>> = {}) {
  /** When the last probe of a late dependency began. */
  const late = new Map<string, number>()
  const suspect = (name: string): void => {
    if (late.has(name)) return
    dropOldest(late, MOST)
    late.set(name, clock.now())
  }
  return {
    isLate: (name: string): boolean => late.has(name),
    /** Takes a dependency for late, such as one that fails together with another. */
    suspect,
    /** The answer of a dependency; rejects after `ms` milliseconds, or sooner if it is late. The call itself goes on. */
    async call<Value>(
      name: string,
      call: () => PromiseLike<Value> | Value,
      ms: number,
    ): Promise<Value> {
      const now = clock.now()
      const probedAt = late.get(name)
      const isLate = probedAt !== undefined
      const answer = (async () => await call())().then((value) => {
        late.delete(name)
        return value
      })
      if (isLate && Math.abs(now - probedAt) >= SHORT_MS) {
        late.set(name, now)
        waitUntil(within(answer, ms, () => {}).catch(() => {}))
      }
      const wait = isLate ? Math.min(ms, SHORT_MS) : ms
      return within(answer, wait, () => {
        suspect(name)
        // A late dependency is not asked twice for one request, just as an overloaded one.
        throw Object.assign(new Error(`no answer within ${wait} ms`), { overloaded: isLate })
      })
    },
  }
}
