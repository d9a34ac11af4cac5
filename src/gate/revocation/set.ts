/** Bytes of one hash. */
const HASH_BYTES = 8
/** Slots of a new set. The number of slots is always a power of two. */
const FEWEST_SLOTS = 1_024
/** The maximum load: a higher one saves memory but slows searches. */
const MOST_USED = 0.75

/** A set of 8-byte hashes. Methods read one hash from `hashes`, at byte `at`. */
export interface RevocationSet {
  readonly size: number
  /** Bytes of memory for the hashes. */
  readonly bytes: number
  has(hashes: Uint8Array, at: number): boolean
  add(hashes: Uint8Array, at: number): void
  delete(hashes: Uint8Array, at: number): void
}

/**
 * A compact set of hashes: 8 bytes a slot, 11 to 22 bytes per hash above a few hundred, 17 at a
 * million. A search reads two slots on average. A set never shrinks. Members must be evenly
 * distributed, like digests.
 */
export function createRevocationSet(): RevocationSet {
  // Open addressing with linear probing. A slot is two halves of a hash; zeros mean empty.
  let slots = new Uint32Array(2 * FEWEST_SLOTS)
  let mask = FEWEST_SLOTS - 1
  let used = 0
  // The hash of zeros, which looks like an empty slot.
  let hasZero = false

  const next = (slot: number): number => (slot + 1) & mask
  const isUsed = (slot: number): boolean =>
    (half(slots, 2 * slot) | half(slots, 2 * slot + 1)) !== 0

  /** The slot of the hash, or the empty one where it belongs. */
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
    // Allocated first, so that a failure leaves the set unchanged.
    slots = new Uint32Array(2 * old.length)
    mask = old.length - 1
    for (let index = 0; index < old.length; index += 2) {
      const first = half(old, index)
      const second = half(old, index + 1)
      if ((first | second) !== 0) put(search(first, second), first, second)
    }
  }

  /** Empties a slot and moves up later members of its run, so that searches stay short. */
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

/** Calls `use` with the offset of each hash. Throws before the first call if a hash is incomplete. */
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
