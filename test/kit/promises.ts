/** A change to one entry: made until a second (`Infinity` for good), or lifted. */
interface Change {
  readonly until: number | undefined
  readonly began: number
  ended: number
}

/**
 * What a revocation set has promised, whatever it is made of: for each entry the second up to which every
 * answer that is asked for from now on must have it. Changes may overlap; what is in doubt is not promised.
 */
export const createPromises = () => {
  let count = 0
  const changes = new Map<string, Change[]>()
  const promised = new Map<string, { readonly until: number }>()

  const least = (id: string, until: number | undefined): void => {
    const known = promised.get(id)
    if (!known) return
    if (until === undefined) promised.delete(id)
    else if (until < known.until) promised.set(id, { until })
  }

  return {
    /** A change is about to be asked for. It gives what is to be called when it was answered. */
    begin(id: string, until: number | undefined) {
      const change: Change = { until, began: count++, ended: Number.POSITIVE_INFINITY }
      const all = changes.get(id) ?? []
      changes.set(id, [...all, change])
      least(id, until)
      return (isAcknowledged: boolean): void => {
        change.ended = count++
        if (!isAcknowledged) return
        // Any of those that it did not come after for sure may have come last.
        const last = (changes.get(id) ?? [])
          .filter(({ ended }) => ended > change.began)
          .map((one) => one.until)
        if (last.includes(undefined)) return
        promised.set(id, { until: Math.min(...(last as number[])) })
      }
    },

    /** An entry was lost as it may be, or is only there until a second. */
    least,

    /** What is promised at a second. It gives what must be in an answer that was asked for now. */
    asked(now: number) {
      const then = [...promised]
      return (): readonly string[] =>
        then
          .filter(([id, promise]) => promised.get(id) === promise && promise.until > now)
          .map(([id]) => id)
          .sort()
    },

    ids: (): readonly string[] => [...promised.keys()],
  }
}
