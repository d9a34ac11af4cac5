import type { Admission } from '../../core/admission.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Clock, PassedToken, RememberedToken, TokenMemory } from '../../core/model/ports.ts'
import type { Route } from '../../core/model/route.ts'

interface Held extends RememberedToken {
  readonly admissions: Map<Route, Map<string, Admission>>
  /** Seconds since the epoch. */
  readonly expires: number
  /** Of all of it. */
  bytes: number
  /** Whether it was found since it was last considered for removal. */
  used: boolean
}

/**
 * Bytes that a token of so many characters takes at most: its text and its claims. Usual claims take a third of
 * it; claims of nothing but brackets take all of it.
 */
const weightOf = ({ credential }: Pick<RememberedToken, 'credential'>): number =>
  17 * credential.authorization.length + 1_024

/** Bytes of an admission with its values, and with what was made of it, which tells its own weight. */
const admissionWeight = (values: string, { bytes }: Admission): number =>
  3_072 + 2 * values.length + bytes

/**
 * Verified tokens, and what was decided of them once, in the memory of one isolate, bounded in entries and in
 * bytes. A token that has gathered more than its share loses what was decided of it. When the memory is full, the
 * oldest that were not found since they were last passed over make room. Holds whatever it is given until its
 * `expires`; it is the line that gives it nothing but tokens that passed.
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
  /** Counts what was added to an entry, and keeps it within its share. */
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
      // One that could never be found, within the clock's tolerance say, takes nobody's place.
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
