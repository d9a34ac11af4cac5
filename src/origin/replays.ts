import type { Clock } from '../model/ports.ts'

/** Remembers which assertions were used. Share one store among all processes of an origin. */
export interface Replays {
  /**
   * `true` for the first who claims the id, `false` for everybody after; in one step, so that of two
   * at once one is second. May forget the id at `expires`, seconds since the epoch. Throws or
   * rejects where it cannot tell, and the request is refused.
   */
  claim(id: string, expires: number): boolean | Promise<boolean>
}

/** Assertions a process remembers, unless told: a minute of some 1,500 requests a second. */
const USUAL_MOST = 100_000

/**
 * Remembers used assertions in the memory of one process: a second process, or the same one after
 * a restart, takes a used assertion again. Holds `max` of them and, when it is full, throws rather
 * than forget one that is still good.
 */
export const createProcessReplays = ({
  max = USUAL_MOST,
  clock = { now: () => Date.now() },
}: {
  readonly max?: number
  readonly clock?: Clock
} = {}): Replays => {
  const used = new Map<string, number>()
  const forget = (now: number, isWhole: boolean) => {
    for (const [id, expires] of used) {
      if (expires <= now) used.delete(id)
      else if (!isWhole) return
    }
  }
  return {
    claim(id, expires) {
      const now = clock.now() / 1000
      forget(now, used.size >= max)
      if ((used.get(id) ?? now) > now) return false
      if (used.size >= max) throw new RangeError(`more than ${max} assertions are remembered`)
      // In again, behind those that expire sooner.
      used.delete(id)
      used.set(id, expires)
      return true
    },
  }
}
