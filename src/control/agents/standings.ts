import type { AgentEntry } from '../../gate/model/agents.ts'
import {
  type AgentStanding,
  type Revocation,
  revocationId,
  type ShardStatus,
  STANDINGS,
  subjectKey,
} from '../../gate/model/revocation.ts'
import { readAnswer } from '../../gate/platform/answers.ts'
import { createQueue } from '../../gate/platform/calls.ts'
import { STANDINGS_SET } from '../../gate/revocation/answers.ts'
import type { AgentTable } from './store.ts'

/** Agents of one call. */
const TOGETHER = 500
/** The storage key of the set's epoch. With a new epoch the set may have lost every status. */
const EPOCH = 'epoch'

/** The primary shard of the revocation set, as far as the registry needs it. */
export interface StandingSet {
  setStandings(
    entries: readonly Revocation[],
    none: readonly string[],
  ): PromiseLike<{ readonly epoch: string; readonly shards: ShardStatus } | undefined>
}

/**
 * Creates a function that writes the status of agents into the revocation set, one call after the other. The table
 * stores which statuses the revocation set lacks, so writing goes on after a restart. Resolves with how many shards
 * have the statuses. Rejects if the set cannot be reached.
 */
export function createStandings(
  { kv }: DurableObjectStorage,
  table: AgentTable,
  set: () => StandingSet,
) {
  const inOrder = createQueue()

  const tell = async (): Promise<ShardStatus> => {
    for (;;) {
      const { entries, isMore } = table.missing(TOGETHER)
      const all = await Promise.all(entries.map(standingOf))
      const none = entries.filter((_, i) => !all[i]).map((one) => subjectKey(subjectOf(one)))
      const some = all.filter((one) => one !== undefined)
      const answer = readAnswer(STANDINGS_SET, await set().setStandings(some, none))
      if (!answer) throw new Error('the revocation set has no room for agents')
      const { epoch, shards } = answer
      const known = kv.get<string>(EPOCH)
      if (known !== epoch) kv.put(EPOCH, epoch)
      if (known !== undefined && known !== epoch) {
        table.noteAllMissing()
        continue
      }
      table.notePresent(entries)
      if (!isMore) return shards
    }
  }

  return () => inOrder(tell)
}

const subjectOf = ({ issuer, agent }: AgentEntry) =>
  ({ kind: 'agent', issuer, value: agent }) as const

/** The entry of the revocation set for an agent; `undefined` if the agent needs no entry. */
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
  const pins = Object.entries({ checksums, registrations, keys }).filter(([, texts]) => texts)
  return {
    ...subject,
    id: await revocationId(subject, mode),
    mode,
    ...(expires !== undefined && { expires }),
    ...(mode === 'approved' && pins.length > 0 && { pins: Object.fromEntries(pins) }),
    created: change.at,
    createdBy: change.by,
  }
}
