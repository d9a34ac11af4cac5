import { LIMITS } from '../base/limits.ts'
import { perObject } from '../base/memo.ts'
import type { RevocationStore, Revocations } from '../model/ports.ts'
import { type RevocationSubject, subjectKey } from '../model/revocation.ts'
import type { RevocationShard } from './revocation-shard.ts'

/** The one object that holds the set. */
const NAME = '0'

/**
 * The revocation set behind a Durable Object namespace. A read that fails, or takes longer than
 * {@link LIMITS.revocationReadMs}, is tried once more; then the call rejects. A write is tried once
 * and has no deadline: given up, it could still be stored. Keeps nothing between calls.
 */
export const createRevocations = (
  namespace: DurableObjectNamespace<RevocationShard>,
): Revocations & RevocationStore => {
  // A stub of another request cannot be used, and one that has failed may fail for good.
  const shard = () => namespace.getByName(NAME)
  return {
    lookup: (subjects) => {
      const keys = keysOf(subjects)
      return twice(async () => await shard().lookup(keys))
    },
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

const inTime = async <Value>(read: () => Promise<Value>): Promise<Value> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const error = new Error(`no answer within ${LIMITS.revocationReadMs} ms`)
  const timer = setTimeout(reject, LIMITS.revocationReadMs, error)
  try {
    return await Promise.race([read(), late])
  } finally {
    clearTimeout(timer)
  }
}
