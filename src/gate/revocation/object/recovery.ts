import { createYielder, inTime } from '../../platform/calls.ts'
import { type Head, REGISTRY } from '../protocol.ts'
import { isServing } from './log.ts'
import type { ShardParts } from './parts.ts'

interface Survivor extends Head {
  readonly name: string
}

/** A version before all others. */
const NONE = -1

/**
 * Starts an epoch in a primary without one: it is new, or has lost its data. First it copies the
 * entries of all replicas, and enrols those with data: they must acknowledge every change. Rejects
 * if a replica is unreachable. `enrol`: enrols a replica again.
 */
export async function recover(
  parts: Omit<ShardParts, 'store'>,
  enrol: (name: string, acked: number) => void,
): Promise<void> {
  const { ctx, log, sibling } = parts
  const names = await inTime(() => sibling(REGISTRY).names())
  const replicas = await Promise.all(
    names.map(async (name) => ({
      name,
      ...(await inTime(() => sibling(name).head())),
    })),
  )
  const survivors = replicas.filter(({ epoch }) => epoch !== '')
  await takeOver(survivors, parts)
  ctx.storage.transactionSync(() => {
    const version = Math.max(log.head().version, ...survivors.map((one) => one.version))
    for (const { name } of survivors) enrol(name, NONE)
    log.begin({ epoch: epochAfter(survivors), version })
    log.serve(version)
  })
}

/** A new epoch that sorts after those of all survivors. */
const epochAfter = (survivors: readonly Survivor[]): string => {
  const numbers = survivors.map(({ epoch }) => Number(/^t(\d+)-/.exec(epoch)?.[1] ?? 0))
  return `t${String(Math.max(0, ...numbers) + 1).padStart(9, '0')}-${crypto.randomUUID()}`
}

/**
 * Copies the entries of the survivors of the latest epoch, which includes earlier ones. The most
 * advanced serving replica is complete up to its version, removals included. So only newer entries
 * are copied from the others. If no survivor serves, each of them may lack entries.
 */
const takeOver = async (
  survivors: readonly Survivor[],
  { ctx, replication, sibling }: Omit<ShardParts, 'store'>,
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
      ctx.storage.transactionSync(() => replication.putNewer(newer))
      from = page.after
    }
  }
  await take(first.name, NONE)
  for (const { name } of others) await take(name, known)
}
