import { expect, it, vi } from 'vitest'
import type { RowPage } from '../../../src/gate/revocation/protocol.ts'
import { eventually } from '../../kit/eventually.ts'
import {
  alarm,
  asked,
  eachAnew,
  enrolled,
  enrolledAgain,
  entriesOf,
  found,
  intercept,
  leader,
  leave,
  wipe,
} from '../../kit/shards.workerd.ts'

eachAnew()

/** What the objects have logged so far. */
const logged = () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {})
  return () => log.mock.calls.map(String).join('\n')
}

const inEachRow = (name: string, value: unknown) => (page: RowPage) => ({
  ...page,
  rows: page.rows.map((row) => ({ ...row, [name]: value })),
})

/** Pages of another shard that cannot be read whole. */
const PAGES: readonly (readonly [string, (page: RowPage) => object])[] = [
  ['a row without its time', inEachRow('at', undefined)],
  ['a hash that is cut', inEachRow('hash', new ArrayBuffer(7))],
  ['no rows', ({ rows: _, ...page }) => page],
  ['a version that is no number', (page) => ({ ...page, version: '9' })],
]

it.each([null, {}, { version: '' }, { version: -1 }])(
  'a replica does not answer after it was enrolled with %j',
  async (answer) => {
    const log = logged()
    const [x] = await entriesOf('x')
    await enrolled('1')
    await leave('1')
    // What is sent to it is lost, so only the answer says what it lacks.
    const replicate = intercept('replicate', () => {
      throw new Error('lost')
    })
    await leader().add([x])
    const enrol = intercept('enrol', async (_, go) => {
      await go()
      return answer
    })
    await asked('1')
    await eventually(async () => {
      expect(await found('1', x)).toBeUndefined()
      expect(log()).toContain('revocations_enrol_failed')
    })
    enrol.mockRestore()
    replicate.mockRestore()
    await enrolledAgain('1')
    expect(await found('1', x)).toEqual(['x'])
  },
)

it.each(PAGES)('a replica does not answer by a page with %s', async (_, malformed) => {
  const log = logged()
  const [x] = await entriesOf('x')
  await leader().add([x])
  const copy = intercept('copyPage', async (_, go) => malformed(await go()))
  await asked('1')
  await eventually(async () => {
    expect(await found('1', x)).toBeUndefined()
    expect(log()).toContain('revocations_enrol_failed')
  })
  copy.mockRestore()
  await enrolledAgain('1')
  expect(await found('1', x)).toEqual(['x'])
})

it.each(PAGES)('a primary that lost its data takes over no page with %s', async (_, malformed) => {
  const [x] = await entriesOf('x')
  await enrolled('1')
  await leader().add([x])
  await wipe('0')
  const copy = intercept('copyPage', async (_, go) => malformed(await go()))
  await expect((async () => await leader().lookup([]))()).rejects.toThrow('malformed answer')
  copy.mockRestore()
  expect(await found('0', x)).toEqual(['x'])
})

it.each([{ out: false }, { contradicted: false, version: 1 }, { version: null }, null])(
  'a replica that answers %j to changes is sent them again, and those that come after',
  async (answer) => {
    const log = logged()
    const [x, y] = await entriesOf('x', 'y')
    await enrolled('1')
    const replicate = intercept('replicate', () => answer)
    expect(await leader().add([x])).toMatchObject({ shards: { total: 2, pending: ['1'] } })
    expect(log()).toContain('malformed answer')
    replicate.mockRestore()
    await leader().add([y])
    await alarm('0')
    expect(await found('1', x, y)).toEqual(['x', 'y'])
  },
)
