import { beforeEach, describe, expect, it } from 'vitest'
import type { Revocation } from '../../../src/gate/model/revocation.ts'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import { eventually } from '../../kit/eventually.ts'
import { hashesOfAll } from '../../kit/revocation-copy.ts'
import { entryOf, setNow, T } from '../../kit/revocation-store.ts'
import {
  asked,
  copyOf,
  crash,
  eachAnew,
  enrolled,
  enrolledAgain,
  entriesOf,
  found,
  intercept,
  interceptAny,
  leader,
  leave,
  rowsOf,
  wipe,
} from '../../kit/shards.workerd.ts'

eachAnew()

const ENTRIES = 'SELECT * FROM entries ORDER BY id'

/** Runs a change before the copy's `count`th page is made, once. */
const beforePage = (count: number, change: () => Promise<unknown>) => {
  let pages = 0
  return intercept('copyPage', async (_, go) => {
    if (++pages === count) await change()
    return await go()
  })
}

/** What a replica holds is what the leader holds, in each column, and so is what it tells copies. */
const expectSame = async (name: string) => {
  const columns = (rows: readonly Record<string, unknown>[]) =>
    rows.map(({ seq: _, ...row }) => row)
  expect(columns(await rowsOf(name, ENTRIES))).toEqual(columns(await rowsOf('0', ENTRIES)))
  expect(await rowsOf(name, 'SELECT held FROM log')).toEqual(
    await rowsOf('0', 'SELECT held FROM log'),
  )
  expect(await copyOf(name)).toEqual(await copyOf('0'))
}

describe('a set that changes while it is copied', () => {
  let all: readonly [Revocation, Revocation, Revocation, Revocation, Revocation]
  beforeEach(async () => {
    Object.assign(LOG, { batch: 2 })
    all = await entriesOf('a', 'b', 'c', 'd', 'e')
    await leader().add(all)
  })
  const add = async (...values: readonly string[]) => {
    for (const value of values) await leader().add(await entriesOf(value))
  }
  const lift = async (...values: readonly string[]) => {
    for (const { id } of await entriesOf(...values)) expect(await leader().remove(id)).toBe(true)
  }
  const again = async (...values: readonly string[]) => {
    setNow(T + 5)
    await lift(...values)
    for (const value of values) {
      await leader().add([await entryOf({ value, created: T + 5, createdBy: 'someone else' })])
    }
  }

  it.each<[string, number, () => Promise<unknown>, readonly string[]]>([
    ['by new entries of several pages', 2, () => add('f', 'g', 'h'), [...'abcdefgh']],
    ['by a renewal of what was copied', 3, () => add('a', 'b'), [...'abcde']],
    ['by a lift of what is still to be copied', 2, () => lift('c', 'd', 'e'), ['a', 'b']],
    ['by what was copied being made anew', 3, () => again('a', 'b'), [...'abcde']],
    [
      'by all of that',
      2,
      async () => {
        await again('b', 'e')
        await lift('a', 'b')
        await add('f', 'c')
        await again('f')
        await lift('d')
      },
      ['c', 'e', 'f'],
    ],
  ])('%s is copied as it is', async (_, page, change, values) => {
    beforePage(page, change)
    await enrolled('1')
    expect(await found('1', ...(await entriesOf(...'abcdefgh')))).toEqual(values)
    await expectSame('1')
  })

  it('by what the log cannot tell any more is copied anew', async () => {
    Object.assign(LOG, { changes: 3 })
    const pages = beforePage(3, async () => {
      await lift('a', 'b')
      await add('f', 'g', 'h')
      await lift('c')
      await add('f', 'g', 'h')
    })
    await enrolled('1')
    expect(pages.mock.calls.filter(([after]) => after === 0).length).toBeGreaterThan(1)
    await expectSame('1')
  })
})

describe('a replica', () => {
  it.each([
    ['wiped', (name: string) => wipe(name, crash)],
    ['ended', crash],
  ])('that is %s while it copies or enrols begins again', async (_, end) => {
    const [one, two] = await entriesOf('one', 'two')
    await leader().add([one])
    for (const call of ['copyPage', 'enrol'] as const) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const held = interceptAny(call, async (_, go) => {
        const answer = await go()
        await promise
        return answer
      })
      await asked('1')
      await eventually(() => expect(held).toHaveBeenCalled())
      await end('1')
      resolve()
      held.mockRestore()
      await leader().add([two])
      expect([undefined, ['one', 'two']]).toContainEqual(await found('1', one, two))
      await enrolledAgain('1')
      await expectSame('1')
      await wipe('1')
    }
  })

  it('that has fallen behind what the log tells begins anew, and answers nothing before', async () => {
    Object.assign(LOG, { changes: 2 })
    const entries = await entriesOf('a', 'b', 'c', 'd')
    const [a, b, c, d] = entries
    await leader().add([a, b, c])
    await enrolled('1')
    const down = intercept('replicate', () => Promise.reject(new Error('down')))
    for (const { id } of [a, b, c]) await leader().remove(id)
    expect(await leader().add([d])).toMatchObject({ shards: { total: 2, pending: ['1'] } })
    down.mockRestore()
    expect(await found('1', ...entries)).toEqual(['a', 'b', 'c'])
    expect(await leader().add([d])).toMatchObject({ shards: { total: 1, pending: [] } })
    expect(await found('1', ...entries)).toBeUndefined()
    await enrolled('1')
    await expectSame('1')
    expect(await copyOf('1')).toEqual(await hashesOfAll([d]))
  })

  it('that nobody has read for a day is let go, and goes on from where it was', async () => {
    const [one, two] = await entriesOf('one', 'two')
    await leader().add([one])
    await enrolled('1')
    await leave('1')
    expect(await leader().add([two])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
    const copied = intercept('copyPage', (_, go) => go())
    await enrolled('1')
    await expectSame('1')
    expect(copied).not.toHaveBeenCalled()
    const [three] = await entriesOf('three')
    expect(await leader().add([three])).toMatchObject({ shards: { total: 2, acknowledged: 2 } })
  })
})
