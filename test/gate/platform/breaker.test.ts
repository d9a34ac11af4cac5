import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createBreaker } from '../../../src/gate/platform/breaker.ts'
import { startClock } from '../keys/support.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const MS = 5_000
const SHORT = 1_000
const never = () => new Promise<never>(() => {})
const after = (ms: number) => () => new Promise<string>((done) => setTimeout(done, ms, 'answer'))

const start = () => {
  const clock = startClock()
  const probes: Promise<unknown>[] = []
  const breaker = createBreaker({ clock, waitUntil: (probe) => void probes.push(probe) })
  /** What a call has come to after so many milliseconds. */
  const callFor = async (ms: number, call: () => Promise<string>, name = 'one') => {
    const outcome = breaker.call(name, call, MS).catch(String)
    await vi.advanceTimersByTimeAsync(ms)
    clock.advance(ms)
    return Promise.race([outcome, 'waits'])
  }
  const makeLate = (name?: string) => callFor(MS, never, name)
  return { clock, probes, breaker, callFor, makeLate }
}

it('gives a call all of its time, until one was not answered in time', async () => {
  const { callFor, probes } = start()
  expect(await callFor(MS - 1, never)).toBe('waits')
  expect(await callFor(1, never)).toBe('waits')
  expect(await callFor(MS - 2, after(MS - 2))).toContain('no answer')
  expect(probes).toHaveLength(0)
})

it('waits a second for a late dependency, and for no other', async () => {
  const { callFor, makeLate } = start()
  expect(await makeLate()).toBe(`Error: no answer within ${MS} ms`)
  expect(await callFor(SHORT - 1, never)).toBe('waits')
  expect(await callFor(SHORT, never)).toBe(`Error: no answer within ${SHORT} ms`)
  expect(await callFor(SHORT, never, 'other')).toBe('waits')
})

it.each([
  ['at once', 0],
  ['within the second', SHORT - 1],
])('gives calls all of their time again after an answer %s', async (_, ms) => {
  const { callFor, makeLate } = start()
  await makeLate()
  expect(await callFor(ms, after(ms))).toBe('answer')
  expect(await callFor(MS - 1, never)).toBe('waits')
})

it('notices an answer that takes longer, by a call that goes on after its request', async () => {
  const { breaker, callFor, makeLate, probes } = start()
  await makeLate()
  await callFor(SHORT, never)
  expect(await callFor(SHORT, after(2 * SHORT))).toContain('no answer')
  expect(breaker.isLate('one')).toBe(true)
  await vi.advanceTimersByTimeAsync(SHORT)
  expect(breaker.isLate('one')).toBe(false)
  expect(probes.length).toBeGreaterThan(0)
})

it('keeps one call in a second alive, however many there are', async () => {
  const { clock, breaker, makeLate, probes } = start()
  await makeLate()
  for (let second = 1; second <= 3; second++) {
    clock.advance(SHORT)
    const all = [1, 2, 3].map(() => breaker.call('one', never, MS).catch(String))
    await vi.advanceTimersByTimeAsync(SHORT)
    await Promise.all(all)
    expect(probes).toHaveLength(second)
  }
  await vi.advanceTimersByTimeAsync(MS)
  await Promise.all(probes)
  expect(vi.getTimerCount()).toBe(0)
})

it('takes an error for no answer, and for no delay', async () => {
  const { breaker, callFor, makeLate } = start()
  const fails = () => Promise.reject(new Error('down'))
  expect(await callFor(0, fails)).toBe('Error: down')
  expect(breaker.isLate('one')).toBe(false)
  await makeLate()
  expect(await callFor(0, fails)).toBe('Error: down')
  expect(breaker.isLate('one')).toBe(true)
})
