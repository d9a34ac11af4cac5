import { createMemoryReplays } from '../../../src/gate/model/memory-replays.ts'
import type { Clock } from '../../../src/gate/model/ports.ts'

/** A store of used assertions. All processes of an origin should share one. */
export interface Replays {
  /**
   * `true` for the first claim of an id, `false` for later ones; must be atomic. May forget the id
   * at `expires`, in seconds since the epoch. Throws or rejects if it fails; the request is then
   * refused.
   */
  claim(id: string, expires: number): boolean | Promise<boolean>
}

/**
 * Remembers used assertions in the memory of one process. Other processes, or this one after a
 * restart, accept them again. Throws when `max` unexpired ones are stored; the default is enough for
 * a minute of some 1,500 requests a second.
 * @example
 * ```ts
 * import { createAgentVerifier, createProcessReplays } from 'edgewarden-origin'
 *
 * export const verify = createAgentVerifier({
 *   gate: 'https://api.example.com',
 *   audience: 'https://origin.example.com',
 *   replays: createProcessReplays(),
 * })
 * ```
 */
export function createProcessReplays({
  max = 100_000,
  clock = { now: () => Date.now() },
}: {
  readonly max?: number
  readonly clock?: Clock
} = {}): Replays {
  return createMemoryReplays({ clock, capacity: max })
}
