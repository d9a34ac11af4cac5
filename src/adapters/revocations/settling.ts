import type { HandedPage, Handing } from './handing.ts'
import { inTime } from './in-time.ts'
import { type Head, isServing, type RevocationLog } from './log.ts'

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

/** A version that nobody has. */
const NONE = -1

/**
 * Begins an epoch in a shard that leads and has none: it is new, or has lost what it had. Whatever any
 * replica still holds is taken over first, and those that may still answer are counted in, so that no
 * change is acknowledged without them. Rejects where one of them cannot be asked.
 */
export const settle = async (options: SettlingOptions): Promise<void> => {
  const { storage, log, names, reach, enrol } = options
  const held = await Promise.all(
    (await inTime(names)).map(async (name) => ({
      name,
      ...(await inTime(() => reach(name).holds())),
    })),
  )
  const survivors = held
    .filter(({ epoch }) => epoch !== '')
    .sort((one, other) => other.version - one.version)
  const copied = new Set<string>()
  for (const survivor of survivors) {
    const { name, epoch, version } = survivor
    // One that is still to catch up may lack what another has that has come no further.
    const state = isServing(survivor) ? `${epoch} ${version}` : name
    if (copied.has(state)) continue
    await takeOver(reach(name), options)
    copied.add(state)
  }
  storage.transactionSync(() => {
    const version = Math.max(log.head().version, ...survivors.map((one) => one.version))
    for (const { name } of survivors) enrol(name, NONE)
    log.begin({ epoch: crypto.randomUUID(), version })
    log.serve(version)
  })
}

const takeOver = async (
  survivor: Survivor,
  { storage, handing }: SettlingOptions,
): Promise<void> => {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after
    const page = await inTime(() => survivor.handAll(from))
    storage.transactionSync(() => handing.takeNewer(page.rows))
    after = page.after
  }
}
