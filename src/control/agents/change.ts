import { LIMITS } from '../../gate/base/limits.ts'
import {
  type AgentChange,
  type AgentEntry,
  type AgentFields,
  type AgentStatus,
  type ChangeRefusal,
  isStopped,
} from '../../gate/model/agents.ts'

/** The agent after a change, or why the change is refused. `counts`: agents on which administrators have decided. */
export function changedEntry(
  before: AgentEntry | undefined,
  change: AgentChange,
  counts: { readonly ofIssuer: number; readonly inAll: number },
): AgentEntry | ChangeRefusal {
  const { issuer, agent, act, at, by, own, reason, match, fields = {} } = change
  const isEdit = act === 'put' || act === 'patch'
  const earlier = before?.status ?? (act === 'put' ? 'approved' : 'discovered')
  const status = statusOf(before, change, earlier)
  const isDecided = !isEdit || status !== before?.status
  if (!before && act !== 'put' && act !== 'suspend') return 'agent_unknown'
  if (before && isEdit && match === undefined) return 'agent_version_missing'
  const isMeant = match === '*' ? before : match?.includes(before?.version ?? -1)
  if (match !== undefined && !isMeant) return 'agent_changed'
  const isTheirs = before && isStopped(before.status) && !before.change?.own
  if (own && isDecided && isTheirs) return 'agent_stopped_by_all'
  if (status !== 'discovered' && (before?.status ?? 'discovered') === 'discovered') {
    const { agentStandings: most } = LIMITS
    const isFull = counts.inAll >= (own ? 0.9 * most : most)
    if (isFull || (own && counts.ofIssuer >= most / 10)) return 'agents_full'
  }
  const all = act === 'put' ? fields : { ...before?.fields, ...fields }
  const resumes = isStopped(earlier) ? before?.change?.resumes : earlier
  const decided = {
    ...{ at, by, ...(own && { own }), ...(reason !== undefined && { reason }) },
    ...(isStopped(status) && isResumable(resumes) && { resumes }),
  }
  const changed = isDecided ? decided : before?.change
  return {
    issuer,
    agent,
    status,
    version: (before?.version ?? 0) + 1,
    fields: Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== null),
    ) as AgentFields,
    ...(changed && { change: changed }),
    ...(before?.seen && {
      seen: { ...before.seen, ...(fields.checksums && { checksums: [] }) },
    }),
  }
}

const isResumable = (status: AgentStatus | undefined) =>
  status === 'approved' || status === 'discovered'

const statusOf = (
  before: AgentEntry | undefined,
  { act, status }: AgentChange,
  earlier: AgentStatus,
): AgentStatus => {
  if (act === 'suspend') return 'suspended'
  if (act === 'retire') return 'retired'
  if (act !== 'resume') return status ?? earlier
  return isStopped(earlier) ? (before?.change?.resumes ?? 'discovered') : earlier
}
