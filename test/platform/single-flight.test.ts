import { describe, expect, it } from 'vitest'
import { type Flights, isFlying, share } from '../../src/platform/single-flight.ts'

const start = () => {
  const flights: Flights = new Map()
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
    expect(isFlying(flights, 'a', terms)).toBe(true)
    resolve()
    await Promise.all(all)
    expect(runs()).toBe(1)
    expect(isFlying(flights, 'a', terms)).toBe(false)
    await share(flights, 'a', terms, work(Promise.resolve()))
    expect(runs()).toBe(2)
  })

  it('keeps names apart', async () => {
    const { flights, terms, work, runs } = start()
    await Promise.all([
      share(flights, 'a', terms, work(Promise.resolve())),
      share(flights, 'b', terms, work(Promise.resolve())),
    ])
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

  it('fails for all when its work fails, without trying again for each', async () => {
    const { flights, terms, work, runs } = start()
    const down = work(new Promise((_, reject) => setImmediate(reject, new Error('down'))))
    const all = [share(flights, 'a', terms, down), share(flights, 'a', terms, down)]
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected')
    expect(runs()).toBe(1)
  })

  it('starts anew, once for all, where the request that started it is gone', async () => {
    const { flights, terms, work, runs } = start()
    const orphan = Promise.reject(ORPHAN)
    orphan.catch(() => {})
    flights.set('a', { promise: orphan, startedAt: 0, maxAgeMs: 1_000 })
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
    expect(isFlying(flights, 'a', terms)).toBe(true)
    next.resolve()
    await second
  })

  it('forgets those that are lost when the next one starts', async () => {
    const { flights, terms, work, clock } = start()
    const silent = new Promise<void>(() => {})
    for (let i = 0; i < 100; i++) void share(flights, `lost ${i}`, terms, work(silent))
    clock.at = 500
    void share(flights, 'young', terms, work(silent))
    clock.at = 1_000
    await share(flights, 'a', terms, work(Promise.resolve()))
    expect([...flights.keys()]).toEqual(['young'])
  })

  it('waits no longer than a flight lasts', async () => {
    const { flights, terms, work, runs } = start()
    const short = { ...terms, maxAgeMs: 20 }
    const silent = work(new Promise(() => {}))
    await Promise.all([share(flights, 'a', short, silent), share(flights, 'a', short, silent)])
    expect(runs()).toBe(2)
  })
})
