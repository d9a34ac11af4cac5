import { LIMITS } from './limits.ts'

/** The bytes that one piece of work buffers, counted against a shared limit. */
export interface Room {
  /** Takes more bytes. Returns `false`, and takes none, where they do not fit. */
  take(bytes: number): boolean
  /** Returns all bytes. The room can take none after that. */
  leave(): void
}

/** Counts all bytes that are buffered at a time. */
export interface Rooms {
  /**
   * Opens a room for one piece of work of an owner. Call `leave` on every exit. A request that ends without it, since
   * the caller disconnected, leaves the room on garbage collection, or after `ms` at the latest.
   */
  open(owner: string, ms: number): Room
}

/** Rooms for bodies that are read only to be dropped: of callers whose signature was verified, and of strangers. */
export interface DropRooms {
  readonly known: Rooms
  readonly strangers: Rooms
}

interface Open extends Room {
  /** Milliseconds since the epoch. */
  readonly until: number
}

/** Creates rooms. `bytes`: the most for all owners together. `ofOne`: the most for one owner. */
export function createRooms(
  clock: { now(): number },
  { bytes, ofOne }: Readonly<Record<'bytes' | 'ofOne', number>> = LIMITS.heldBodies,
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
  /** Leaves the rooms whose time is over. */
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
      // Registers a second object, because `open` keeps the first one, which is therefore never collected.
      const owned: Room = { take: room.take, leave: room.leave }
      lost.register(owned, room, room)
      return owned
    },
  }
}
