import { system } from '../platform/system.ts'
import { createRevocationLog } from './log.ts'
import { createOutbox, type Replica } from './outbox.ts'
import { createFollower, type Leader } from './replica.ts'
import { createHanding } from './replication.ts'
import { migrate } from './schema.ts'
import { LEADER } from './shard-hash.ts'
import { createPulls } from './snapshot-feed.ts'
import { createStore } from './store.ts'

/** What the parts of a shard need of it. */
export interface PartsOptions {
  readonly name: string
  readonly sibling: (name: string) => Leader & Replica
}

export type Parts = ReturnType<typeof openParts>

/** The parts of a shard over its storage, whose tables are brought up to date first. */
export function openParts(storage: DurableObjectStorage, { name, sibling }: PartsOptions) {
  migrate(storage)
  const { clock, log: report } = system
  const log = createRevocationLog(storage)
  const handing = createHanding(storage, log)
  const common = { storage, log, handing, report }
  return {
    log,
    handing,
    pulls: createPulls(storage, log),
    store: createStore(storage, log),
    outbox: createOutbox({ ...common, reach: sibling }),
    follower: createFollower({ ...common, name, leader: () => sibling(LEADER), clock }),
  }
}
