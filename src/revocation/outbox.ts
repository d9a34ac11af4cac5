import { LIMITS } from '../core/limits.ts'
import type { ShardStatus } from '../core/model/revocation.ts'
import { createYielder, inTime } from '../platform/calls.ts'
import type { RevocationLog } from './log.ts'
import type { Taken } from './replica.ts'
import type { Handed, Handing } from './replication.ts'

/** Milliseconds that a change waits for the replicas, whose backlog may be long. */
export const HANDING_MS = LIMITS.revocationReadMs + 500

/** What changes are handed to. */
export interface Replica {
  take(handed: Handed): PromiseLike<Taken>
}

interface Enrolled {
  readonly [column: string]: SqlStorageValue
  readonly name: string
  /** Of this life of the replica: what was said before it was enrolled anew counts no more. */
  readonly enrolment: number
  /** The version that it has told to have reached. */
  readonly acked: number
}

/** What changes are handed on with. */
export interface OutboxOptions {
  readonly storage: DurableObjectStorage
  readonly log: RevocationLog
  readonly handing: Handing
  readonly reach: (name: string) => Replica
  readonly report: (event: Record<string, unknown>) => void
}

/**
 * Hands every change to every enrolled replica. What is still to be handed on is known from storage: the
 * versions that a replica has not acknowledged. One that answers nothing any more is let go; one that
 * cannot be reached is not.
 */
export function createOutbox(options: OutboxOptions) {
  const { storage, log, handing, reach, report } = options
  const { sql } = storage
  const flights = new Map<string, Promise<void>>()

  const all = (): readonly Enrolled[] =>
    sql.exec<Enrolled>('SELECT * FROM replicas ORDER BY enrolment').toArray()

  /** Where the epoch is over there is nothing to hand on: what stands is settled first. */
  const isBehind = ({ acked }: Enrolled): boolean => {
    const { epoch, version } = log.head()
    return epoch !== '' && acked < version
  }

  const find = (name: string): Enrolled | undefined =>
    all().find((one) => one.name === name && isBehind(one))

  const hand = async (name: string): Promise<void> => {
    const breath = createYielder()
    for (let replica = find(name); replica; ) {
      const { acked, enrolment } = replica
      const taken = await inTime(() => reach(name).take(handing.since(acked)))
      if ('contradicted' in taken) return storage.transactionSync(log.lose)
      if ('out' in taken) sql.exec('DELETE FROM replicas WHERE enrolment = ?', enrolment)
      else if (taken.version > log.head().version) return storage.transactionSync(log.lose)
      else sql.exec('UPDATE replicas SET acked = ? WHERE enrolment = ?', taken.version, enrolment)
      if (find(name)) await breath()
      replica = find(name)
    }
  }

  const handOnce = (name: string): Promise<void> => {
    const known = flights.get(name)
    // It may have been over, and only not been cleared up, before the latest change was made.
    if (known) return known.then(() => (find(name) ? handOnce(name) : undefined))
    const flight = hand(name)
      .catch((error: unknown) =>
        report({ event: 'revocations_not_handed_on', shard: name, error: String(error) }),
      )
      .finally(() => flights.delete(name))
    flights.set(name, flight)
    return flight
  }

  return {
    /**
     * Counts a replica in, at the version that it has reached. Whatever it was told before, it is handed
     * all changes from there.
     */
    enrol(name: string, acked: number): void {
      sql.exec('INSERT OR REPLACE INTO replicas (name, acked) VALUES (?, ?)', name, acked)
    },

    /** Whether a replica lacks something. */
    isPending: (): boolean => all().some(isBehind),

    /**
     * Hands on what there is; over when every replica has it or has failed, those among them that are
     * enrolled meanwhile. Never rejects.
     */
    async handOn(): Promise<void> {
      const tried = new Set<number>()
      const due = () => all().filter((one) => isBehind(one) && !tried.has(one.enrolment))
      for (let replicas = due(); replicas.length > 0; replicas = due()) {
        for (const { enrolment } of replicas) tried.add(enrolment)
        await Promise.all(replicas.map(({ name }) => handOnce(name)))
      }
    },

    /** Who has come to a version. */
    spread(version: number): ShardStatus {
      const replicas = all()
      const pending = replicas.filter(({ acked }) => acked < version).map(({ name }) => name)
      return {
        total: 1 + replicas.length,
        acknowledged: 1 + replicas.length - pending.length,
        pending,
      }
    },
  }
}
