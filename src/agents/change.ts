import { LIMITS } from '../core/limits.ts'
import type { AgentChange, AgentEntry, AgentFields, ChangeRefusal } from '../core/model/agents.ts'

/** How many agents administrators have decided of: of this issuer, and in all. */
interface Decided {
  readonly decided: number
  readonly all: number
}

/** The agent as it is after a change, or why it is not changed. */
export function changedEntry(
  before: AgentEntry | undefined,
  change: AgentChange,
  counts: Decided,
): AgentEntry | ChangeRefusal {
  const { issuer, agent } = change
  const refused = refusalOf(before, change, counts)
  if (refused) return refused
  const { fields, ...said } = saidOf(before, change)
  return {
    issuer,
    agent,
    version: (before?.version ?? 0) + 1,
    fields,
    ...said,
    ...(before?.seen && { seen: before.seen }),
  }
}

const isStopped = (entry: AgentEntry | undefined): boolean =>
  entry?.status === 'suspended' || entry?.status === 'retired'

const STOPS = { suspend: 'suspended', retire: 'retired' } as const

const refusalOf = (
  before: AgentEntry | undefined,
  { act, match, status, own }: AgentChange,
  { decided, all }: Decided,
): ChangeRefusal | undefined => {
  const isEdit = act === 'put' || act === 'patch'
  if (!before && (act === 'patch' || act === 'resume' || act === 'retire')) return 'agent_unknown'
  if (before && isEdit && match === undefined) return 'agent_version_missing'
  const isMeant = match === '*' ? before : match?.includes(before?.version ?? -1)
  if (match !== undefined && !isMeant) return 'agent_changed'
  const isDecided = !isEdit || status !== undefined
  if (own && isDecided && isStopped(before) && !before?.change?.own) return 'agent_stopped_by_all'
  if (isEdit && isDecided && isStopped(before)) return 'agent_stopped'
  if (before && before.status !== 'discovered') return undefined
  const isFull = all >= LIMITS.agentStandings || (own && decided >= LIMITS.agentStandings / 10)
  return isFull ? 'agents_full' : undefined
}

const saidOf = (
  before: AgentEntry | undefined,
  { act, at, by, own, reason, status, fields = {} }: AgentChange,
): Pick<AgentEntry, 'status' | 'fields' | 'change'> => {
  const changed = { at, by, ...(own && { own }), ...(reason !== undefined && { reason }) }
  const earlier = before?.status ?? 'discovered'
  if (act === 'suspend' || act === 'retire') {
    const resumes =
      earlier === 'approved' || earlier === 'discovered' ? earlier : before?.change?.resumes
    return {
      status: STOPS[act],
      fields: before?.fields ?? {},
      change: { ...changed, ...(resumes && { resumes }) },
    }
  }
  if (act === 'resume') {
    const resumed = isStopped(before) ? (before?.change?.resumes ?? 'discovered') : earlier
    return { status: resumed, fields: before?.fields ?? {}, change: changed }
  }
  const all = act === 'put' ? fields : { ...before?.fields, ...fields }
  const kept = Object.entries(all).filter(([, value]) => value !== null)
  const { change } = before ?? {}
  return {
    status: status ?? earlier,
    fields: Object.fromEntries(kept) as AgentFields,
    ...(status === undefined ? change && { change } : { change: changed }),
  }
}
