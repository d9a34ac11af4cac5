import {
  type RevocationPlacement,
  type RevocationSubject,
  revocationId,
  subjectHash,
  subjectKey,
} from '../../src/gate/model/revocation.ts'
import type { Objects } from '../../src/gate/platform/calls.ts'
import type { Shard } from '../../src/gate/revocation/protocol.ts'
import type { SnapshotSource } from '../../src/gate/revocation/snapshot.ts'

type Call = keyof Shard

const ISSUER = 'https://auth.acme.example'

/** Names that stand for agents of one issuer. */
export const agents = (...names: readonly string[]): RevocationSubject[] =>
  names.map((value) => ({ kind: 'agent', issuer: ISSUER, value }))

interface Change {
  readonly version: number
  readonly hash: Uint8Array
}

/**
 * The shard's side of copies in memory, for what the real one does not do on demand: it counts its
 * calls, and has pages of any size, failures, and answers that come when a test says.
 */
export const createMemoryShard = ({ page = 100 } = {}) => {
  const calls: Call[] = []
  let epoch = 'epoch 1'
  let version = 0
  let live = new Map<string, Change>()
  let gone = new Map<string, Change>()
  let error: Error | undefined
  let held: Promise<void> | undefined

  const answer = async <Value>(call: Call, make: () => Value): Promise<Value> => {
    calls.push(call)
    const failure = error
    // As it was when it was asked: an answer on its way does not change.
    const value = failure ? undefined : make()
    await held
    if (failure) throw failure
    return value as Value
  }
  const packed = (changes: readonly Change[]): Uint8Array =>
    new Uint8Array(changes.flatMap(({ hash }) => [...hash]))
  const entryOf = async (value: string) => {
    const [subject] = agents(value) as [RevocationSubject]
    const id = await revocationId(subject, 'block')
    return { ...subject, id, mode: 'block', created: 0, createdBy: ISSUER } as const
  }

  const shard = {
    lookup: async (keys: readonly string[]) => {
      const { found, ...state } = await answer('lookup', () => ({
        epoch,
        version,
        found: keys.filter((key) => live.has(key)),
      }))
      const values = found.map((key) => (JSON.parse(key) as string[])[2] ?? '')
      return { ...state, entries: await Promise.all(values.map(entryOf)) }
    },
    pullAll: (after: number): ReturnType<SnapshotSource['pullAll']> =>
      answer('pullAll', () => {
        const rows = [...live.values()].filter((row) => row.version > after)
        const last = rows.slice(0, page).at(-1)
        return {
          epoch,
          version,
          hashes: packed(rows.slice(0, page)),
          ...(rows.length > page && last && { after: last.version }),
        }
      }),
    pullSince: (known: string, since: number): ReturnType<SnapshotSource['pullSince']> =>
      answer('pullSince', () => {
        if (known !== epoch) return { reset: true } as const
        const changed = (rows: Map<string, Change>) =>
          packed([...rows.values()].filter((row) => row.version > since))
        return { epoch, version, added: changed(live), removed: changed(gone) }
      }),
  }

  return {
    namespace: { getByName: () => shard as unknown as Shard } satisfies Objects<Shard>,
    source: {
      pullAll: async (after: number) => await shard.pullAll(after),
      pullSince: async (known: string, since: number) => await shard.pullSince(known, since),
    },
    /** What was called since this was asked last. */
    calls: () => calls.splice(0),
    async revoke(...names: readonly string[]) {
      for (const subject of agents(...names)) {
        const key = subjectKey(subject)
        const hash = await subjectHash(key)
        version++
        live.set(key, { version, hash })
        gone.delete(key)
      }
    },
    lift(...names: readonly string[]) {
      for (const key of agents(...names).map(subjectKey)) {
        const { hash } = live.get(key) as Change
        version++
        live.delete(key)
        gone.set(key, { version, hash })
      }
    },
    /** As after its storage was lost: an empty set of another epoch. */
    wipe() {
      epoch = `${epoch}+`
      version = 0
      live = new Map()
      gone = new Map()
    },
    /** Calls reject from now on, or no longer. */
    fail(with_: Error | undefined) {
      error = with_
    },
    /** Answers to calls from now on wait until the function it gives is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return () => {
        held = undefined
        resolve()
      }
    },
  }
}

/** What a request brings to pull copies with, and the clock that its test moves. */
export const createIsolate = () => {
  const clock = { at: 1_000_000, now: () => clock.at }
  const kept = new Set<Promise<unknown>>()
  const events: Record<string, unknown>[] = []
  return {
    clock,
    events,
    advance(ms: number) {
      clock.at += ms
    },
    waitUntil(promise: Promise<unknown>) {
      kept.add(promise)
      void promise.finally(() => kept.delete(promise)).catch(() => {})
    },
    log(event: Record<string, unknown>) {
      events.push(event)
    },
    /** How much goes on behind requests. */
    behind: () => kept.size,
    /** Waits for all of it. */
    async settle() {
      while (kept.size > 0) await Promise.allSettled(kept)
    },
  }
}

/** A set that one object holds. */
export const ONE_SHARD: RevocationPlacement = { shards: 1, locations: [] }
