import { vi } from 'vitest'
import { PATIENCE } from './wait.ts'

/** Waits until what is asserted holds; gives up on what hangs, and not on a busy machine. */
export const eventually = <T>(holds: () => T | Promise<T>, interval?: number): Promise<T> =>
  vi.waitFor(holds, { timeout: PATIENCE, ...(interval !== undefined && { interval }) })
