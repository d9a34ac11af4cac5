import { LIMITS } from './limits.ts'

/** The bytes that one piece of work holds, counted against a common limit. */
export interface Room {
  /** Takes more bytes. Gives `false` and takes none where there is no room for them. */
  take(bytes: number): boolean
  /** Gives all of it back, once and for all. */
  leave(): void
}

/** Counts all bytes that are held at a time. */
export interface Rooms {
  /**
   * Opens a room for one piece of work of an owner. Call `leave` on every way out. A runtime may end a request whose
   * caller has gone, and then none of its code runs: such a room is left when it is garbage collected, and after `ms`
   * at the latest.
   */
  open(owner: string, ms: number): Room
}

interface Open extends Room {
  /** Milliseconds. */
  readonly until: number
}

/** Bytes that all owners may hold together, and one of them. */
export function createRooms(
  clock: { now(): number },
  { bytes, ofOne }: typeof LIMITS.heldBodies = LIMITS.heldBodies,
): Rooms & { readonly taken: number } {
  const owners = new Map<string, number>()
  const open = new Set<Open>()
  let taken = 0
  let earliest = Number.POSITIVE_INFINITY

  /** Leaves a room whose request ended without leaving it. */
  const lost = new FinalizationRegistry<Open>((room) => room.leave())

  const add = (owner: string, more: number) => {
    taken += more
    const held = (owners.get(owner) ?? 0) + more
    if (held === 0) owners.delete(owner)
    else owners.set(owner, held)
  }
  const fits = (owner: string, more: number) =>
    taken + more <= bytes && (owners.get(owner) ?? 0) + more <= ofOne
  /** Leaves what is over its time. */
  const sweep = () => {
    const now = clock.now()
    if (now < earliest) return
    earliest = Number.POSITIVE_INFINITY
    for (const room of open) {
      if (room.until <= now) room.leave()
      else earliest = Math.min(earliest, room.until)
    }
  }
  return {
    get taken() {
      return taken
    },
    open(owner, ms) {
      let mine = 0
      let isOver = false
      const room: Open = {
        until: clock.now() + ms,
        take(more) {
          if (!isOver && !fits(owner, more)) sweep()
          if (isOver || !fits(owner, more)) return false
          if (mine === 0) {
            open.add(room)
            earliest = Math.min(earliest, room.until)
          }
          mine += more
          add(owner, more)
          return true
        },
        leave() {
          lost.unregister(room)
          open.delete(room)
          if (!isOver && mine > 0) add(owner, -mine)
          isOver = true
        },
      }
      // A second object is watched: the first one is kept in `open`, so it is never collected.
      const owned: Room = { take: room.take, leave: room.leave }
      lost.register(owned, room, room)
      return owned
    },
  }
}
