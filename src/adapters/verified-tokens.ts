import { LIMITS } from '../base/limits.ts'
import type { Clock, TokenMemory } from '../model/ports.ts'
import { countAttached, type RememberedToken } from '../model/token.ts'

interface Held extends RememberedToken {
  /** Seconds since the epoch. */
  readonly expires: number
  bytes: number
  /** Whether it was found since it was last considered for removal. */
  used: boolean
}

/**
 * Bytes that a token of so many characters takes at most: its text, its claims and what is made of
 * them once. Usual claims take a third of it; claims of nothing but brackets take all of it. What is made for
 * each rule tells its own weight.
 */
const weightOf = (token: string): number => 17 * token.length + 1_024

/**
 * Verified tokens in the memory of one isolate, bounded in entries and in bytes, those of all that is made
 * for a token and goes with it included. One that has gathered more than its share goes. When it is full, the oldest that were not found since they were last passed over make room. Holds whatever it is
 * given until its `expires`; it is the line that gives it nothing but tokens that passed.
 */
export const createTokenMemory = ({
  clock,
  entries = LIMITS.verifiedTokens,
  bytes = LIMITS.verifiedTokenBytes,
  ofOne = LIMITS.verifiedTokenBytesOfOne,
}: {
  readonly clock: Clock
  readonly entries?: number
  readonly bytes?: number
  readonly ofOne?: number
}): TokenMemory & { readonly size: number; readonly bytes: number } => {
  const held = new Map<string, Held>()
  let total = 0

  const drop = (token: string, entry: Held): void => {
    held.delete(token)
    total -= entry.bytes
  }
  const makeRoom = (weight: number): void => {
    const now = clock.now() / 1000
    for (const [token, entry] of held) {
      if (held.size < entries && total + weight <= bytes) return
      held.delete(token)
      if (entry.used && entry.expires > now) {
        entry.used = false
        held.set(token, entry)
      } else {
        total -= entry.bytes
      }
    }
  }

  return {
    get size() {
      return held.size
    },
    get bytes() {
      return total
    },
    find(token) {
      const entry = held.get(token)
      if (!entry) return undefined
      if (entry.expires <= clock.now() / 1000) {
        drop(token, entry)
        return undefined
      }
      entry.used = true
      return entry
    },
    keep(remembered, expires) {
      const { token } = remembered.credential
      const old = held.get(token)
      if (old) drop(token, old)
      const entry = { ...remembered, expires, bytes: 0, used: false }
      const grow = (more: number) => {
        if (held.get(token) !== entry) return
        entry.bytes += more
        total += more
        if (entry.bytes > ofOne) drop(token, entry)
        else if (total > bytes) makeRoom(0)
      }
      const weight = weightOf(token) + countAttached(remembered.token, grow)
      // One that could never be found, within the clock's tolerance say, takes nobody's place.
      if (!(expires > clock.now() / 1000) || entries < 1 || weight > Math.min(bytes, ofOne)) return
      makeRoom(weight)
      entry.bytes = weight
      held.set(token, entry)
      total += weight
    },
  }
}
