import type { Objects } from '../../src/gate/platform/calls.ts'
import { createRevocations } from '../../src/gate/revocation/client.ts'
import type { Shard } from '../../src/gate/revocation/protocol.ts'
import { createSnapshotMemory } from '../../src/gate/revocation/snapshot.ts'
import { ONE_SHARD } from './memory-shard.ts'

export const BOUNDED = { consistency: 'bounded', maxStaleness: 5_000 } as const

/** An isolate before a namespace, with a clock and promises of its own. */
export const isolateOf = (namespace: Objects<Shard>) => {
  let now = Date.UTC(2041)
  const kept: Promise<unknown>[] = []
  const events: unknown[] = []
  const revocations = createRevocations(namespace, ONE_SHARD, {
    place: () => '',
    memory: createSnapshotMemory(),
    clock: { now: () => now },
    waitUntil: (promise) => void kept.push(promise),
    log: (event) => void events.push(event),
  })
  return {
    revocations,
    events,
    advance: (ms: number) => {
      now += ms
    },
    settle: async () => void (await Promise.all(kept.splice(0))),
  }
}
