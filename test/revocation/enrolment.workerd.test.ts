import { describe, expect, it } from 'vitest'
import { LOG } from '../../src/gate/revocation/object/log.ts'
import { eventually } from '../kit/eventually.ts'
import {
  asked,
  eachAnew,
  enrolled,
  enrolledAgain,
  entriesOf,
  found,
  intercept,
  leader,
  leave,
  rowsOf,
  shard,
} from '../kit/shards.workerd.ts'

eachAnew()

const allHave = { shards: { total: 2, acknowledged: 2, pending: [] } }
const oneLacks = { shards: { total: 2, acknowledged: 1, pending: ['1'] } }
const once = () => Promise.withResolvers<void>()

describe('an entry that is renewed while changes come in parts', () => {
  it('is not acknowledged by who was told neither', async () => {
    Object.assign(LOG, { batch: 1 })
    const [x, a, b] = await entriesOf('x', 'a', 'b')
    await enrolled('1')
    const [first, rest] = [once(), once()]
    const takes = intercept('replicate', async (_, go, { to }) => {
      if (to === 1) await first.promise
      // Shard 1 comes to the version at which the entry was made, and no further.
      if (to > 3) {
        await rest.promise
        throw new Error('down')
      }
      return await go()
    })
    const added = [leader().add([a])]
    await eventually(() => expect(takes).toHaveBeenCalled())
    for (const one of [x, b, x]) added.push(leader().add([one]))
    await eventually(async () => expect((await shard('0').head()).version).toBe(4))
    first.resolve()
    await eventually(async () => expect((await shard('1').head()).version).toBe(3))
    expect(await found('1', x)).toEqual([])
    rest.resolve()
    for (const answer of [added[1], added[3]]) expect(await answer).toMatchObject(oneLacks)
    expect(await added[2]).toMatchObject(allHave)
  })

  it.each([['before'], ['after']])(
    'is not lacking in who begins to answer, enrolled %s it is told',
    async (order) => {
      const [x, y] = await entriesOf('x', 'y')
      await enrolled('1')
      await leader().add([y])
      await leave('1')
      expect(await leader().add([x])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
      await leader().add([y])
      Object.assign(LOG, { batch: 1 })
      const [enrolment, rest] = [once(), once()]
      intercept('enrol', async (_, go) => {
        const answer = await go()
        if (order === 'after') await enrolment.promise
        return answer
      })
      let isRenewed = false
      intercept('replicate', async (_, go, { to }) => {
        if (!isRenewed) throw new Error('lost')
        if (to > 3) await rest.promise
        return await go()
      })
      await asked('1')
      await eventually(async () =>
        expect(await rowsOf('0', 'SELECT * FROM replicas')).toHaveLength(1),
      )
      isRenewed = true
      const renewed = leader().add([x])
      await eventually(async () => expect((await shard('1').head()).version).toBe(3))
      enrolment.resolve()
      await eventually(async () =>
        expect((await shard('1').head()).serving).not.toBe(Number.MAX_SAFE_INTEGER),
      )
      expect(await found('1', x)).toBeUndefined()
      rest.resolve()
      await renewed
      await enrolled('1')
      expect(await found('1', x)).toEqual(['x'])
    },
  )
})

describe('what a replica of an earlier enrolment said', () => {
  it.each([['that it is out'], ['that it has all']])('%s counts no more', async (said) => {
    const [one, two] = await entriesOf('one', 'two')
    await enrolled('1')
    if (said === 'that it is out') await leave('1')
    const { promise, resolve } = once()
    const takes = intercept('replicate', async (_, go) => {
      const answer = await go()
      await promise
      return answer
    })
    const first = leader().add([one])
    await eventually(async () => expect(await takes.mock.results[0]?.type).toBe('return'))
    if (said === 'that it has all') await leave('1')
    await shard('1').lookup([])
    await eventually(async () =>
      expect((await rowsOf('0', 'SELECT enrolment FROM replicas'))[0]).toEqual({ enrolment: 2 }),
    )
    resolve()
    await first
    takes.mockRestore()
    expect(await rowsOf('0', 'SELECT name, enrolment FROM replicas')).toEqual([
      { name: '1', enrolment: 2 },
    ])
    await enrolled('1')
    expect(await leader().add([two])).toMatchObject(allHave)
    expect(await found('1', one, two)).toEqual(['one', 'two'])
  })

  it('after a refusal, an answer to an enrolment before it is void', async () => {
    const [one] = await entriesOf('one')
    const { promise, resolve } = once()
    const enrols = intercept('enrol', async (_, go) => {
      const answer = await go()
      await promise
      return answer
    })
    await asked('1')
    await eventually(async () =>
      expect(await rowsOf('0', 'SELECT * FROM replicas')).toHaveLength(1),
    )
    const { epoch } = await shard('0').head()
    const gap = { epoch, from: 5, to: 6, head: 6, changes: [] }
    expect(await shard('1').replicate(gap)).toEqual({ out: true })
    resolve()
    expect(await leader().add([one])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
    expect(await found('1', one)).toBeUndefined()
    enrols.mockRestore()
    await enrolledAgain('1')
    expect(await found('1', one)).toEqual(['one'])
  })
})
