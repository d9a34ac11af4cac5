/** A time span in whole seconds since the epoch, both ends included. */
export interface Within {
  readonly first: number
  readonly last: number
}

export const ALWAYS: Within = { first: Number.NEGATIVE_INFINITY, last: Number.POSITIVE_INFINITY }

/**
 * A remembered decision about a token on a rule: the facts that it is found by, the facts that follow from them, and
 * values made of both. It does not depend on the request, on revocation or on the key's freshness.
 */
export interface Admission<Facts = unknown> {
  readonly facts: Facts
  /** The time span in which the decision stays the same. */
  readonly within: Within
  /** Cached values by the function that made them; see {@link perAdmission}. */
  readonly made: Map<unknown, unknown>
  /** Bytes of the cached values. */
  bytes: number
  /** Called with the number of bytes added; negative where bytes are released. */
  counted?: (more: number) => void
}

/** The facts that one stage decided, and their time span. */
export interface Decided {
  readonly facts: object
  readonly within: Within
}

/** Joins the decisions of several stages. The time span of the result is the intersection of theirs. */
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

/** Whether an admission's time span includes a time, in milliseconds since the epoch. */
export function holdsAt({ within: { first, last } }: Admission, ms: number): boolean {
  const now = Math.floor(ms / 1000)
  return first <= now && now <= last
}

/** Makes a value once per admission and counts its bytes. Give `make` only facts of the guard's `Admitted`. */
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

/** Estimated bytes of a map entry. */
const PLACE_BYTES = 64

/** Adds to the bytes that an admission counts; a negative number releases bytes. */
export function weigh(admission: Admission, bytes: number): void {
  admission.bytes += bytes
  admission.counted?.(bytes)
}
