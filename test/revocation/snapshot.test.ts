import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../src/gate/base/limits.ts'
import { subjectHash, subjectKey } from '../../src/gate/model/revocation.ts'
import {
  createSnapshotMemory,
  createSnapshots,
  type SnapshotSource,
} from '../../src/gate/revocation/snapshot.ts'
import { eventually } from '../kit/eventually.ts'
import { agents, createIsolate, createMemoryShard } from '../kit/memory-shard.ts'

const BOUND = 5_000

const start = (options: { page?: number; source?: SnapshotSource } = {}) => {
  const shard = createMemoryShard(options)
  const isolate = createIsolate()
  const memory = createSnapshotMemory()
  const { clock, waitUntil, log } = isolate
  const source = options.source ?? shard.source
  const open = () => createSnapshots({ memory, source, clock, waitUntil, log })
  const snapshots = open()
  return {
    ...isolate,
    shard,
    memory,
    open,
    within: (ms = BOUND) => snapshots.within(ms),
    /** Asks for the copy, waits for what that begins, and says which of the agents it names. */
    async refreshed(...names: readonly string[]) {
      snapshots.within(0)
      await isolate.settle()
      return named(memory.held?.set, names)
    },
  }
}

const named = async (
  set: { has(hash: Uint8Array, at: number): boolean } | undefined,
  names: readonly string[],
) => {
  const hashes = await Promise.all(agents(...names).map((one) => subjectHash(subjectKey(one))))
  return names.filter((_, index) => set?.has(hashes[index] as Uint8Array, 0))
}

const NAMES = Array.from({ length: 10 }, (_, index) => `agent ${index}`)

describe('the age of a copy', () => {
  it('is none before the first is complete, which one call brings', async () => {
    const { within, settle, shard } = start()
    await shard.revoke('agent 0')
    expect(within()).toBeUndefined()
    await settle()
    expect(await named(within()?.set, NAMES)).toEqual(['agent 0'])
    expect(shard.calls()).toEqual(['pullAll'])
  })

  it('ends exactly at the bound, which is each caller’s own', async () => {
    const { within, settle, advance } = start()
    within()
    await settle()
    for (const bound of [1_000, 5_000, 60_000]) expect(within(bound)).toBeDefined()
    advance(999)
    expect(within(1_000)).toBeDefined()
    advance(1)
    expect(within(1_000)).toBeUndefined()
    expect(within(1_001)).toBeDefined()
  })

  it('counts from the asking, however late the answer comes', async () => {
    const { within, settle, advance, shard } = start()
    const answer = shard.hold()
    within()
    advance(2_000)
    answer()
    await settle()
    expect(within(2_001)).toBeDefined()
    expect(within(2_000)).toBeUndefined()
  })

  it('is renewed from half of the bound on, while the old copy serves', async () => {
    const { within, settle, advance, shard } = start()
    within()
    await settle()
    shard.calls()
    advance(BOUND / 2 - 1)
    expect(within()).toBeDefined()
    expect(shard.calls()).toEqual([])
    advance(1)
    await shard.revoke('agent 1')
    const answer = shard.hold()
    expect(within()).toBeDefined()
    advance(BOUND / 2 - 1)
    expect(await named(within()?.set, NAMES)).toEqual([])
    answer()
    await settle()
    expect(await named(within()?.set, NAMES)).toEqual(['agent 1'])
    expect(shard.calls()).toEqual(['pullSince'])
    // Half a bound and less has passed since the renewal was begun.
    advance(BOUND / 2)
    expect(within()).toBeDefined()
    advance(1)
    expect(within()).toBeUndefined()
  })

  it('is too much where the clock was set back, and right with the next pull', async () => {
    const { within, settle, advance } = start()
    within()
    await settle()
    advance(-60_000)
    expect(within()).toBeUndefined()
    await settle()
    expect(within()).toBeDefined()
    advance(BOUND)
    expect(within()).toBeUndefined()
  })
})

