import { reset } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import type { Revocation } from '../../../src/gate/model/revocation.ts'
import { revocationId, subjectKey } from '../../../src/gate/model/revocation.ts'
import { entriesOf, leader, shard } from '../../kit/shards.workerd.ts'

afterEach(() => reset())

const ISSUER = 'https://auth.acme.example'

const standing = async (
  value: string,
  mode: Revocation['mode'],
  more: Partial<Revocation> = {},
): Promise<Revocation> => {
  const subject = { kind: 'agent', issuer: ISSUER, value } as const
  const id = await revocationId(subject, mode)
  return { ...subject, id, mode, created: 1, createdBy: 'ops', ...more }
}

const found = async (value: string, at = leader()) => {
  const key = subjectKey({ kind: 'agent', issuer: ISSUER, value })
  return ((await at.lookup([key])) ?? { entries: [] }).entries.map(({ mode }) => mode)
}

it('has one standing of an agent, in each shard, until it is removed', async () => {
  await expect.poll(() => shard('1').lookup([])).toBeDefined()
  for (const mode of ['approved', 'suspended', 'retired', 'approved'] as const) {
    const set = await leader().setStandings([await standing('a', mode)], [])
    expect(set).toMatchObject({ shards: { total: 2, acknowledged: 2 } })
    expect(await found('a')).toEqual([mode])
    expect(await found('a', shard('1'))).toEqual([mode])
  }
  await leader().setStandings([], [subjectKey({ kind: 'agent', issuer: ISSUER, value: 'a' })])
  expect(await found('a')).toEqual([])
  expect(await found('a', shard('1'))).toEqual([])
})

it('is nothing that administrators of revocations see, lift or are counted with', async () => {
  const approved = await standing('a', 'approved')
  await leader().setStandings([approved], [])
  expect(await leader().list({ limit: 10 })).toEqual({ revocations: [] })
  expect(await leader().removePage({ limit: 10 })).toEqual({ revocations: [] })
  expect(await leader().get(approved.id)).toBeUndefined()
  expect(await leader().remove(approved.id)).toBe(false)
  const [block] = await entriesOf('b')
  await leader().add([block, { ...block, ...(await standing('a', 'block')) }])
  expect((await found('a')).toSorted()).toEqual(['approved', 'block'])
  expect((await leader().list({ limit: 10 })).revocations.map(({ mode }) => mode)).toEqual([
    'block',
    'block',
  ])
})

it('leaves a throttle as it is, in each shard, which is listed and lifted as a revocation is', async () => {
  await expect.poll(() => shard('1').lookup([])).toBeDefined()
  const soon = Math.floor(Date.now() / 1000) + 600
  const throttle = await standing('a', 'throttle', { limit: 6, expires: soon })
  await leader().add([throttle])
  await leader().add([{ ...throttle, limit: 3, expires: soon - 60 }])
  await leader().setStandings([await standing('a', 'approved')], [])
  for (const at of [leader(), shard('1')]) {
    expect((await found('a', at)).toSorted()).toEqual(['approved', 'throttle'])
  }
  const { revocations } = await leader().list({ limit: 10 })
  expect(revocations).toMatchObject([{ mode: 'throttle', limit: 3, expires: soon }])
  expect(revocations[0]).not.toHaveProperty('at')
  expect(await leader().remove(throttle.id)).toBe(true)
  expect(await found('a', shard('1'))).toEqual(['approved'])
})

it('ends an approval when it expires, also where a later one ended later', async () => {
  const soon = Math.floor(Date.now() / 1000) + 1
  await leader().setStandings([await standing('a', 'approved', { expires: soon + 3_600 })], [])
  await leader().setStandings([await standing('a', 'approved', { expires: soon })], [])
  await expect.poll(() => found('a'), { timeout: 10_000 }).toEqual([])
})

describe('where there is no room for more agents', () => {
  const { agentStandings, revocations } = LIMITS
  beforeEach(() => void Object.assign(LIMITS, { agentStandings: 2, revocations: 2 }))
  afterEach(() => void Object.assign(LIMITS, { agentStandings, revocations }))

  it('stores none of them, and revocations have room of their own', async () => {
    const set = (...all: readonly Revocation[]) => leader().setStandings(all, [])
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((one) => standing(one, 'approved')))
    if (!a || !b || !c) throw new Error('none')
    expect(await set(a, b, c)).toBeUndefined()
    expect(await set(a, b)).toMatchObject({ shards: { total: 1 } })
    expect(await set(c)).toBeUndefined()
    expect(await set({ ...a, createdBy: 'another' })).toBeDefined()
    expect(await leader().add(await entriesOf('x', 'y'))).toMatchObject({ added: [{}, {}] })
    expect(await leader().add(await entriesOf('z'))).toEqual({ full: 'set' })
  })
})
