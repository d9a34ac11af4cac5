import { LIMITS } from '../core/limits.ts'
import type { ShardStatus } from '../core/model/revocation.ts'
import { createYielder, inTime } from '../platform/calls.ts'
import { system } from '../platform/system.ts'
import type { RevocationLog } from './log.ts'
import type { Peer } from './protocol.ts'
import type { Replication } from './replication.ts'

/** Milliseconds that a change waits for the replicas, whose backlog may be long. */
export const SENDING_MS = LIMITS.revocationReadMs + 500

interface Enrolled {
  readonly [column: string]: SqlStorageValue
  readonly name: string
  /** Of this life of the replica: what it said before it was enrolled anew counts no more. */
  readonly enrolment: number
  /** The version that it has said to have reached. */
  readonly acked: number
}

/** What changes are sent with. */
export interface OutboxOptions {
  readonly storage: DurableObjectStorage
  readonly log: RevocationLog
  readonly replication: Replication
  readonly sibling: (name: string) => Pick<Peer, 'replicate'>
}

/**
 * Sends every change to every enrolled replica. What is still to be sent is known from storage: the
 * versions that a replica has not acknowledged. A replica that answers no reads any more is let go; one
 * that cannot be reached is not.
 */
export function createOutbox({ storage, log, replication, sibling }: OutboxOptions) {
  const { sql } = storage
  const sending = new Map<string, Promise<void>>()

  const all = (): readonly Enrolled[] =>
    sql.exec<Enrolled>('SELECT * FROM replicas ORDER BY enrolment').toArray()

  /** Once the epoch is over there is nothing to send: recovery comes first. */
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
    // It may have ended, without being cleared up yet, before the latest change was made.
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
    /**
     * Counts a replica in, at the version that it has reached. Whatever it was sent before, it is sent
     * all changes from there.
     */
    enrol(name: string, acked: number): void {
      sql.exec('INSERT OR REPLACE INTO replicas (name, acked) VALUES (?, ?)', name, acked)
    },

    /** Whether a replica lacks something. */
    isPending: (): boolean => all().some(isBehind),

    /**
     * Sends what there is; over when every replica has it or has failed, those among them that are
     * enrolled meanwhile. Never rejects.
     */
    async send(): Promise<void> {
      const tried = new Set<number>()
      const due = () => all().filter((one) => isBehind(one) && !tried.has(one.enrolment))
      for (let replicas = due(); replicas.length > 0; replicas = due()) {
        for (const { enrolment } of replicas) tried.add(enrolment)
        await Promise.all(replicas.map(({ name }) => sendOnce(name)))
      }
    },

    /** Which shards have come to a version. */
    statusOf(version: number): ShardStatus {
      const replicas = all()
      const pending = replicas.filter(({ acked }) => acked < version).map(({ name }) => name)
      const total = 1 + replicas.length
      return { total, acknowledged: total - pending.length, pending }
    },
  }
}
