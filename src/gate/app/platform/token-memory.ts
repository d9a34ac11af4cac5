import type { Admission } from '../../base/admission.ts'
import { LIMITS } from '../../base/limits.ts'
import type { Clock, PassedToken, RememberedToken, TokenMemory } from '../../model/ports.ts'
import type { Route } from '../../model/route.ts'

interface Held extends RememberedToken {
  readonly admissions: Map<Route, Map<string, Admission>>
  /** Seconds since the epoch. */
  readonly expires: number
  /** The size of the entry with its admissions. */
  bytes: number
  /** Whether the entry was found since eviction last passed it. */
  used: boolean
}

/**
 * The most bytes a token with its claims takes, by its length. Usual claims take a third; claims of
 * nested brackets take all.
 */
const weightOf = ({ credential }: Pick<RememberedToken, 'credential'>): number =>
  17 * credential.authorization.length + 1_024

/** Bytes of an admission with its values and derived data. */
const admissionWeight = (values: string, { bytes }: Admission): number =>
  3_072 + 2 * values.length + bytes

/**
 * Verified tokens and their admissions in one isolate, bounded in entries and bytes. A token over
 * its share loses its admissions. A full memory evicts the oldest entries not found recently.
 * Entries stay until `expires`; the caller adds only tokens that passed the guard.
 * @example
 * ```ts
 * import { createGuard, createTokenMemory, type Policy } from 'edgewarden'
 *
 * const tokens = createTokenMemory({ clock: { now: () => Date.now() }, bytes: 8 * 1024 * 1024 })
 * export const guardOf = (policy: Policy) => createGuard(policy, { tokens })
 * ```
 */
export function createTokenMemory({
  clock,
  entries = LIMITS.verifiedTokens,
  bytes = LIMITS.verifiedTokenBytes,
  ofOne = LIMITS.verifiedTokenBytesOfOne,
}: {
  readonly clock: Clock
  readonly entries?: number
  readonly bytes?: number
  readonly ofOne?: number
}): TokenMemory & { readonly size: number; readonly bytes: number } {
  const held = new Map<string, Held>()
  let total = 0

  const drop = (authorization: string, entry: Held): void => {
    held.delete(authorization)
    total -= entry.bytes
  }
  const makeRoom = (weight: number, more = 0): void => {
    const now = clock.now() / 1000
    for (const [authorization, entry] of held) {
      if (held.size + more <= entries && total + weight <= bytes) return
      held.delete(authorization)
      if (entry.used && entry.expires > now) {
        entry.used = false
        held.set(authorization, entry)
      } else {
        total -= entry.bytes
      }
    }
  }
  /** Counts added bytes of an entry, and clears its admissions when over its share. */
  const grow = (entry: Held, more: number): void => {
    if (held.get(entry.credential.authorization) !== entry) return
    entry.bytes += more
    total += more
    if (entry.bytes > ofOne) {
      for (const admissions of entry.admissions.values()) {
        for (const admission of admissions.values()) delete admission.counted
      }
      entry.admissions.clear()
      total -= entry.bytes - weightOf(entry)
      entry.bytes = weightOf(entry)
    }
    if (total > bytes) makeRoom(0)
  }
  const admit = (entry: Held, { route, values, admission }: PassedToken): void => {
    const known = entry.admissions.get(route) ?? new Map<string, Admission>()
    const old = known.get(values)
    if (old) delete old.counted
    entry.admissions.set(route, known)
    known.set(values, admission)
    admission.counted = (more) => grow(entry, more)
    grow(entry, admissionWeight(values, admission) - (old ? admissionWeight(values, old) : 0))
  }

  return {
    get size() {
      return held.size
    },
    get bytes() {
      return total
    },
    find(authorization) {
      const entry = held.get(authorization)
      if (!entry) return undefined
      if (entry.expires <= clock.now() / 1000) {
        drop(authorization, entry)
        return undefined
      }
      entry.used = true
      return entry
    },
    keep(passed, expires) {
      const { credential, token, values, admission } = passed
      const weight = weightOf(passed)
      const all = weight + admissionWeight(values, admission)
      // Skips tokens that are already expired or too large.
      if (!(expires > clock.now() / 1000) || entries < 1 || all > Math.min(bytes, ofOne)) return
      const { authorization } = credential
      const old = held.get(authorization)
      if (old?.token === token) return admit(old, passed)
      if (old) drop(authorization, old)
      makeRoom(all, 1)
      const entry = {
        credential,
        token,
        admissions: new Map(),
        expires,
        bytes: weight,
        used: false,
      }
      held.set(authorization, entry)
      total += weight
      admit(entry, passed)
    },
  }
}
