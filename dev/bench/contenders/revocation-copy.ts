import {
  createSnapshotMemory,
  createSnapshots,
  type SnapshotSource,
} from '../../../src/gate/revocation/snapshot.ts'

const HASH_BYTES = 8
/** As many bytes as are made at random at once. */
const RANDOM_BYTES = 65_536

/** What the isolate keeps, as a gate's does. */
let memory = createSnapshotMemory()
/** The pages that it came in. */
let pages: Uint8Array[] = []

/** What one pull took, in milliseconds, and what there is since. */
export interface Pulled {
  readonly ms: number
  /** Of these the isolate itself was busy; the rest it waited for the set. */
  readonly own: number
  readonly pages: number
  /** Entries. */
  readonly held: number
  /** Bytes of memory of the copy. */
  readonly bytes: number
}

/** The methods of the set that a copy is pulled by; one that does not serve answers nothing. */
interface Remote {
  pullAll(after: number): PromiseLike<Awaited<ReturnType<SnapshotSource['pullAll']>> | undefined>
  pullSince(
    epoch: string,
    version: number,
  ): PromiseLike<Awaited<ReturnType<SnapshotSource['pullSince']>> | undefined>
}

/** Pulls all of the set, as an isolate does that knows nothing. Throws where that fails. */
export const pullAll = (set: () => Remote): Promise<Pulled> => {
  memory = createSnapshotMemory()
  pages = []
  return pull(set)
}

/** Pulls of the same changes: the runtime tells no time below a millisecond. */
const REPEATED = 20

/** Pulls what changed since the last pull, several times; the mean. Throws where that fails. */
export const pullChanges = async (set: () => Remote): Promise<Pulled> => {
  const { held } = memory
  const begin = performance.now()
  for (let i = 1; i < REPEATED; i++) {
    await pull(set)
    memory.held = held
  }
  const last = await pull(set)
  return { ...last, ms: (performance.now() - begin) / REPEATED }
}

const pull = async (set: () => Remote): Promise<Pulled> => {
  let waited = 0
  const wait = async <Value>(call: () => PromiseLike<Value | undefined>): Promise<Value> => {
    const begin = performance.now()
    const value = await call()
    waited += performance.now() - begin
    if (value === undefined) throw new Error('the set does not serve')
    return value
  }
  const running: Promise<unknown>[] = []
  const failures: unknown[] = []
  const snapshots = createSnapshots({
    memory,
    source: {
      async pullAll(after) {
        const page = await wait(() => set().pullAll(after))
        pages.push(page.hashes)
        return page
      },
      pullSince: (epoch, version) => wait(() => set().pullSince(epoch, version)),
    },
    clock: { now: () => Date.now() },
    waitUntil: (promise) => void running.push(promise),
    log: (event) => void failures.push(event),
  })
  const begin = performance.now()
  // To an age of 0 no copy is young enough, so a pull begins; what it is made of comes before it.
  snapshots.within(0)
  await running.at(-1)
  const ms = performance.now() - begin
  await Promise.all(running)
  const { held } = memory
  if (failures.length > 0 || !held) throw new Error(JSON.stringify(failures))
  return { ms, own: ms - waited, pages: pages.length, held: held.set.size, bytes: held.set.bytes }
}

let strangers: Uint8Array | undefined

/** Hashes that nobody has made, as many as the copy came with. */
const strangersOf = (length: number): Uint8Array => {
  if (strangers?.length === length) return strangers
  strangers = new Uint8Array(length)
  for (let at = 0; at < length; at += RANDOM_BYTES) {
    crypto.getRandomValues(strangers.subarray(at, at + RANDOM_BYTES))
  }
  return strangers
}

/**
 * Nanoseconds to look one hash up in the copy: of those that are in it, and of others. Throws where a
 * lookup is wrong; a copy that was pulled whole, and not renewed since, is expected.
 */
export const searchCopy = (): { readonly hit: number; readonly miss: number } => {
  const bytes = pages.reduce((sum, { length }) => sum + length, 0)
  return { hit: search(pages, bytes), miss: search([strangersOf(bytes)], 0) }
}

const search = (lists: readonly Uint8Array[], expected: number): number => {
  const set = memory.held?.set
  let found = 0
  let all = 0
  const begin = performance.now()
  for (const hashes of lists) {
    all += hashes.length
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      if (set?.has(hashes, at)) found += HASH_BYTES
    }
  }
  const ms = performance.now() - begin
  if (found !== expected) throw new Error('the copy is another')
  return (ms * 1e6 * HASH_BYTES) / all
}
