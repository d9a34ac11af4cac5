import type { Batch } from './protocol.ts'

/** Milliseconds in which batches are gathered for one row. So a second has few rows, however many isolates write. */
export const GATHER = { ms: 250 }
/** Milliseconds by which a batch may come late, and more of which show that the clock went back. */
const LATE_MS = { gathered: 1_000, stepped: 10_000 } as const

/** Batches that will be stored together: at the `end`, or after `GATHER.ms`. */
interface Gathering {
  readonly batches: Batch[]
  readonly since: number
  readonly stored: Promise<void>
  end(): void
}

/**
 * Creates a function that gathers batches, and resolves once the batch is stored. If the machine's clock goes back, the
 * time of an object stands until the clock has caught up, and its timers fire no sooner. So a batch from which such a
 * step can be seen is stored at once, with all that wait. `onStep` gets the milliseconds of a long step.
 */
export function createGather(
  store: (batches: readonly Batch[]) => Promise<void>,
  onStep: (ms: number) => void,
) {
  let gathering: Gathering | undefined
  const begin = (since: number): Gathering => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const batches: Batch[] = []
    const stored = promise.then(() => {
      gathering = undefined
      return store(batches)
    })
    setTimeout(resolve, GATHER.ms)
    return { batches, since, stored, end: resolve }
  }
  return (batch: Batch): Promise<void> => {
    const now = Date.now()
    gathering ??= begin(now)
    const { batches, since, stored, end } = gathering
    batches.push(batch)
    const ahead = now - (batch.sentAt ?? now)
    if (ahead > LATE_MS.stepped) onStep(ahead)
    if (Math.max(ahead, now - since) > LATE_MS.gathered) end()
    return stored
  }
}
