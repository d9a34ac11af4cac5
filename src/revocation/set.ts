/** Bytes of one hash. */
const HASH_BYTES = 8
/** Slots of a new set; a power of two, as every number of slots. */
const FEWEST_SLOTS = 1_024
/** The share of the slots that is used at most: fewer bytes mean longer searches. */
const MOST_USED = 0.75

/** Hashes of 8 bytes; every method reads one out of `hashes`, where it begins at byte `at`. */
export interface RevocationSet {
  readonly size: number
  /** Bytes of memory that the hashes take. */
  readonly bytes: number
  has(hashes: Uint8Array, at: number): boolean
  add(hashes: Uint8Array, at: number): void
  delete(hashes: Uint8Array, at: number): void
}

/**
 * A compact set of hashes: 8 bytes a slot, between 11 and 22 bytes for each hash once there are more
 * than a few hundred, 17 at a million. A search reads two slots on average. Memory that a set has
 * grown to stays with it. It relies on its members being evenly spread, as digests are.
 */
export function createRevocationSet(): RevocationSet {
  // Open addressing with linear probing. A slot is two halves of a hash; two zeros are an empty one.
  let slots = new Uint32Array(2 * FEWEST_SLOTS)
  let mask = FEWEST_SLOTS - 1
  let used = 0
  // The one hash that looks like an empty slot.
  let hasZero = false

  const next = (slot: number): number => (slot + 1) & mask
  const isUsed = (slot: number): boolean =>
    (half(slots, 2 * slot) | half(slots, 2 * slot + 1)) !== 0

  /** The slot that holds the hash, or the empty one where it would belong. */
  const search = (first: number, second: number): number => {
    let slot = first & mask
    while (
      isUsed(slot) &&
      (half(slots, 2 * slot) !== first || half(slots, 2 * slot + 1) !== second)
    ) {
      slot = next(slot)
    }
    return slot
  }

  const put = (slot: number, first: number, second: number): void => {
    slots[2 * slot] = first
    slots[2 * slot + 1] = second
  }

  const grow = (): void => {
    const old = slots
    // First, so that a set that finds no memory is what it was.
    slots = new Uint32Array(2 * old.length)
    mask = old.length - 1
    for (let index = 0; index < old.length; index += 2) {
      const first = half(old, index)
      const second = half(old, index + 1)
      if ((first | second) !== 0) put(search(first, second), first, second)
    }
  }

  /** Empties a slot and moves up what was put further on because of it, so that searches stay short. */
  const vacate = (slot: number): void => {
    let hole = slot
    for (let other = next(slot); isUsed(other); other = next(other)) {
      const first = half(slots, 2 * other)
      const isBehind = ((other - first) & mask) >= ((other - hole) & mask)
      if (!isBehind) continue
      put(hole, first, half(slots, 2 * other + 1))
      hole = other
    }
    put(hole, 0, 0)
  }

  return {
    get size() {
      return used + (hasZero ? 1 : 0)
    },
    get bytes() {
      return slots.byteLength
    },
    has(hashes, at) {
      const first = halfAt(hashes, at)
      const second = halfAt(hashes, at + 4)
      return (first | second) === 0 ? hasZero : isUsed(search(first, second))
    },
    add(hashes, at) {
      const first = halfAt(hashes, at)
      const second = halfAt(hashes, at + 4)
      if ((first | second) === 0) {
        hasZero = true
        return
      }
      if (isUsed(search(first, second))) return
      if (used >= MOST_USED * (mask + 1)) grow()
      put(search(first, second), first, second)
      used++
    },
    delete(hashes, at) {
      const first = halfAt(hashes, at)
      const second = halfAt(hashes, at + 4)
      if ((first | second) === 0) {
        hasZero = false
        return
      }
      const slot = search(first, second)
      if (!isUsed(slot)) return
      vacate(slot)
      used--
    },
  }
}

/** Calls `use` with where each hash begins; throws before the first where there are not only whole ones. */
export function eachHash(hashes: Uint8Array, use: (at: number) => void): void {
  if (hashes.length % HASH_BYTES !== 0) throw new Error('a list of hashes is cut off')
  for (let at = 0; at < hashes.length; at += HASH_BYTES) use(at)
}

const half = (slots: Uint32Array, index: number): number => slots[index] as number

const halfAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0
