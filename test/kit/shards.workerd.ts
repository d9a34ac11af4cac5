import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { type Revocation, subjectKey } from '../../src/gate/model/revocation.ts'
import { LOG } from '../../src/gate/revocation/object/log.ts'
import { RevocationShard } from '../../src/gate/revocation/object/object.ts'
import { eventually } from './eventually.ts'
import { answering, createCopy } from './revocation-copy.ts'
import { entryOf, setNow, T } from './revocation-store.ts'

/** The objects that the set is made of, in workerd. */
export const namespace = (env as unknown as Record<string, DurableObjectNamespace<RevocationShard>>)
  .REVOCATIONS as DurableObjectNamespace<RevocationShard>
export const shard = (name: string) => namespace.getByName(name)
export const leader = () => shard('0')

/** Lets each test begin at {@link T} with no objects, and undoes what it did to bounds and calls. */
export const eachAnew = (): void => {
  const bounds = { ...LOG }
  beforeEach(() => setNow(T))
  afterEach(async () => {
    vi.restoreAllMocks()
    Object.assign(LOG, bounds)
    vi.useRealTimers()
    await reset()
  })
}

/** Entries about tokens of these names. */
export const entriesOf = <const Names extends readonly string[]>(...names: Names) =>
  Promise.all(names.map((value) => entryOf({ value }))) as Promise<{
    [Index in keyof Names]: Revocation
  }>

/** What a shard says of entries, by their values; `undefined` where it does not answer. */
export const found = async (name: string, ...entries: readonly Revocation[]) =>
  (await shard(name).lookup(entries.map(subjectKey)))?.entries.map(({ value }) => value).sort()

/** Reads until the shards answer for the set. */
export const enrolled = async (...names: readonly string[]): Promise<void> => {
  for (const name of names) {
    await eventually(async () => expect(await shard(name).lookup([])).toBeDefined(), 5)
  }
}

/** The same where an enrolment has failed, after which there is a pause. */
export const enrolledAgain = async (name: string): Promise<void> => {
  await eventually(async () => {
    setNow(Date.now() / 1000 + 2)
    expect(await shard(name).lookup([])).toBeDefined()
  })
}

/** Has a replica that has answered let go, as if nobody had read it for a day. */
export const leave = async (name: string): Promise<void> => {
  setNow(Date.now() / 1000 + 25 * 60 * 60)
  expect(await alarm(name)).toBe(true)
}

/** Reads a shard that does not answer yet, and so makes it begin to. */
export const asked = async (name: string): Promise<void> => {
  expect(await shard(name).lookup([])).toBeUndefined()
}

export const sql = <Answer>(name: string, run: (sql: SqlStorage) => Answer) =>
  runInDurableObject(shard(name), (_, { storage }) => run(storage.sql))

/** All of a table of a shard. */
export const rowsOf = (name: string, query: string) =>
  sql(name, (storage) => storage.exec(query).toArray())

/** Ends an object's life in memory. */
export const evict = async (name: string): Promise<void> => {
  // Only what runs can be evicted.
  await shard(name).names()
  await evictDurableObject(shard(name))
}

/** Ends an object's life in memory at once, whatever it is doing. */
export const crash = async (name: string): Promise<void> => {
  const aborted = runInDurableObject(shard(name), (_, ctx) => ctx.abort('crashed'))
  await expect(aborted).rejects.toThrow('crashed')
}

/** Takes all that an object has stored, and ends its life in memory. */
export const wipe = async (name: string, end = evict): Promise<void> => {
  await runInDurableObject(shard(name), async (_, { storage }) => {
    await storage.deleteAlarm()
    await storage.deleteAll()
    await storage.sync()
  })
  await end(name)
}

export const alarm = (name: string): Promise<boolean> => runDurableObjectAlarm(shard(name))

type Call = 'replicate' | 'enrol' | 'copyPage' | 'head'
type Through = (name: string, go: () => Promise<unknown>, ...given: unknown[]) => unknown

/**
 * Lets `through` decide what becomes of a call to any shard: it is given the name of who is called, and a
 * function that lets the call go on. `mockRestore` ends it.
 */
export const interceptAny = (call: Call, through: Through) => {
  const proto = RevocationShard.prototype as unknown as Record<
    Call,
    (...given: unknown[]) => unknown
  >
  const original = proto[call]
  return vi.spyOn(proto, call).mockImplementation(async function (this: unknown, ...given) {
    const { ctx } = this as { readonly ctx: DurableObjectState }
    return await through(ctx.id.name ?? '', async () => await original.apply(this, given), ...given)
  })
}

/** The same for calls of one kind. */
export const intercept = <Name extends Call>(
  call: Name,
  through: (
    name: string,
    go: () => Promise<Awaited<ReturnType<RevocationShard[Name]>>>,
    ...given: Parameters<RevocationShard[Name]>
  ) => unknown,
) => interceptAny(call, through as unknown as Through)

/** Makes calls of shards to these ones fail until `restore`. */
export const unreachable = (...names: readonly string[]) => {
  const spies = (['replicate', 'copyPage', 'head', 'enrol'] as const).map((call) =>
    interceptAny(call, (name, go) => {
      if (names.includes(name)) throw new Error('unreachable')
      return go()
    }),
  )
  return {
    restore: () => {
      for (const spy of spies) spy.mockRestore()
    },
  }
}

/** The hashes that a copy of the set has after a pull from this shard. */
export const copyOf = async (name: string): Promise<readonly string[]> => {
  const copy = createCopy(answering(() => shard(name)))
  await copy.pull()
  return copy.hashes()
}
