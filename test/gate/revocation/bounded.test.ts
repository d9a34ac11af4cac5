import { describe, expect, it, vi } from 'vitest'
import type { RevocationTerms } from '../../../src/gate/model/revocation.ts'
import { createRevocations } from '../../../src/gate/revocation/client.ts'
import { createSnapshotMemory } from '../../../src/gate/revocation/snapshot.ts'
import { agents, createIsolate, createMemoryShard, ONE_SHARD } from '../../kit/memory-shard.ts'
import { PATIENCE } from '../../kit/wait.ts'

const BOUNDED: RevocationTerms = { consistency: 'bounded', maxStaleness: 5_000 }
const STRICT: RevocationTerms = { consistency: 'strict', maxStaleness: 5_000 }

const start = () => {
  const shard = createMemoryShard()
  const isolate = createIsolate()
  const memory = createSnapshotMemory()
  const { clock, waitUntil, log } = isolate
  const options = { memory, clock, waitUntil, log }
  const { lookup } = createRevocations(shard.namespace, ONE_SHARD, { ...options, place: () => '' })
  const values = async (subjects = ACTING, terms = BOUNDED) =>
    (await lookup(subjects, terms)).map(({ value }) => value)
  return {
    ...isolate,
    memory,
    shard,
    lookup,
    values,
    /** Has the copy at hand and the subjects hashed, and forgets what was called for it. */
    async warm() {
      await values()
      await isolate.settle()
      await values()
      shard.calls()
    },
    /** Lets the copy catch up. */
    async catchUp() {
      isolate.advance(BOUNDED.maxStaleness / 2)
      await values([])
      await isolate.settle()
      shard.calls()
    },
  }
}

/** A token's list: the same object for all its requests. */
const ACTING = agents('acting', 'its owner', 'its client')
const OTHER = agents('other')

describe('a bounded lookup', () => {
  it('asks the set while the first copy is pulled, once for all', async () => {
    const { lookup, settle, shard } = start()
    await shard.revoke('acting')
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => lookup(agents('acting'), BOUNDED)),
    )
    expect(answers.flat().map(({ value }) => value)).toEqual(Array(10).fill('acting'))
    await settle()
    // The first one's, and one that all who came after it share.
    expect(shard.calls().sort()).toEqual(['lookup', 'lookup', 'pullAll'])
  })

  it('of another token waits for the first copy, and asks nobody', async () => {
    const { lookup, settle, shard } = start()
    await shard.revoke('somebody')
    const agentsOf = Array.from({ length: 100 }, (_, i) => agents(`agent-${i}`))
    const answers = await Promise.all(agentsOf.map((one) => lookup(one, BOUNDED)))
    expect(answers.flat()).toEqual([])
    await settle()
    expect(shard.calls().sort()).toEqual(['lookup', 'pullAll'])
  })

  it('asks the set itself if the copy is long in coming', async () => {
    const { lookup, settle, shard } = start()
    await shard.revoke('agent-7')
    const release = shard.hold()
    const agentsOf = Array.from({ length: 10 }, (_, i) => agents(`agent-${i}`))
    const answers = Promise.all(agentsOf.map((one) => lookup(one, BOUNDED)))
    const called: string[] = []
    await vi.waitFor(() => {
      called.push(...shard.calls())
      expect(called.filter((call) => call === 'lookup')).toHaveLength(10)
    }, PATIENCE)
    release()
    expect((await answers).flat().map(({ value }) => value)).toEqual(['agent-7'])
    await settle()
  })

  it('is answered at once and calls nothing when it is warm', async () => {
    const { lookup, shard, warm } = start()
    await shard.revoke('somebody')
    await warm()
    for (let request = 0; request < 100; request++) {
      expect(lookup(ACTING, BOUNDED)).toEqual([])
    }
    expect(shard.calls()).toEqual([])
  })

  it('judges the age of the copy after the hashing, not before', async () => {
    const { lookup, advance, shard, warm } = start()
    await shard.revoke('somebody')
    await warm()
    shard.fail(new Error('down'))
    advance(BOUNDED.maxStaleness - 1)
    const answer = lookup(agents('late'), BOUNDED)
    advance(1)
    await expect(answer).rejects.toThrow('down')
  })

  it('asks the set where the copy is too old, and rejects where that fails', async () => {
    const { lookup, values, advance, settle, shard, warm } = start()
    await warm()
    shard.fail(new Error('down'))
    advance(BOUNDED.maxStaleness - 1)
    expect(lookup(ACTING, BOUNDED)).toEqual([])
    await settle()
    advance(1)
    await expect(values()).rejects.toThrow('down')
    await settle()
    shard.fail(undefined)
    await shard.revoke('acting')
    // Before any copy is renewed.
    expect(await values()).toEqual(['acting'])
  })
})

