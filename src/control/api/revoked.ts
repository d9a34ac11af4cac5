import type { Admin } from '../../gate/app/context.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import type { AgentKey } from '../../gate/model/agents.ts'
import { hasExpired, subjectKey } from '../../gate/model/revocation.ts'

/**
 * The revocations that refuse every token of some agents, or of their issuers. The member `revoked` of each answer is
 * absent if there are none, or if the revocation set cannot be read.
 */
export async function readRevoked(c: Admin, agents: readonly AgentKey[]) {
  const { revocations, clock } = c.get('ports')
  const now = Math.floor(clock.now() / 1000)
  const { lift } = c.get('policy').gate
  const subjectsOf = ({ issuer, agent }: AgentKey) => [
    { kind: 'agent', issuer, value: agent } as const,
    { kind: 'issuer', issuer, value: '' } as const,
  ]
  const keysOf = (agent: AgentKey) => subjectsOf(agent).map(subjectKey)
  const all = new Map(agents.flatMap(subjectsOf).map((one) => [subjectKey(one), one]))
  const lookup = async () => (all.size > 0 ? await revocations.lookup([...all.values()]) : [])
  const found = (await lookup().catch(() => [])).filter(
    (entry) => entry.mode === 'block' && !hasExpired(entry, now) && !lift.has(entry.id),
  )
  return (agent: AgentKey): { readonly revoked?: readonly JsonObject[] } => {
    const keys = keysOf(agent)
    const its = found.filter((entry) => keys.includes(subjectKey(entry)))
    if (its.length === 0) return {}
    return {
      revoked: its.map(({ id, kind, expires, reason }) => ({
        ...{ id, kind },
        ...(expires !== undefined && { expires }),
        ...(reason !== undefined && { reason }),
      })),
    }
  }
}
