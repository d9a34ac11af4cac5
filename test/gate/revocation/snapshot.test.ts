import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { subjectHash, subjectKey } from '../../../src/gate/model/revocation.ts'
import {
  createSnapshotMemory,
  createSnapshots,
  type SnapshotSource,
} from '../../../src/gate/revocation/snapshot.ts'
import { eventually } from '../../kit/eventually.ts'
import { agents, createIsolate, createMemoryShard } from '../../kit/memory-shard.ts'

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
})

it('takes no page of an older version than that of its first page', async () => {
  const { within, settle, shard, memory } = start({ page: 3 })
  await shard.revoke(...NAMES)
  const { pullAll } = shard.source
  shard.source.pullAll = async (after) => {
    const page = await pullAll(after)
    return after === 0 ? page : { ...page, version: NAMES.length - 1 }
  }
  within()
  await settle()
  expect(memory.held).toBeUndefined()
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
})

describe('a pull', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

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
})
