import { expect } from 'vitest'
import { type Revocation, revocationId, subjectKey } from '../../src/gate/model/revocation.ts'
import { isServing } from '../../src/gate/revocation/object/log.ts'
import type { Head } from '../../src/gate/revocation/protocol.ts'
import { eventually } from './eventually.ts'
import { createPromises } from './promises.ts'
import { answering, createCopy, hashesOfAll } from './revocation-copy.ts'
import { ACME, entryOf, setNow, T } from './revocation-store.ts'
import { alarm, crash, interceptAny, leader, rowsOf, shard, wipe } from './shards.workerd.ts'

export const NAMES = ['0', '1', '2', '3'] as const
const VALUES = ['a', 'b', 'c', 'd', 'e', 'f']

type Fault = 'down' | 'deaf' | 'late'
type Act =
  | { readonly add: readonly { readonly value: string; readonly seconds: number | null }[] }
  | { readonly lift: string }
  | { readonly read: string }
  | { readonly pull: string }
  | { readonly alarm: string }
  | { readonly crash: string }
  | { readonly wait: number }
  | { readonly fault: Fault; readonly name: string }
  | { readonly mend: true }
  | { readonly wipe: string }
  | { readonly idle: string }

/**
 * Four shards in workerd with everything that can happen to them, and a copy of their set; every answer
 * is judged by what was promised. `seen` counts what did happen.
 */
