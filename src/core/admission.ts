/** Whole seconds since the epoch, first and last included. */
export interface Within {
  readonly first: number
  readonly last: number
}

export const ALWAYS: Within = { first: Number.NEGATIVE_INFINITY, last: Number.POSITIVE_INFINITY }

/**
 * What a token may do on a rule, decided once: the facts it is found by, the facts that follow from them, and values
 * made of these. Nothing in it depends on the request, on revocation or on whether the key is still good.
 */
export interface Admission<Facts = unknown> {
  readonly facts: Facts
  /** When the decision is the same. */
  readonly within: Within
  /** By the function that made it: see {@link perAdmission}. */
  readonly made: Map<unknown, unknown>
  /** Bytes of what was made. */
  bytes: number
  /** Called with the bytes that are added; negative where some are released. */
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
 * Makes a value once for an admission and counts its bytes. `make` must give the same value for every request of the
 * admission, so give it only facts that are the same for each: the guard's `Admitted`.
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

/** Counts bytes that an admission keeps; negative where some are released. */
export function weigh(admission: Admission, bytes: number): void {
  admission.bytes += bytes
  admission.counted?.(bytes)
}
