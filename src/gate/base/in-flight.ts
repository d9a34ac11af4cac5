/** Counts requests in progress, by owner. */
export interface InFlight {
  /**
   * Counts one request of an owner until the returned function is called, once or more often; `undefined` where the
   * owner has `most` in progress. Call it in the context of the request. A request that ends without calling the
   * function, since the caller has gone, is not counted any more once it is collected, or fails to answer (see
   * {@link createInFlight}).
   */
  enter(owner: string, most: number): (() => void) | undefined
  /** How many requests of an owner are counted. */
  of(owner: string): number
}

interface Open {
  /** Asks the request for a sign of life. */
  ask(): void
  isAsked: boolean
}

/** Milliseconds that a request has for a sign of life. */
const PATIENCE_MS = 1_000

/**
 * Counts requests in progress in one isolate. workerd ends the code of a request whose connection breaks, without any
 * event. So from half of what an owner may have, each of its requests is asked for a sign of life once a second, by a
 * promise of its own: those that have ended do not answer. workerd logs a warning for each of these.
 */
export function createInFlight(clock: { now(): number }): InFlight & { readonly size: number } {
  const owners = new Map<string, { readonly open: Set<Open>; askedAt: number }>()
  const lost = new FinalizationRegistry<() => void>((leave) => leave())
  const listen = (one: Open): void => {
    const asked = new Promise<void>((answer) => {
      one.ask = answer
    })
    void asked.then(() => {
      one.isAsked = false
      listen(one)
    })
  }
  return {
    get size() {
      return [...owners.values()].reduce((sum, { open }) => sum + open.size, 0)
    },
    of: (owner) => owners.get(owner)?.open.size ?? 0,
    enter(owner, most) {
      const own = owners.get(owner) ?? { open: new Set(), askedAt: Number.NEGATIVE_INFINITY }
      const { open } = own
      if (2 * open.size >= most && Math.abs(clock.now() - own.askedAt) >= PATIENCE_MS) {
        own.askedAt = clock.now()
        for (const one of open) {
          if (one.isAsked) open.delete(one)
          else {
            one.isAsked = true
            one.ask()
          }
        }
      }
      if (open.size >= most) return undefined
      const one: Open = { ask() {}, isAsked: false }
      listen(one)
      open.add(one)
      owners.set(owner, own)
      const end = () => {
        open.delete(one)
        if (open.size === 0 && owners.get(owner) === own) owners.delete(owner)
      }
      // A second function, because the registry keeps the first one.
      const leave = () => {
        lost.unregister(one)
        end()
      }
      lost.register(leave, end, one)
      return leave
    },
  }
}
