import { createYielder, inTime } from '../platform/calls.ts'
import { isServing, type RevocationLog } from './log.ts'
import type { Head, Peer } from './protocol.ts'
import type { Replication } from './replication.ts'

/** What recovery is done with. */
export interface RecoveryOptions {
  readonly storage: DurableObjectStorage
  readonly log: RevocationLog
  readonly replication: Replication
  /** The names of all replicas that ever enrolled. */
  readonly names: () => PromiseLike<readonly string[]>
  readonly sibling: (name: string) => Pick<Peer, 'head' | 'copyPage'>
  /** Counts a replica in again. */
  readonly enrol: (name: string, acked: number) => void
}

interface Survivor extends Head {
  readonly name: string
}

/** A version that nobody has. */
const NONE = -1

/**
 * Begins an epoch in a primary that has none: it is new, or has lost what it had. Whatever any replica
 * still holds is taken over first, and those that may still answer are counted in, so that no change is
 * acknowledged without them. Rejects where one of them cannot be asked.
 */
export async function recover(options: RecoveryOptions): Promise<void> {
  const { storage, log, names, sibling, enrol } = options
  const replicas = await Promise.all(
    (await inTime(names)).map(async (name) => ({
      name,
      ...(await inTime(() => sibling(name).head())),
    })),
  )
  const survivors = replicas.filter(({ epoch }) => epoch !== '')
  await takeOver(survivors, options)
  storage.transactionSync(() => {
    const version = Math.max(log.head().version, ...survivors.map((one) => one.version))
    for (const { name } of survivors) enrol(name, NONE)
    log.begin({ epoch: epochAfter(survivors), version })
    log.serve(version)
  })
}

/** One that comes after all of these in order. */
const epochAfter = (survivors: readonly Survivor[]): string => {
  const numbers = survivors.map(({ epoch }) => Number(/^t(\d+)-/.exec(epoch)?.[1] ?? 0))
  return `t${String(Math.max(0, ...numbers) + 1).padStart(9, '0')}-${crypto.randomUUID()}`
}

/**
 * Takes over the entries of the survivors of the last epoch, which took over all before it. The one that has
 * come furthest among those that answer reads has everything up to there, and knows what was lifted; of the
 * others only what is newer is taken. Where none answers, each may lack something.
 */
const takeOver = async (
  survivors: readonly Survivor[],
  { storage, replication, sibling }: RecoveryOptions,
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
  const pause = createYielder()
  const take = async (name: string, above: number): Promise<void> => {
    for (let from: number | undefined = 0; from !== undefined; await pause()) {
      const after: number = from
      const page = await inTime(() => sibling(name).copyPage(after))
      const newer = page.rows.filter(({ version }) => version > above)
      storage.transactionSync(() => replication.putNewer(newer))
      from = page.after
    }
  }
  await take(first.name, NONE)
  for (const { name } of others) await take(name, known)
}
