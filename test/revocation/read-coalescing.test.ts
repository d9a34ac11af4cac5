import { afterEach, describe, expect, it, vi } from 'vitest'
import { createTurns } from '../../src/revocation/read-coalescing.ts'

const start = (maxAgeMs = 1_000) => {
  const clock = { at: 0, now: () => clock.at }
  const kept: Promise<unknown>[] = []
  const readings: PromiseWithResolvers<number>[] = []
  const turns = createTurns<number>({
    clock,
    maxAgeMs,
    waitUntil: (promise) => void kept.push(promise),
  })
  const ask = (name = 'a') =>
    turns(name, () => {
      const reading = Promise.withResolvers<number>()
      readings.push(reading)
      return reading.promise
    })
  /** Everything that waits for nothing else has been done. */
  const turn = () => new Promise((done) => setImmediate(done))
  return { clock, kept, readings, ask, turn }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('readings of one name', () => {
  it('are two for any number who come at once, and all but the first get the second', async () => {
    const { readings, ask, turn } = start()
    const first = ask()
    const others = Array.from({ length: 50 }, () => ask())
    expect(readings).toHaveLength(1)
    readings[0]?.resolve(1)
    expect(await first).toBe(1)
    await turn()
    expect(readings).toHaveLength(2)
    readings[1]?.resolve(2)
    expect(new Set(await Promise.all(others))).toEqual(new Set([2]))
    await turn()
    expect(readings).toHaveLength(2)
  })

  it('begin after whoever gets them has come', async () => {
    const { readings, ask, turn } = start()
    const first = ask()
    const second = ask()
    readings[0]?.resolve(1)
    await turn()
    const third = ask()
    readings[1]?.resolve(2)
    expect(await second).toBe(2)
    await turn()
    readings[2]?.resolve(3)
    expect([await first, await third]).toEqual([1, 3])
  })

  it('do not wait for those of another', async () => {
    const { readings, ask } = start()
    void ask('a')
    const other = ask('b')
    readings[1]?.resolve(7)
    expect(await other).toBe(7)
  })

  it('fail for all who share one, and for nobody else', async () => {
    const { readings, ask, turn } = start()
    const first = ask()
    const others = [ask(), ask()]
    readings[0]?.reject(new Error('first'))
    await expect(first).rejects.toThrow('first')
    await turn()
    readings[1]?.reject(new Error('second'))
    for (const one of await Promise.allSettled(others)) {
      expect(one).toMatchObject({ status: 'rejected', reason: new Error('second') })
    }
    const later = ask()
    readings[2]?.resolve(3)
    expect(await later).toBe(3)
  })

  it('are begun anew for those who wait where the request of one has ended', async () => {
    const { readings, ask, turn } = start()
    const gone = new Error('This promise was created by a request that has since ended')
    ask().catch(() => {})
    const second = ask()
    second.catch(() => {})
    const third = ask()
    readings[0]?.reject(gone)
    await turn()
    // The second's own request has ended now; the third has one of its own.
    readings[1]?.reject(gone)
    await turn()
    readings[2]?.resolve(3)
    expect(await third).toBe(3)
  })

  it('are not waited for once they are lost', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { clock, readings, ask } = start(20)
    void ask()
    const second = ask()
    clock.at = 20
    const third = ask()
    expect(readings).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(20)
    readings[1]?.resolve(2)
    expect(await Promise.all([second, third])).toEqual([2, 2])
    expect(readings).toHaveLength(2)
  })
})
