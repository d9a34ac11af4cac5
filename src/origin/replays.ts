import type { Clock } from '../core/model/ports.ts'

/** A store of used assertions. All processes of an origin should share one. */
export interface Replays {
  /**
   * `true` for the first claim of an id, `false` for later ones; must be atomic. May forget the id
   * at `expires`, in seconds since the epoch. Throws or rejects if it fails; the request is then
   * refused.
   */
  claim(id: string, expires: number): boolean | Promise<boolean>
}

/** The default `max`: a minute of some 1,500 requests a second. */
const USUAL_MOST = 100_000

/**
 * Remembers used assertions in the memory of one process. Other processes, or this one after a
 * restart, accept them again. Throws when `max` unexpired ones are stored.
 */
export function createProcessReplays({
  max = USUAL_MOST,
  clock = { now: () => Date.now() },
}: {
  readonly max?: number
  readonly clock?: Clock
} = {}): Replays {
  const used = new Map<string, number>()
  let sweptAt: number | undefined
  /** At most once a second. */
  const sweep = (now: number) => {
    const second = Math.floor(now)
    if (second === sweptAt) return
    sweptAt = second
    for (const [id, expires] of used) if (expires <= now) used.delete(id)
  }
  return {
    claim(id, expires) {
      const now = clock.now() / 1000
      sweep(now)
      if ((used.get(id) ?? now) > now) return false
      if (used.size >= max) throw new RangeError(`more than ${max} assertions are remembered`)
      used.set(id, expires)
      return true
    },
  }
}
