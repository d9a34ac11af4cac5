import type { Peer } from '../protocol.ts'
import type { RevocationLog } from './log.ts'
import type { Replication } from './replication.ts'
import type { Store } from './store.ts'

/** What the parts of a shard share. */
export interface ShardParts {
  readonly ctx: DurableObjectState
  readonly log: RevocationLog
  readonly replication: Replication
  readonly store: Store
  /** Another shard. */
  readonly sibling: (name: string) => Peer
}
