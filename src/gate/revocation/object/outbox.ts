import { LIMITS } from '../../base/limits.ts'
import type { ShardStatus } from '../../model/revocation.ts'
import { createYielder, inTime } from '../../platform/calls.ts'
import { system } from '../../platform/system.ts'
import type { ShardParts } from './parts.ts'

/** Milliseconds a change waits for replicas, which may be far behind. */
export const SENDING_MS = LIMITS.revocationReadMs + 500

interface Enrolled {
  readonly [column: string]: SqlStorageValue
  readonly name: string
  /** The number of this enrolment; acknowledgements of earlier ones are void. */
  readonly enrolment: number
  /** The latest version the replica has acknowledged. */
  readonly acked: number
}

/**
 * Sends every change to every enrolled replica. The acknowledged versions are stored, so the
 * outbox knows what is left to send. A replica that no longer serves is removed; an unreachable one is not.
 */
export function createOutbox({ ctx, log, replication, sibling }: Omit<ShardParts, 'store'>) {
  const { storage } = ctx
  const { sql } = storage
  const sending = new Map<string, Promise<void>>()

  const all = (): readonly Enrolled[] =>
    sql.exec<Enrolled>('SELECT * FROM replicas ORDER BY enrolment').toArray()

  /** Nothing is sent between an epoch's end and recovery. */
  const isBehind = ({ acked }: Enrolled): boolean => {
    const { epoch, version } = log.head()
    return epoch !== '' && acked < version
  }

  const findBehind = (name: string): Enrolled | undefined =>
    all().find((one) => one.name === name && isBehind(one))

  const send = async (name: string): Promise<void> => {
    const pause = createYielder()
    for (let replica = findBehind(name); replica; replica = findBehind(name)) {
      const { acked, enrolment } = replica
      const said = await inTime(() => sibling(name).replicate(replication.since(acked)))
      if ('out' in said) sql.exec('DELETE FROM replicas WHERE enrolment = ?', enrolment)
      else if ('contradicted' in said || said.version > log.head().version) {
        return storage.transactionSync(log.endEpoch)
      } else sql.exec('UPDATE replicas SET acked = ? WHERE enrolment = ?', said.version, enrolment)
      await pause()
    }
  }

  const sendOnce = (name: string): Promise<void> => {
    const known = sending.get(name)
    // The send in progress may have read the changes just before the latest one.
    if (known) return known.then(() => (findBehind(name) ? sendOnce(name) : undefined))
    const sent = send(name)
      .catch((error: unknown) =>
        system.log({ event: 'revocations_not_handed_on', shard: name, error: String(error) }),
      )
      .finally(() => sending.delete(name))
    sending.set(name, sent)
    return sent
  }

  return {
    /** Enrols a replica at its version. It gets all later changes, whatever it was sent before. */
    enrol(name: string, acked: number): void {
      sql.exec('INSERT OR REPLACE INTO replicas (name, acked) VALUES (?, ?)', name, acked)
    },

    /** Whether a replica lacks changes. */
    isPending: (): boolean => all().some(isBehind),

    /**
     * Sends pending changes, also to replicas that enrol meanwhile. Resolves once each replica has the
     * changes or has failed. Never rejects.
     */
    async send(): Promise<void> {
      const tried = new Set<number>()
      const due = () => all().filter((one) => isBehind(one) && !tried.has(one.enrolment))
      for (let replicas = due(); replicas.length > 0; replicas = due()) {
        for (const { enrolment } of replicas) tried.add(enrolment)
        await Promise.all(replicas.map(({ name }) => sendOnce(name)))
      }
    },

    /** The status of shards for a version. */
    statusOf(version: number): ShardStatus {
      const replicas = all()
      const pending = replicas.filter(({ acked }) => acked < version).map(({ name }) => name)
      const total = 1 + replicas.length
      return { total, acknowledged: total - pending.length, pending }
    },
  }
}
