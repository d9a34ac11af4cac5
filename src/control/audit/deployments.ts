import type { Deployed } from '../../gate/outbox/protocol.ts'
import { writtenOf } from '../records/terms.ts'
import type { Budget } from './budget.ts'
import type { ReadBatch } from './shares.ts'

/** The storage key of the pairs of policy and version that have an act, the latest last. */
const KEPT = 'deployments'
/** Most pairs that are remembered. */
const MOST = 200

/**
 * Acts of deployments: one for each new pair of policy and version. During a gradual deployment two versions alternate,
 * and each has one act. A rollback to a pair that is remembered has none.
 */
export function createDeployments({ kv }: DurableObjectStorage, budget: Budget) {
  const read = (): readonly Deployed[] => kv.get<readonly Deployed[]>(KEPT) ?? []
  return {
    /** The acts of the pairs that are new in these batches. `keep`: call it in the transaction that stores the acts. */
    newIn(batches: readonly ReadBatch[]) {
      const known = batches.some(({ deployed }) => deployed) ? read() : []
      const fresh: Deployed[] = []
      const acts = batches.flatMap(({ deployed }) => {
        const all = [...known, ...fresh]
        if (!deployed || all.some((one) => isSame(one, deployed))) return []
        fresh.push(deployed)
        const head = { v: 1, kind: 'act', act: 'policy', id: crypto.randomUUID() }
        const time = new Date(Date.now()).toISOString()
        const before = all.at(-1)?.policy
        return [writtenOf(JSON.stringify({ ...head, time, ...deployed, before }))]
      })
      const keep = (): void => {
        if (fresh.length === 0) return
        kv.put(KEPT, [...read(), ...fresh].slice(-MOST))
        budget.add(1)
      }
      return { acts, keep }
    },
  }
}

const isSame = (one: Deployed, other: Deployed): boolean =>
  one.policy === other.policy && one.version === other.version
