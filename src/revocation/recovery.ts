import { createYielder, inTime } from '../platform/calls.ts'
import { type Head, isServing, type RevocationLog } from './log.ts'
import type { HandedPage, Handing } from './replication.ts'

/** What may hold the set still when the shard that leads has lost it. */
export interface Survivor {
  holds(): PromiseLike<Head>
  handAll(after: number): PromiseLike<HandedPage>
}

/** What settling is done with. */
export interface SettlingOptions {
  readonly storage: DurableObjectStorage
  readonly log: RevocationLog
  readonly handing: Handing
  /** The names of all who have ever been enrolled. */
  readonly names: () => PromiseLike<readonly string[]>
  readonly reach: (name: string) => Survivor
  /** Counts a replica in again. */
  readonly enrol: (name: string, acked: number) => void
}

interface Held extends Head {
  readonly name: string
}

/** A version that nobody has. */
const NONE = -1

/**
 * Begins an epoch in a shard that leads and has none: it is new, or has lost what it had. Whatever any
 * replica still holds is taken over first, and those that may still answer are counted in, so that no
 * change is acknowledged without them. Rejects where one of them cannot be asked.
 */
export async function settle(options: SettlingOptions): Promise<void> {
  const { storage, log, names, reach, enrol } = options
  const held = await Promise.all(
    (await inTime(names)).map(async (name) => ({
      name,
      ...(await inTime(() => reach(name).holds())),
    })),
  )
  const survivors = held.filter(({ epoch }) => epoch !== '')
  await takeOver(survivors, options)
  storage.transactionSync(() => {
    const version = Math.max(log.head().version, ...survivors.map((one) => one.version))
    for (const { name } of survivors) enrol(name, NONE)
    log.begin({ epoch: epochAfter(survivors.map(({ epoch }) => epoch)), version })
    log.serve(version)
  })
}

/** One that comes after all of these in order; those of an older schema, hexadecimal, come before any. */
const epochAfter = (epochs: readonly string[]): string => {
  const last = Math.max(0, ...epochs.map((epoch) => Number(/^t(\d+)-/.exec(epoch)?.[1] ?? 0)))
  return `t${String(last + 1).padStart(9, '0')}-${crypto.randomUUID()}`
}

/**
 * Takes over what those of the last epoch hold, which took over all before it. The one that has come furthest
 * among those that answer has everything up to there, and knows what was lifted; of the others only what is
 * newer is taken. Where none answers, each may lack something.
 */
const takeOver = async (
  survivors: readonly Held[],
  { storage, handing, reach }: SettlingOptions,
): Promise<void> => {
  const last = survivors
    .map(({ epoch }) => epoch)
    .sort()
    .at(-1)
  const [first, ...others] = survivors
    .filter(({ epoch }) => epoch === last)
    .sort(
      (one, other) =>
        Number(isServing(other)) - Number(isServing(one)) || other.version - one.version,
    )
  if (!first) return
  const known = isServing(first) ? first.version : NONE
  const breath = createYielder()
  const take = async (name: string, above: number): Promise<void> => {
    for (let from = 0; ; await breath()) {
      const { rows, after } = await inTime(() => reach(name).handAll(from))
      const newer = rows.filter(({ version }) => version > above)
      storage.transactionSync(() => handing.takeNewer(newer))
      if (after === undefined) return
      from = after
    }
  }
  await take(first.name, NONE)
  for (const { name } of others) await take(name, known)
}