describe('a copy', () => {
  it('follows the set by its changes alone', async () => {
    const { refreshed, shard } = start()
    await shard.revoke('agent 0', 'agent 1')
    expect(await refreshed(...NAMES)).toEqual(['agent 0', 'agent 1'])
    shard.lift('agent 0')
    await shard.revoke('agent 2')
    expect(await refreshed(...NAMES)).toEqual(['agent 1', 'agent 2'])
    await shard.revoke('agent 0')
    shard.lift('agent 0', 'agent 2')
    expect(await refreshed(...NAMES)).toEqual(['agent 1'])
    expect(shard.calls()).toEqual(['pullAll', 'pullSince', 'pullSince'])
  })

  it('has a new memory of what was said about subjects with each version, and only then', async () => {
    const { refreshed, memory, shard } = start()
    await refreshed()
    const first = memory.held?.answers
    await refreshed()
    expect(memory.held?.answers).toBe(first)
    await shard.revoke('agent 0')
    await refreshed()
    expect(memory.held?.answers).not.toBe(first)
  })

  it('is complete with its last page and with what changed since the first', async () => {
    const { within, settle, shard } = start({ page: 3 })
    await shard.revoke(...NAMES.slice(0, 7))
    const answer = shard.hold()
    within()
    // The first page is on its way: what it says will be wrong in both ways.
    shard.lift('agent 0')
    await shard.revoke('agent 8')
    answer()
    await settle()
    expect(shard.calls()).toEqual(['pullAll', 'pullAll', 'pullAll', 'pullSince'])
    expect(await named(within()?.set, NAMES)).toEqual([...NAMES.slice(1, 7), 'agent 8'])
  })

  it('is as old as the last call of its pull, not as the first', async () => {
    const { advance, clock, memory, refreshed, shard } = start({ page: 3 })
    await shard.revoke(...NAMES)
    const begun = clock.at
    const { pullAll, pullSince } = shard.source
    shard.source.pullAll = (after) => {
      advance(100)
      return pullAll(after)
    }
    shard.source.pullSince = (...since) => {
      advance(700)
      return pullSince(...since)
    }
    await refreshed()
    expect(memory.held?.askedAt).toBe(begun + 4 * 100)
  })

  it('of which some pages are missing is not used, and goes on where it stopped', async () => {
    const { within, settle, advance, shard, events } = start({ page: 3 })
    await shard.revoke(...NAMES)
    const { pullAll } = shard.source
    let turned = 0
    shard.source.pullAll = async (after) => {
      if (++turned === 3) throw new Error('unreachable')
      return pullAll(after)
    }
    within()
    await settle()
    expect(within()).toBeUndefined()
    expect(events).toEqual([{ event: 'revocations_pull_failed', error: 'Error: unreachable' }])
    advance(250)
    within()
    await settle()
    expect(await named(within()?.set, NAMES)).toEqual(NAMES)
    // Two pages, then the third and the fourth.
    expect(shard.calls()).toEqual(['pullAll', 'pullAll', 'pullAll', 'pullAll', 'pullSince'])
  })

  it.each(['a page', 'its end'])(
    'of a set that is reset before %s is begun again',
    async (when) => {
      const { within, settle, advance, shard, memory } = start({ page: 3 })
      await shard.revoke(...NAMES)
      const call = when === 'a page' ? 'pullAll' : 'pullSince'
      const real = shard.source[call] as (...given: unknown[]) => Promise<never>
      let seen = 0
      shard.source[call] = async (...given: unknown[]) => {
        if (++seen === (call === 'pullAll' ? 2 : 1)) {
          shard.wipe()
          await shard.revoke('agent 4')
        }
        return real(...given)
      }
      within()
      await settle()
      expect(memory.held).toBeUndefined()
      advance(250)
      within()
      await settle()
      expect(await named(within()?.set, NAMES)).toEqual(['agent 4'])
    },
  )

  it.each([
    ['another set', { epoch: 'another' }],
    ['an older version', { version: NAMES.length - 1 }],
  ])('takes no page of %s than that of its first page', async (_, other) => {
    const { within, settle, shard, memory } = start({ page: 3 })
    await shard.revoke(...NAMES)
    const { pullAll } = shard.source
    shard.source.pullAll = async (after) => {
      const page = await pullAll(after)
      return after === 0 ? page : { ...page, ...other }
    }
    within()
    await settle()
    expect(memory.held).toBeUndefined()
  })

  it('of a set that was reset serves by its own age until another is complete', async () => {
    const { within, settle, advance, shard } = start({ page: 3 })
    await shard.revoke('agent 0')
    within()
    await settle()
    shard.wipe()
    await shard.revoke(...NAMES.slice(1))
    const { pullAll } = shard.source
    const gate = Promise.withResolvers<void>()
    shard.source.pullAll = async (after) => {
      await gate.promise
      return pullAll(after)
    }
    advance(BOUND - 1)
    expect(await named(within()?.set, NAMES)).toEqual(['agent 0'])
    advance(1)
    expect(within()).toBeUndefined()
    gate.resolve()
    await settle()
    expect(await named(within()?.set, NAMES)).toEqual(NAMES.slice(1))
  })

  it('of a set that went back to an older version is replaced', async () => {
    const { refreshed, shard } = start()
    await shard.revoke(...NAMES)
    await refreshed()
    const { pullSince } = shard.source
    shard.source.pullSince = async (epoch) => ({
      epoch,
      version: 1,
      added: new Uint8Array(),
      removed: new Uint8Array(),
    })
    for (const name of NAMES) shard.lift(name)
    expect(await refreshed(...NAMES)).toEqual([])
    shard.source.pullSince = pullSince
    expect(shard.calls()).toEqual(['pullAll', 'pullAll'])
  })

  it('is not renewed by changes that are cut off', async () => {
    const { refreshed, advance, shard, memory, events } = start()
    await shard.revoke('agent 0')
    await refreshed()
    const askedAt = memory.held?.askedAt
    advance(100)
    shard.source.pullSince = async (epoch) => ({
      epoch,
      version: 9,
      added: new Uint8Array(7),
      removed: new Uint8Array(),
    })
    expect(await refreshed('agent 0')).toEqual(['agent 0'])
    expect(memory.held).toMatchObject({ version: 1, askedAt })
    expect(events).toHaveLength(1)
  })
})

