import type { Batch } from '../../gate/outbox/protocol.ts'
import { beginWait, type Wait } from '../../gate/platform/wait.ts'

/** Milliseconds in which batches are gathered for one row. So a second has few rows, however many isolates write. */
export const GATHER = { ms: 250 }
/** Milliseconds by which a batch comes late after a long step of the clock. */
const STEPPED_MS = 10_000

/** Batches that will be stored together, at the end of a wait. */
interface Gathering {
  readonly batches: Batch[]
  readonly wait: Wait
  readonly stored: Promise<void>
}

/**
 * Creates a function that gathers batches, and resolves once the batch is stored. After a step of the clock a batch is
 * stored at once, with all that wait: see {@link beginWait}. `onStep` gets the milliseconds of a long step.
 */
export function createGather(
  store: (batches: readonly Batch[]) => Promise<void>,
  onStep: (ms: number) => void,
) {
  let gathering: Gathering | undefined
  const begin = (): Gathering => {
    const batches: Batch[] = []
    const wait = beginWait(GATHER.ms)
    const stored = wait.over.then(() => {
      gathering = undefined
      return store(batches)
    })
    return { batches, wait, stored }
  }
  return (batch: Batch): Promise<void> => {
    gathering ??= begin()
    const { batches, wait, stored } = gathering
    batches.push(batch)
    const late = wait.hear(batch.sentAt)
    if (late > STEPPED_MS) onStep(late)
    return stored
  }
}
