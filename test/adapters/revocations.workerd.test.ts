import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { RevocationShard } from '../../src/adapters/revocation-shard.ts'
import { createRevocations } from '../../src/adapters/revocations.ts'
import { LIMITS } from '../../src/base/limits.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = () => new Promise<never>(() => {})
const nothing = async () => []

/** A namespace whose object answers one try after another in these ways. */
const open = (...tries: readonly (() => Promise<unknown>)[]) => {
  let asked = 0
  const answer = () => tries[asked++]?.()
  const shard = { lookup: answer, list: answer, get: answer }
  const namespace = { getByName: () => shard } as unknown as DurableObjectNamespace<RevocationShard>
  return { revocations: createRevocations(namespace), asked: () => asked }
}

const READS = {
  lookup: ({ revocations }) => revocations.lookup([]),
  list: ({ revocations }) => revocations.list({ limit: 1 }),
  get: ({ revocations }) => revocations.get('id'),
} satisfies Record<string, (opened: ReturnType<typeof open>) => Promise<unknown>>

it.each(Object.entries(READS))('%s gives up a second try that never ends', async (_, read) => {
  const opened = open(never, never)
  const settled = vi.fn()
  const outcome = read(opened).catch(String).finally(settled)
  await vi.advanceTimersByTimeAsync(2 * LIMITS.revocationReadMs - 1)
  expect(settled).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(settled).toHaveBeenCalled()
  expect(await outcome).toContain('no answer within')
  expect(opened.asked()).toBe(2)
  expect(vi.getTimerCount()).toBe(0)
})

it('asks again when the first try never ends', async () => {
  const opened = open(never, nothing)
  const outcome = opened.revocations.lookup([])
  await vi.advanceTimersByTimeAsync(LIMITS.revocationReadMs)
  expect(await outcome).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
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
  expect(
    await open(...tries)
      .revocations.lookup([])
      .catch(String),
  ).toEqual(expected)
  expect(vi.getTimerCount()).toBe(0)
})
