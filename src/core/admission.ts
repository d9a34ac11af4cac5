/** Whole seconds since the epoch, first and last included. */
export interface Within {
  readonly first: number
  readonly last: number
}

export const ALWAYS: Within = { first: Number.NEGATIVE_INFINITY, last: Number.POSITIVE_INFINITY }

/**
 * What was decided once: the facts it is found by, those that depend on nothing else, and what was made of them.
 * It says nothing of the request, of revocation, or of the key as it is now.
 */
export interface Admission<Facts = unknown> {
  readonly facts: Facts
  /** When the same would be decided again. */
  readonly within: Within
  /** By the function that made it: see {@link perAdmission}. */
  readonly made: Map<unknown, unknown>
  /** Bytes of what was made. */
  bytes: number
  /** Called with the bytes that are added, or fewer than none that are let go. */
  counted?: (more: number) => void
}

/** What one stage has decided. */
export interface Decided {
  readonly facts: object
  readonly within: Within
}

/** An admission of what several stages have decided, for as long as all of them hold. */
export function admissionOf(decided: readonly Decided[]): Admission {
  return {
    facts: Object.freeze(Object.assign({}, ...decided.map(({ facts }) => facts))),
    within: {
      first: Math.max(...decided.map(({ within }) => within.first)),
      last: Math.min(...decided.map(({ within }) => within.last)),
    },
    made: new Map(),
    bytes: 0,
  }
}

/** Whether an admission holds at a time, in milliseconds. */
export function holdsAt({ within: { first, last } }: Admission, ms: number): boolean {
  const now = Math.floor(ms / 1000)
  return first <= now && now <= last
}

/**
 * Makes a value once for an admission, and tells how many bytes it takes with its place. `make` is given what
 * its caller has, and must make the same of it for every request of the admission.
 */
export function perAdmission<Given, Value>(
  make: (given: Given) => Value,
  bytesOf: (value: Value) => number,
): (admission: Admission, given: Given) => Value {
  return (admission, given) => {
    const known = admission.made.get(make)
    if (known !== undefined) return known as Value
    const value = make(given)
    admission.made.set(make, value)
    weigh(admission, bytesOf(value) + PLACE_BYTES)
    return value
  }
}

/** Of an entry of a map. */
const PLACE_BYTES = 64

/** Tells that so many more bytes are kept for an admission; fewer than none where some are let go. */
export function weigh(admission: Admission, bytes: number): void {
  admission.bytes += bytes
  admission.counted?.(bytes)
}