export const createShardWorld = async (seen: Record<string, number>) => {
  let now = T
  setNow(now)
  const promises = createPromises()
  const entries = await Promise.all(VALUES.map((value) => entryOf({ value })))
  const nameOf = new Map(entries.map(({ id, value }) => [id, value]))
  const hashOf = new Map(
    await Promise.all(
      entries.map(async (entry) => [entry.value, (await hashesOfAll([entry]))[0]] as const),
    ),
  )
  const keys = entries.map(subjectKey)
  const faults = new Map<string, Fault>()
  let late: (() => Promise<unknown>)[] = []
  let source = '0'
  let copy = createCopy(answering(() => shard(source)))
  let isCopied = false
  let pulling = false

  const count = (what: string): void => {
    seen[what] = (seen[what] ?? 0) + 1
  }
  const through = async (name: string, go: () => Promise<unknown>, ...given: unknown[]) => {
    const fault = faults.get(name) ?? faults.get(String(given[0]))
    if (fault === 'down') throw new Error('down')
    if (fault === 'late') late.push(go)
    // What it says is lost.
    if (fault === 'deaf') await go()
    if (fault) throw new Error(fault)
    return await go()
  }
  for (const call of ['replicate', 'enrol', 'copyPage', 'head'] as const)
    interceptAny(call, through)

  const head = async (name: string): Promise<Head> => await shard(name).head()

  /** What may have gone with a shard that was wiped. */
  const lost = async (): Promise<void> => {
    if ((await headOf('0')).epoch !== '') return
    // One that has never come so far as to be enrolled is asked by nobody.
    const all = await Promise.all((await shard('replica-registry').names()).map(heldBy))
    if (all.some(({ serves }) => serves)) return count('survived')
    count('lost')
    const last = all
      .map(({ epoch }) => epoch)
      .sort()
      .at(-1)
    const left = all.filter(({ epoch }) => epoch === last)
    for (const id of promises.ids()) {
      const held = left.flatMap(({ entries }) => entries.filter((row) => row.id === id))
      const row = held.sort((one, other) => Number(other.version) - Number(one.version))[0]
      promises.least(
        id,
        row && (row.expires === null ? Number.POSITIVE_INFINITY : Number(row.expires)),
      )
    }
  }
  /** Without waking it to do anything. */
  const headOf = async (name: string): Promise<Head> => {
    const isThere = "SELECT name FROM sqlite_master WHERE name = 'log'"
    const none = [{ epoch: '', version: 0, oldest: 0, serving: null }]
    const heads = (await rowsOf(name, isThere))[0] ? await rowsOf(name, 'SELECT * FROM log') : none
    return heads[0] as unknown as Head
  }
  const heldBy = async (name: string) => {
    const head = await headOf(name)
    const { epoch } = head
    if (epoch === '') return { epoch, serves: false, entries: [] }
    return {
      epoch,
      serves: isServing(head),
      entries: await rowsOf(name, 'SELECT id, version, expires FROM entries'),
    }
  }

  const judge = (found: readonly Revocation[], must: readonly string[], name: string): void => {
    const ids = new Set(found.map(({ id }) => id))
    expect({ name, lacks: must.filter((id) => !ids.has(id)).map((id) => nameOf.get(id)) }).toEqual({
      name,
      lacks: [],
    })
  }

  const read = async (name: string) => {
    const must = promises.asked(now)
    let answer: Awaited<ReturnType<ReturnType<typeof shard>['lookup']>>
    try {
      answer = await shard(name).lookup(keys)
    } catch {
      return count('failed')
    }
    count(answer ? `answered by ${name === '0' ? 'the leader' : 'a replica'}` : 'unanswered')
    if (answer) judge(answer.entries, must(), name)
    return answer
  }

  const pull = async (name: string): Promise<void> => {
    if (pulling) return
    pulling = true
    source = name
    const must = promises.asked(now)
    try {
      if (isCopied && (await copy.follow())) count('followed')
      else {
        isCopied = false
        copy = createCopy(answering(() => shard(source)))
        await copy.pull()
        if (!(await copy.follow())) return
        count('pulled')
        isCopied = true
      }
      const hashes = new Set(copy.hashes())
      const lacks = must()
        .map((id) => nameOf.get(id) as string)
        .filter((value) => !hashes.has(hashOf.get(value) as string))
      expect({ name, copyLacks: lacks }).toEqual({ name, copyLacks: [] })
    } catch (error) {
      if (!/answer|down|deaf|late|crashed|broken/.test(String(error))) throw error
      count('not pulled')
    } finally {
      pulling = false
    }
  }

  const change = async (
    ids: readonly (readonly [string, number | undefined])[],
    call: () => Promise<boolean>,
  ): Promise<void> => {
    const ends = ids.map(([id, until]) => promises.begin(id, until))
    const isAcknowledged = await call().catch(() => false)
    for (const end of ends) end(isAcknowledged)
  }

  const acts: { readonly [Name in string]: (act: never) => Promise<unknown> } = {
    async add({ add }: { add: readonly { value: string; seconds: number | null }[] }) {
      const made = await Promise.all(
        [...new Map(add.map((one) => [one.value, one])).values()].map(({ value, seconds }) =>
          entryOf({ value, ...(seconds !== null && { expires: now + seconds }) }),
        ),
      )
      await change(
        made.map(({ id, expires }) => [id, expires ?? Number.POSITIVE_INFINITY]),
        async () => {
          const added = await leader().add(made)
          if (!('shards' in added)) throw new Error('full')
          const { total, acknowledged } = added.shards
          const by = total === 1 ? 'alone' : 'by several'
          count(acknowledged === total ? `acknowledged ${by}` : 'pending')
          return acknowledged === total
        },
      )
    },
    async lift({ lift }: { lift: string }) {
      const id = await revocationId({ kind: 'token', issuer: ACME, value: lift }, 'block')
      await change([[id, undefined]], () => leader().remove(id))
    },
    read: ({ read: name }: { read: string }) => read(name),
    pull: ({ pull: name }: { pull: string }) => pull(name),
    alarm: ({ alarm: name }: { alarm: string }) => alarm(name).catch(() => {}),
    crash: async ({ crash: name }: { crash: string }) => await crash(name),
    async wait({ wait }: { wait: number }) {
      now += wait
      setNow(now)
    },
    async fault({ fault, name }: { fault: Fault; name: string }) {
      faults.set(name, fault)
    },
    mend: async () => await mend(),
    async wipe({ wipe: name }: { wipe: string }) {
      await wipe(name, crash)
      await lost()
    },
    async idle({ idle }: { idle: string }) {
      now += 25 * 60 * 60
      setNow(now)
      await alarm(idle)
    },
  }

  const mend = async (): Promise<void> => {
    faults.clear()
    const calls = late
    late = []
    await Promise.all(calls.map((go) => go().catch(() => {})))
  }

  return {
    async act(act: Act): Promise<void> {
      const [name] = Object.keys(act) as [string]
      await acts[name]?.(act as never)
    },

    /** Lets everything that is left to do be done: all shards answer then, and all the same. */
    async settle(): Promise<void> {
      await mend()
      await eventually(async () => {
        now += 2
        setNow(now)
        const answers = await Promise.all(NAMES.map(read))
        await alarm('0')
        expect(answers.map((answer) => answer !== undefined)).toEqual(NAMES.map(() => true))
        const { epoch, version } = await head('0')
        for (const name of NAMES) expect(await head(name)).toMatchObject({ epoch, version })
      }, 5)
      const answers = await Promise.all(NAMES.map(read))
      const sorted = answers.map((answer) =>
        [...(answer?.entries ?? [])].sort((one, other) => (one.id < other.id ? -1 : 1)),
      )
      for (const one of sorted) expect(one).toEqual(sorted[0])
      const hashes = await hashesOfAll(sorted[0] ?? [])
      for (const name of NAMES) {
        await pull(name)
        expect(copy.hashes()).toEqual(hashes)
      }
    },
  }
}