describe('a revoked agent', () => {
  it('costs one call, whatever its tokens are and whoever else is revoked', async () => {
    const { lookup, values, shard, catchUp, warm } = start()
    await shard.revoke('acting')
    await warm()
    expect(lookup(ACTING, BOUNDED)).toMatchObject([{ kind: 'agent', value: 'acting' }])
    for (let token = 0; token < 50; token++) {
      expect(await values(agents('acting', `token ${token}`))).toEqual(['acting'])
    }
    expect(shard.calls()).toEqual([])
    await shard.revoke('somebody')
    await catchUp()
    for (let request = 0; request < 50; request++) expect(await values()).toEqual(['acting'])
    expect(shard.calls()).toEqual([])
  })

  it('is one of many, of which a bounded number is remembered', async () => {
    const { values, shard, memory, settle } = start()
    await shard.revoke('acting', 'another')
    await values(OTHER)
    await settle()
    shard.calls()
    const answers = memory.held?.answers
    const none = { hash: new Uint8Array(8), entries: [] }
    for (let i = 0; i < 11_999; i++) answers?.set(`agent ${i}`, none)
    for (let request = 0; request < 2; request++) {
      expect(await values(agents('acting'))).toEqual(['acting'])
      expect([answers?.size, shard.calls()]).toEqual([12_000, request === 0 ? ['lookup'] : []])
    }
    expect(await values(agents('another'))).toEqual(['another'])
    expect(answers?.size).toBeLessThanOrEqual(12_000)
  })

  it('is denied for all that was revoked of it', async () => {
    const { values, shard, settle } = start()
    await shard.revoke('its client', 'acting')
    await values(OTHER)
    await settle()
    // That one thing is known of it does not mean that all is.
    expect(await values(agents('its client'))).toEqual(['its client'])
    expect(await values()).toEqual(['acting', 'its client'])
    shard.calls()
    expect(await values(agents('acting'))).toEqual(['acting'])
    expect(shard.calls()).toEqual([])
  })
})

describe('a strict lookup', () => {
  it.each([
    ['strict terms', STRICT],
    ['no terms', undefined],
  ] as const)('by %s asks the set each time, and pulls no copy', async (_, terms) => {
    const { lookup, shard, settle, warm } = start()
    for (const isWarm of [false, true]) {
      if (isWarm) await warm()
      for (let request = 0; request < 3; request++) expect(await lookup(ACTING, terms)).toEqual([])
      await settle()
      expect(shard.calls()).toEqual(['lookup', 'lookup', 'lookup'])
    }
    await shard.revoke('acting')
    expect(await lookup(ACTING, terms)).toMatchObject([{ value: 'acting' }])
  })

  it('is what a bounded one is where there is no isolate', async () => {
    const { namespace, calls } = createMemoryShard()
    const { lookup } = createRevocations(namespace, ONE_SHARD)
    for (let request = 0; request < 3; request++) await lookup(ACTING, BOUNDED)
    expect(calls()).toEqual(['lookup', 'lookup', 'lookup'])
  })
})
