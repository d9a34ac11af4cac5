import { type RevocationSubject, subjectHash, subjectKey } from '../../src/gate/model/revocation.ts'
import type { SnapshotSource } from '../../src/gate/revocation/snapshot.ts'

type Pulled<Name extends keyof SnapshotSource> = Awaited<ReturnType<SnapshotSource[Name]>>

/** What a copy of the set pulls from: a shard that answers for it. */
export interface Shard {
  pullAll(after?: number): Promise<Pulled<'pullAll'>>
  pullSince(epoch: string, version: number): Promise<Pulled<'pullSince'>>
}

/** A stub that answers; where the shard does not, its calls reject. */
export const answering = (stub: () => Stub): Shard => ({
  pullAll: async (after) => there(await stub().pullAll(after)),
  pullSince: async (epoch, version) => there(await stub().pullSince(epoch, version)),
})

interface Stub {
  pullAll(after?: number): PromiseLike<Pulled<'pullAll'> | undefined>
  pullSince(epoch: string, version: number): PromiseLike<Pulled<'pullSince'> | undefined>
}

const there = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('the shard does not answer')
  return value
}

/** The hash of a subject in hexadecimal. */
export const hashOf = async (subject: RevocationSubject): Promise<string> =>
  hashesOf(await subjectHash(subjectKey(subject)))[0] ?? ''

/** The hashes of all subjects of the entries, each once and in order, as a copy shows them. */
export const hashesOfAll = async (entries: readonly RevocationSubject[]): Promise<string[]> =>
  [...new Set(await Promise.all(entries.map(hashOf)))].sort()

/** Hashes that lie one after the other, in hexadecimal. */
export const hashesOf = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / 8 }, (_, index) =>
    [...bytes.subarray(index * 8, index * 8 + 8)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(''),
  )

/** The plainest copy of the set: a `Set` that does what it is told, over what it is given. */
export const createCopy = (shard: Shard) => {
  const hashes = new Set<string>()
  let epoch = ''
  let version = 0

  /** Takes the changes since the last pull; false where they cannot be told. */
  const follow = async (): Promise<boolean> => {
    const changes = await shard.pullSince(epoch, version)
    if ('reset' in changes) return false
    for (const hash of hashesOf(changes.removed)) hashes.delete(hash)
    for (const hash of hashesOf(changes.added)) hashes.add(hash)
    version = changes.version
    return true
  }

  return {
    follow,
    hashes: () => [...hashes].sort(),
    /** Pulls every page; `between` runs after each but the last. */
    async pull(between: () => Promise<void> = async () => {}): Promise<void> {
      hashes.clear()
      const first = await shard.pullAll()
      epoch = first.epoch
      version = first.version
      for (let page = first; ; page = await shard.pullAll(page.after)) {
        for (const hash of hashesOf(page.hashes)) hashes.add(hash)
        if (page.after === undefined) break
        await between()
      }
    },
  }
}
