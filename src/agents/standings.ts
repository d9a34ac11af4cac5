import type { AgentEntry } from '../core/model/agents.ts'
import {
  type AgentStanding,
  type Revocation,
  revocationId,
  type ShardStatus,
  STANDINGS,
  subjectKey,
} from '../core/model/revocation.ts'
import type { AgentTable } from './store.ts'

/** Agents of one call. */
const TOGETHER = 500
/** The storage key of the set's epoch: in another the set has begun anew, and may have lost what it was told. */
const EPOCH = 'epoch'

/** The primary shard of the revocation set, as far as the registry needs it. */
export interface StandingSet {
  setStandings(
    entries: readonly Revocation[],
    none: readonly string[],
  ): PromiseLike<{ readonly epoch: string; readonly shards: ShardStatus } | undefined>
}

/**
 * Tells the revocation set the status of agents, one call after the other. What it lacks is stored with each agent, so
 * that it is told after a restart, too.
 */
export function createStandings(
  { kv }: DurableObjectStorage,
  table: AgentTable,
  set: () => StandingSet,
) {
  let last: Promise<unknown> = Promise.resolve()

  const tell = async (): Promise<ShardStatus> => {
    for (;;) {
      const { entries, isMore } = table.untold(TOGETHER)
      const said = await Promise.all(entries.map(standingOf))
      const none = entries.filter((_, i) => !said[i]).map((one) => subjectKey(subjectOf(one)))
      const answer = await set().setStandings(
        said.filter((one) => one !== undefined),
        none,
      )
      if (!answer) throw new Error('the revocation set has no room for agents')
      const { epoch, shards } = answer
      const known = kv.get<string>(EPOCH)
      if (known !== epoch) {
        if (known !== undefined) table.untellAll()
        kv.put(EPOCH, epoch)
        if (known !== undefined) continue
      }
      table.tell(entries)
      if (!isMore) return shards
    }
  }

  return {
    /** Tells what the set lacks; resolves with how many shards have it. Rejects where the set cannot be reached. */
    tell(): Promise<ShardStatus> {
      const told = last.then(tell)
      last = told.catch(() => {})
      return told
    },
  }
}

const subjectOf = ({ issuer, agent }: AgentEntry) =>
  ({ kind: 'agent', issuer, value: agent }) as const

/** The entry of the set for an agent; `undefined` where it has none. */
const standingOf = async (entry: AgentEntry): Promise<Revocation | undefined> => {
  const { status, fields, change } = entry
  const mode = STANDINGS.find((one): one is AgentStanding => one === status)
  const expires =
    mode === 'approved' && fields.expires !== undefined
      ? Math.floor(Date.parse(fields.expires) / 1000)
      : undefined
  if (!mode || !change || (expires !== undefined && expires * 1000 <= Date.now())) return undefined
  const subject = subjectOf(entry)
  const { checksums, registrations, keys } = fields
  const hasPins = mode === 'approved' && (checksums ?? registrations ?? keys)
  return {
    ...subject,
    id: await revocationId(subject, mode),
    mode,
    ...(expires !== undefined && { expires }),
    ...(hasPins && {
      pins: {
        ...(checksums && { checksums }),
        ...(registrations && { registrations }),
        ...(keys && { keys }),
      },
    }),
    created: change.at,
    createdBy: change.by,
  }
}
