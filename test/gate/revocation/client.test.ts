import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import type { Objects } from '../../../src/gate/platform/calls.ts'
import { createRevocations } from '../../../src/gate/revocation/client.ts'
import type { Shard } from '../../../src/gate/revocation/protocol.ts'
import { ONE_SHARD } from '../../kit/memory-shard.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Milliseconds that a second try has. */
const SHORT = 1_000
const never = () => new Promise<never>(() => {})
const nothing = async () => ({ epoch: 'e', version: 1, entries: [] })

/** A namespace whose object answers one try after another in these ways. */
const open = (...tries: readonly (() => Promise<unknown>)[]) => {
  let asked = 0
  const answer = () => tries[asked++]?.()
  const shard = { lookup: answer, list: answer, get: answer }
  const namespace = { getByName: () => shard } as unknown as Objects<Shard>
  return { revocations: createRevocations(namespace, ONE_SHARD), asked: () => asked }
}

const READS = {
  lookup: async ({ revocations }) => revocations.lookup([]),
  list: ({ revocations }) => revocations.list({ limit: 1 }),
  get: ({ revocations }) => revocations.get('id'),
} satisfies Record<string, (opened: ReturnType<typeof open>) => Promise<unknown>>

it.each(Object.entries(READS))('%s gives up a second try that never ends', async (_, read) => {
  const opened = open(never, never)
  const settled = vi.fn()
  const outcome = read(opened).catch(String).finally(settled)
  await vi.advanceTimersByTimeAsync(LIMITS.revocationReadMs + SHORT - 1)
  expect(settled).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(settled).toHaveBeenCalled()
  expect(await outcome).toContain('no answer within')
  expect(opened.asked()).toBe(2)
  expect(vi.getTimerCount()).toBe(0)
})

it('waits a second for a set that was late, until it has answered', async () => {
  const slow = () => new Promise((done) => setTimeout(() => done(nothing()), 2_000))
  const { revocations, asked } = open(never, never, never, slow, nothing, slow)
  const lookup = (ms: number) => {
    const outcome = Promise.resolve(revocations.lookup([])).then(String, String)
    return vi.advanceTimersByTimeAsync(ms).then(() => Promise.race([outcome, 'still waiting']))
  }
  expect(await lookup(LIMITS.revocationReadMs + SHORT)).toContain('no answer within')
  for (const tries of [3, 4]) {
    expect(await lookup(SHORT)).toContain('no answer within 1000 ms')
    expect(asked()).toBe(tries)
  }
  expect(await lookup(0)).toBe('')
  expect(await lookup(SHORT)).toBe('still waiting')
  await vi.advanceTimersByTimeAsync(SHORT)
})

it.each([
  ['answered', [nothing], []],
  ['failed and answered', [() => Promise.reject(new Error('reset')), nothing], []],
  [
    'failed twice',
    [() => Promise.reject(new Error('reset')), () => Promise.reject(new Error('gone'))],
    'Error: gone',
  ],
])('leaves no timer behind when it %s', async (_, tries, expected) => {
  const { revocations } = open(...tries)
  expect(await READS.lookup({ revocations, asked: () => 0 }).catch(String)).toEqual(expected)
  expect(vi.getTimerCount()).toBe(0)
})
