import type { Clock } from '../core/model/ports.ts'

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
export function createProcessReplays({
  max = USUAL_MOST,
  clock = { now: () => Date.now() },
}: {
  readonly max?: number
  readonly clock?: Clock
} = {}): Replays {
  const used = new Map<string, number>()
  /** Ids by the second from which they may be forgotten: those that are still good are not walked over. */
  const due = new Map<number, string[]>()
  let sweptAt: number | undefined
  const sweep = (now: number) => {
    const second = Math.floor(now)
    if (second === sweptAt) return
    sweptAt = second
    for (const [end, ids] of due) {
      if (end > second) continue
      due.delete(end)
      // One that was claimed anew meanwhile is good for longer.
      for (const id of ids) if ((used.get(id) ?? now) <= now) used.delete(id)
    }
  }
  return {
    claim(id, expires) {
      const now = clock.now() / 1000
      sweep(now)
      if ((used.get(id) ?? now) > now) return false
      if (used.size >= max) throw new RangeError(`more than ${max} assertions are remembered`)
      used.set(id, expires)
      const end = Math.ceil(expires)
      const ids = due.get(end)
      if (ids) ids.push(id)
      else due.set(end, [id])
      return true
    },
  }
}
