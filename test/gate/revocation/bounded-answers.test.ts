import { describe, expect, it } from 'vitest'
import { hasExpired } from '../../../src/gate/model/revocation.ts'
import { createBoundedLookup } from '../../../src/gate/revocation/bounded.ts'
import { createSnapshotMemory } from '../../../src/gate/revocation/snapshot.ts'
import { eventually } from '../../kit/eventually.ts'
import { createLoggedSet } from '../../kit/logged-set.ts'
import { agents, createIsolate } from '../../kit/memory-shard.ts'

const BOUND = 5_000
/** Seconds: the clock of an isolate that has just begun. */
const T = 1_000

/** An isolate that begins with a copy of an empty set. The answers of its shard are `lag` versions behind. */
const start = async (lag = () => 0) => {
  const isolate = createIsolate()
  const { clock, waitUntil, log, advance, settle } = isolate
  const set = createLoggedSet(isolate)
  const memory = createSnapshotMemory()
  const { source } = set
  const ask: typeof set.ask = async (subjects) => {
    const found = await set.ask(subjects)
    return { ...found, version: found.version - lag() }
  }
  const lookup = createBoundedLookup(ask, { memory, source, clock, waitUntil, log })
  const entries = async (...names: readonly string[]) => await lookup(agents(...names), BOUND)
  await entries()
  await settle()
  set.asked()
  return {
    ...isolate,
    ...set,
    memory,
    /** What a request of these agents gets. */
    entries,
    /** The same in short: mode and, for `before`, the moment. */
    async told(...names: readonly string[]) {
      const found = await entries(...names)
      return found.map(({ mode, at }) => (mode === 'before' ? `before ${at}` : mode)).sort()
    },
    /** Lets the copy catch up. */
    async catchUp() {
      advance(BOUND / 2)
      await entries()
      await settle()
    },
  }
}

type World = Awaited<ReturnType<typeof start>>
type Act = (world: World) => unknown

const before: Act = ({ revoke }) => revoke('acting', 'before', { at: T - 100 })
const block: Act = ({ revoke }) => revoke('acting')
const both: Act = async (world) => {
  await before(world)
  await block(world)
}
const later: Act = ({ revoke }) => revoke('acting', 'before', { at: T })
const other: Act = ({ revoke }) => revoke('somebody')

describe('a remembered answer', () => {
  it.each<[string, Act, Act, told: readonly string[], asked: number]>([
    ['nothing', before, () => {}, ['before 900'], 0],
    ['a revocation of somebody else', before, other, ['before 900'], 0],
    ['a later moment', before, later, ['before 1000'], 1],
    ['another mode', before, block, ['before 900', 'block'], 1],
    ['a lift', before, ({ lift }) => lift('acting', 'before'), [], 0],
    [
      'a lift that is taken back',
      block,
      async ({ revoke, lift }) => {
        await lift('acting')
        await revoke('acting')
      },
      ['block'],
      1,
    ],
    ['the lift of one entry of two', both, ({ lift }) => lift('acting'), ['before 900'], 1],
    ['a full pull', before, ({ reset }) => reset(), ['before 900'], 1],
  ])('after %s', async (_, given, change, told, asked) => {
    const world = await start()
    await given(world)
    await world.catchUp()
    expect(await world.told('acting')).not.toEqual([])
    expect(world.asked()).toBe(1)
    await change(world)
    await world.catchUp()
    // A set that was reset is pulled whole with the next call.
    await world.catchUp()
    expect(await world.told('acting')).toEqual(told)
    expect(await world.told('acting', 'its token')).toEqual(told)
    expect(world.asked()).toBe(asked)
  })

  it('that there is none lasts as others do', async () => {
    const { revoke, catchUp, told, asked } = await start()
    await revoke('acting', 'block', { expires: T + 5 })
    await catchUp()
    await catchUp()
    // The copy still names it.
    expect([await told('acting'), asked()]).toEqual([[], 1])
    await revoke('somebody')
    await catchUp()
    expect([await told('acting'), asked()]).toEqual([[], 0])
    await revoke('acting')
    await catchUp()
    expect([await told('acting'), asked()]).toEqual([['block'], 1])
  })

  it('is not that of a shard that is behind the copy', async () => {
    let lag = 1
    const world = await start(() => lag)
    const { catchUp, told, asked } = world
    await block(world)
    await catchUp()
    await told('acting')
    asked()
    lag = 0
    expect([await told('acting'), asked()]).toEqual([['block'], 1])
    expect([await told('acting'), asked()]).toEqual([['block'], 0])
  })

  it('is given up with its entry', async () => {
    const { memory, revoke, lift, catchUp, told } = await start()
    await revoke('acting')
    await catchUp()
    await told('acting')
    expect(memory.held?.answers.size).toBe(1)
    await lift('acting')
    await catchUp()
    expect(memory.held?.answers.size).toBe(0)
  })

  it('is handed on with when it ends, and so ends for the caller', async () => {
    const { revoke, catchUp, entries, asked, clock } = await start()
    await revoke('acting', 'block', { expires: T + 10 })
    const lives = []
    for (let round = 0; round < 8; round++) {
      await catchUp()
      const [entry] = await entries('acting')
      lives.push(entry && !hasExpired(entry, Math.floor(clock.now() / 1000)))
    }
    expect(lives).toEqual([true, true, true, false, false, false, false, false])
    expect(asked()).toBe(1)
  })
})

describe('an answer on its way', () => {
  /** The second version is there before the answer, or after it. */
  it.each<[string, 'late' | 'early', Act, Act, told: readonly string[]]>([
    ['a later moment', 'late', before, later, ['before 1000']],
    ['another mode', 'early', before, block, ['before 900', 'block']],
    ['the lift of one entry of two', 'late', both, ({ lift }) => lift('acting'), ['before 900']],
    ['the lift of one entry of two', 'early', both, ({ lift }) => lift('acting'), ['before 900']],
    ['somebody else', 'late', before, other, ['before 900']],
  ])('is not remembered as of later than %s (%s)', async (_, when, given, change, told) => {
    const world = await start()
    const { memory, advance, settle } = world
    await given(world)
    await world.catchUp()
    const { held } = memory
    const arrive = world.hold()
    const first = world.told('acting')
    await eventually(() => expect(world.asked()).toBe(1))
    await change(world)
    if (when === 'early') {
      arrive()
      await first
    }
    // The pull goes on behind a request that itself asks for nothing.
    advance(BOUND / 2)
    await world.told()
    await eventually(() => expect(memory.held?.version).not.toBe(held?.version))
    const second = world.told('acting')
    arrive()
    await first
    expect(await second).toEqual(told)
    await settle()
    for (let request = 0; request < 3; request++) expect(await world.told('acting')).toEqual(told)
  })
})
