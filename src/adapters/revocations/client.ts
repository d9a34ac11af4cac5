import { LIMITS } from '../../base/limits.ts'
import { perObject } from '../../base/memo.ts'
import type { RevocationStore, Revocations } from '../../model/ports.ts'
import { type Revocation, type RevocationSubject, subjectKey } from '../../model/revocation.ts'
import { createBoundedLookup } from './bounded.ts'
import type { SnapshotOptions, SnapshotSource } from './snapshot.ts'
import { createTurns } from './turns.ts'

/** The one object that holds the set. */
const NAME = '0'

/** Milliseconds after which a reading counts as lost: two tries, and some slack. */
const TURN_MS = 2 * LIMITS.revocationReadMs + 1_000

/** Methods as they are called from afar. */
type Remote<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (
    ...given: infer Given
  ) => Promise<infer Value>
    ? (...given: Given) => PromiseLike<Value>
    : never
}

interface Lookup {
  lookup(subjectKeys: readonly string[]): Promise<readonly Revocation[]>
}

/** A Durable Object namespace of `RevocationShard`, as far as the gate needs it. */
export interface ShardNamespace {
  getByName(name: string): Remote<Lookup & RevocationStore & SnapshotSource>
}

/**
 * The revocation set behind a Durable Object namespace. A read that fails, or takes longer than
 * {@link LIMITS.revocationReadMs}, is tried once more; then the call rejects. A write is tried once
 * and has no deadline: given up, it could still be stored. Requests of one token share readings that
 * begin after them. Bounded lookups are answered from the
 * isolate's copy of the set, strict ones never; without an isolate to keep a copy in, all are strict.
 */
export const createRevocations = (
  namespace: ShardNamespace,
  isolate?: Omit<SnapshotOptions, 'source'>,
): Revocations & RevocationStore => {
  // A stub of another request cannot be used, and one that has failed may fail for good.
  const shard = () => namespace.getByName(NAME)
  const read = (keys: readonly string[]) => twice(async () => await shard().lookup(keys))
  const turns = isolate && createTurns<readonly Revocation[]>({ ...isolate, maxAgeMs: TURN_MS })
  // One token, however many requests it makes at once, must not keep the object from others.
  const ask = (subjects: readonly RevocationSubject[]) => {
    const keys = keysOf(subjects)
    return turns ? turns(JSON.stringify(keys), () => read(keys)) : read(keys)
  }
  // Tried once: the next request that notices the need tries again.
  const source: SnapshotSource = {
    pullAll: (after) => inTime(async () => await shard().pullAll(after), LIMITS.revocationPageMs),
    pullSince: (epoch, version) => inTime(async () => await shard().pullSince(epoch, version)),
  }
  const bounded = isolate && createBoundedLookup(ask, { ...isolate, source })
  return {
    lookup: (subjects, terms) =>
      bounded && terms?.consistency === 'bounded'
        ? bounded(subjects, terms.maxStaleness)
        : ask(subjects),
    list: (query) => twice(async () => await shard().list(query)),
    get: (id) => twice(async () => await shard().get(id)),
    add: async (entries) => await shard().add(entries),
    remove: async (id) => await shard().remove(id),
  }
}

/** Once for all requests of one token, which bring the same list. */
const keysOf = perObject((subjects: readonly RevocationSubject[]) => subjects.map(subjectKey))

const twice = async <Value>(read: () => Promise<Value>): Promise<Value> => {
  try {
    return await inTime(read)
  } catch {
    return await inTime(read)
  }
}

const inTime = async <Value>(
  read: () => Promise<Value>,
  ms: number = LIMITS.revocationReadMs,
): Promise<Value> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const error = new Error(`no answer within ${ms} ms`)
  const timer = setTimeout(reject, ms, error)
  try {
    return await Promise.race([read(), late])
  } finally {
    clearTimeout(timer)
  }
}
