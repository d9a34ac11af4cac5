import type { RevocationStore, Revocations } from '../model/ports.ts'
import { subjectKey } from '../model/revocation.ts'
import type { RevocationShard } from './revocation-shard.ts'

/** The one object that holds the set. */
const NAME = '0'

/**
 * The revocation set behind a Durable Object namespace. A read that fails is tried once more, a
 * write never is; then the call rejects. Keeps nothing between calls.
 */
export const createRevocations = (
  namespace: DurableObjectNamespace<RevocationShard>,
): Revocations & RevocationStore => {
  // A stub of another request cannot be used, and one that has failed may fail for good.
  const shard = () => namespace.getByName(NAME)
  return {
    lookup: (subjects) => {
      const keys = subjects.map(subjectKey)
      return twice(async () => await shard().lookup(keys))
    },
    list: (query) => twice(async () => await shard().list(query)),
    get: (id) => twice(async () => await shard().get(id)),
    add: async (entries) => await shard().add(entries),
    remove: async (id) => await shard().remove(id),
  }
}

const twice = async <Value>(read: () => Promise<Value>): Promise<Value> => {
  try {
    return await read()
  } catch {
    return await read()
  }
}
