import { afterEach, describe, expect, it, vi } from 'vitest'
import { type InFlight, isInFlight, share } from '../../../src/gate/base/single-flight.ts'

const start = () => {
  const flights: InFlight = new Map()
  const clock = { at: 0, now: () => clock.at }
  const kept: Promise<unknown>[] = []
  const terms = {
    clock,
    maxAgeMs: 1_000,
    waitUntil: (promise: Promise<unknown>) => {
      kept.push(promise)
    },
  }
  let runs = 0
  const work = (outcome: Promise<void>) => () => {
    runs++
    return outcome
  }
  return { flights, clock, kept, terms, work, runs: () => runs }
}

const ORPHAN = new Error(
  'This promise was created by a request that has since ended, so it can never settle',
)

describe('share', () => {
  it('runs once for all who ask meanwhile, and again afterwards', async () => {
    const { flights, terms, work, runs } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    const all = Array.from({ length: 20 }, () => share(flights, 'a', terms, work(promise)))
    expect(isInFlight(flights, 'a', terms)).toBe(true)
    resolve()
    await Promise.all(all)
    expect(runs()).toBe(1)
    expect(isInFlight(flights, 'a', terms)).toBe(false)
    await share(flights, 'a', terms, work(Promise.resolve()))
    expect(runs()).toBe(2)
  })

  it('hands its work to waitUntil, and a failure there is no failure', async () => {
    const { flights, terms, work, kept } = start()
    const shared = share(flights, 'a', terms, work(Promise.reject(new Error('down'))))
    await expect(shared).rejects.toThrow('down')
    expect(kept).toHaveLength(1)
    await expect(kept[0]).resolves.toBeUndefined()
    expect(flights.size).toBe(0)
  })

  it('starts anew, once for all, where the request that started it is gone', async () => {
    const { flights, terms, work, runs } = start()
    const orphan = Promise.reject(ORPHAN)
    orphan.catch(() => {})
    flights.set('a', { number: 1, promise: orphan, startedAt: 0, maxAgeMs: 1_000 })
    const again = work(new Promise((done) => setImmediate(done)))
    await Promise.all(Array.from({ length: 5 }, () => share(flights, 'a', terms, again)))
    expect(runs()).toBe(1)
    expect(flights.size).toBe(0)
  })

  it('does not wait for a flight that is lost, nor does its end touch the next', async () => {
    const { flights, terms, work, runs, clock, kept } = start()
    const lost = Promise.withResolvers<void>()
    const next = Promise.withResolvers<void>()
    const first = share(flights, 'a', terms, work(lost.promise))
    clock.at = 1_000
    const second = share(flights, 'a', terms, work(next.promise))
    expect(runs()).toBe(2)
    lost.resolve()
    await first
    await kept[0]
    expect(isInFlight(flights, 'a', terms)).toBe(true)
    next.resolve()
    await second
  })
})

const startReadings = (maxAgeMs = 1_000) => {
  const clock = { at: 0, now: () => clock.at }
  const kept: Promise<unknown>[] = []
  const readings: PromiseWithResolvers<number>[] = []
  const flights: InFlight<number> = new Map()
  const terms = {
    clock,
    maxAgeMs,
    fresh: true,
    waitUntil: (promise: Promise<unknown>) => void kept.push(promise),
  }
  const ask = (name = 'a') =>
    share(flights, name, terms, () => {
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

describe('fresh readings of one name', () => {
  it('are two for any number who come at once, and all but the first get the second', async () => {
    const { readings, ask, turn } = startReadings()
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

  it('are begun anew for those who wait where the request of one has ended', async () => {
    const { readings, ask, turn } = startReadings()
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
})
