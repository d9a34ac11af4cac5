import { LIMITS } from '../core/limits.ts'
import { perObject } from '../core/memo.ts'
import type { RevocationStore, Revocations } from '../core/model/ports.ts'
import {
  type RevocationPlacement,
  type RevocationSubject,
  subjectKey,
} from '../core/model/revocation.ts'
import { inTime } from '../platform/calls.ts'
import { system } from '../platform/system.ts'
import { createBoundedLookup } from './bounded.ts'
import { createTurns } from './read-coalescing.ts'
import { createReach, type Reach, type ShardNamespace } from './shard-client.ts'
import type { Found, SnapshotOptions, SnapshotSource } from './snapshot.ts'

/** Milliseconds after which a reading counts as lost: two tries, and some slack. */
const TURN_MS = 2 * LIMITS.revocationReadMs + 1_000

/** What revocations are read with in an isolate. */
export interface IsolateOptions extends Omit<SnapshotOptions, 'source'> {
  /** Where the isolate runs, once that is known: isolates of one place share a shard. */
  readonly place: () => string
}

/**
 * The revocation set behind a Durable Object namespace. A read that fails, or takes longer than
 * {@link LIMITS.revocationReadMs}, is tried once more, at the shard that leads; then the call rejects. A
 * write is tried once and has no deadline: given up, it could still be stored. Requests of one token share
 * readings that begin after them. Bounded lookups are answered from the isolate's copy of the set, strict
 * ones never; without an isolate to keep a copy in, all are strict.
 */
export function createRevocations(
  namespace: ShardNamespace,
  placement: RevocationPlacement,
  isolate?: IsolateOptions,
): Revocations & RevocationStore {
  const { leader, read, pull } = createReach(namespace, placement, isolate?.clock ?? system.clock)
  const readOf = (keys: readonly string[]) => {
    const text = JSON.stringify(keys)
    return { text, lookup: () => read(text, (shard, hint) => shard.lookup(keys, hint)) }
  }
  const turns = isolate && createTurns<Found>({ ...isolate, maxAgeMs: TURN_MS })
  // One token, however many requests it makes at once, must not keep a shard from others.
  const ask = (subjects: readonly RevocationSubject[]) => {
    const { text, lookup } = readOf(keysOf(subjects))
    return turns ? turns(text, lookup) : lookup()
  }
  const bounded =
    isolate && createBoundedLookup(ask, { ...isolate, source: sourceOf(pull, isolate) })
  return {
    lookup: (subjects, terms) =>
      bounded && terms?.consistency === 'bounded'
        ? bounded(subjects, terms.maxStaleness)
        : ask(subjects).then(({ entries }) => entries),
    list: (query) => twice(() => leader().list(query)),
    get: (id) => twice(() => leader().get(id)),
    add: async (entries) => await leader().add(entries),
    remove: async (id, owner) => await leader().remove(id, owner),
    removePage: async (query) => await leader().removePage(query),
  }
}

const sourceOf = (pull: Reach['pull'], { place }: IsolateOptions): SnapshotSource => ({
  pullAll: (after) =>
    pull(place(), (shard, hint) => shard.pullAll(after, hint), LIMITS.revocationPageMs),
  pullSince: (epoch, version) =>
    pull(place(), (shard, hint) => shard.pullSince(epoch, version, hint)),
})

/** Once for all requests of one admission, which bring the same list. */
const keysOf = perObject((subjects: readonly RevocationSubject[]) => subjects.map(subjectKey))

const twice = <Value>(call: () => PromiseLike<Value>): Promise<Value> =>
  inTime(call).catch(() => inTime(call))