describe('a set that cannot be reached', () => {
  it('is asked again after a moment, not by every request', async () => {
    const { within, settle, advance, shard } = start()
    shard.fail(new Error('down'))
    for (let round = 0; round < 3; round++) {
      for (let request = 0; request < 20; request++) {
        expect(within()).toBeUndefined()
        await settle()
      }
      expect(shard.calls()).toEqual(['pullAll'])
      advance(250 * 2 ** round)
    }
    shard.fail(undefined)
    within()
    await settle()
    expect(within()).toBeDefined()
  })

  it('leaves the copy as it was, until the bound', async () => {
    const { within, settle, advance, shard } = start()
    await shard.revoke('agent 0')
    within()
    await settle()
    shard.fail(new Error('down'))
    for (let age = 250; age < BOUND; age += 250) {
      advance(250)
      expect(await named(within()?.set, NAMES)).toEqual(['agent 0'])
      await settle()
    }
    advance(250)
    expect(within()).toBeUndefined()
    await settle()
    shard.fail(undefined)
    advance(1_000)
    within()
    await settle()
    expect(within()).toBeDefined()
  })
})

describe('a pull', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('is one for all requests of an isolate', async () => {
    const { open, behind, settle, shard } = start()
    open().within(BOUND)
    const one = behind()
    for (let request = 0; request < 100; request++) open().within(BOUND)
    expect(behind()).toBe(one)
    await settle()
    expect(shard.calls()).toEqual(['pullAll'])
  })

  it('that hangs is lost after a while and begun anew; what it brings later is dropped', async () => {
    const { within, settle, advance, shard, memory } = start()
    await shard.revoke('agent 0')
    within()
    await settle()
    advance(BOUND)
    // Nobody's promise settles: the request that began it is gone.
    const late = shard.hold()
    within()
    expect(shard.calls()).toEqual(['pullAll', 'pullSince'])
    advance(LIMITS.revocationReadMs - 1)
    within()
    expect(shard.calls()).toEqual([])
    advance(1)
    await shard.revoke('agent 1')
    const next = shard.hold()
    within()
    expect(shard.calls()).toEqual(['pullSince'])
    next()
    await eventually(() => expect(within()).toBeDefined())
    const { held } = memory
    late()
    await settle()
    expect(memory.held).toBe(held)
    expect(await named(within()?.set, NAMES)).toEqual(['agent 0', 'agent 1'])
  })

  it('whose first page is late brings nothing back into the copy that overtook it', async () => {
    const { within, settle, advance, shard } = start({ page: 3 })
    await shard.revoke(...NAMES)
    const late = shard.hold()
    within()
    advance(LIMITS.revocationPageMs)
    shard.lift('agent 0')
    const next = shard.hold()
    within()
    next()
    await eventually(() => expect(within()).toBeDefined())
    expect(await named(within()?.set, NAMES)).toEqual(NAMES.slice(1))
    late()
    await settle()
    expect(await named(within()?.set, NAMES)).toEqual(NAMES.slice(1))
  })
})
