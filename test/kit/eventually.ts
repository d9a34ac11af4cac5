import { vi } from 'vitest'
import { PATIENCE } from './wait.ts'

const LONGEST_PAUSE = 400

/**
 * Waits until what is asserted holds; gives up on what hangs, and not on a busy machine. The longer it takes, the
 * longer are the pauses, unless `interval` says how long: most of what tests ask a gate for is asked for here.
 */
export async function eventually<T>(holds: () => T | Promise<T>, interval?: number): Promise<T> {
  // Time that stands still is moved on.
  if (vi.isFakeTimers()) return vi.waitFor(holds, { timeout: PATIENCE })
  for (const began = performance.now(); ; ) {
    try {
      return await holds()
    } catch (error) {
      const passed = performance.now() - began
      if (passed > PATIENCE) throw error
      const pause = interval ?? Math.min(20 + passed / 8, LONGEST_PAUSE)
      await new Promise((done) => setTimeout(done, pause))
    }
  }
}
