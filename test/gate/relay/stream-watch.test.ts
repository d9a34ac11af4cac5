import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { Revocations } from '../../../src/gate/model/ports.ts'
import {
  type Kind,
  type Revocation,
  revocableSubjects,
  revocationId,
} from '../../../src/gate/model/revocation.ts'
import { type Watched, watch } from '../../../src/gate/relay/streams/stream-watch.ts'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import { accessOf, agentOf, gateOf, ISSUER, NOW, policyOf, routeOf } from '../../kit/facts.ts'

const BOUND = 10_000
const bounded = { consistency: 'bounded', maxStaleness: BOUND } as const

beforeEach(() => {
  vi.useFakeTimers({ now: NOW * 1000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const clock = { now: () => Date.now() }

const entryOf = async (kind: Kind, value: string, more: Partial<Revocation> = {}) => {
  const subject = { kind, issuer: ISSUER, value }
  const id = await revocationId(subject, 'block')
  return { ...subject, id, mode: 'block', created: NOW, createdBy: 'op', ...more } as Revocation
}

interface Setup {
  readonly revocations?: Revocations
  readonly access?: Parameters<typeof accessOf>[0]
  readonly gate?: Parameters<typeof gateOf>[0]
  readonly route?: Parameters<typeof routeOf>[1]
  readonly watched?: Watched
}

/** A watched stream: when it was cut, in milliseconds from its begin, and why. */
const start = (setup: Setup = {}) => {
  const begun = Date.now()
  const cuts: [string, number][] = []
  const lookups: number[] = []
  const set = setup.revocations ?? createMemoryRevocations({ clock })
  const access = accessOf({ expires: NOW + 600, ...setup.access })
  const facts = {
    policy: policyOf([], { gate: gateOf({ clockTolerance: 5, ...setup.gate }) }),
    route: routeOf('GET /v1/*', { revocation: bounded, ...setup.route }),
    access,
    subjects: revocableSubjects(access, agentOf()),
  } as Facts
  const lookup: Revocations['lookup'] = (subjects, terms) => {
    expect(terms).toEqual({ consistency: 'bounded', maxStaleness: expect.any(Number) })
    lookups.push(Date.now() - begun)
    return set.lookup(subjects, terms)
  }
  const ports = { clock, revocations: { lookup } }
  const cut = ({ code }: { readonly code: string }) => cuts.push([code, Date.now() - begun])
  const stop = watch(facts, ports, cut, setup.watched)
  return { cuts, lookups, stop, set }
}

describe('a stream', () => {
  it('is looked at four to five times in the bound for as long as it is open', async () => {
    const { cuts, lookups, stop } = start()
    await vi.advanceTimersByTimeAsync(10 * BOUND)
    expect(lookups.length).toBeGreaterThanOrEqual(40)
    expect(lookups.length).toBeLessThanOrEqual(50)
    expect(new Set(lookups.map((at, i) => at - (lookups[i - 1] ?? 0))).size).toBeGreaterThan(20)
    expect(vi.getTimerCount()).toBe(1)
    stop()
    await vi.advanceTimersByTimeAsync(BOUND)
    expect([cuts, vi.getTimerCount()]).toEqual([[], 0])
  })

  it.each([
    ['with the clock tolerance', 5, 65_000],
    ['without any', 0, 60_000],
  ])('is cut on the millisecond its token expires, %s', async (_name, clockTolerance, at) => {
    const { cuts } = start({ access: { expires: NOW + 60 }, gate: { clockTolerance } })
    await vi.advanceTimersByTimeAsync(at - 1)
    expect(cuts).toEqual([])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(cuts).toEqual([['token_expired', at]])
    expect(vi.getTimerCount()).toBe(0)
  })

  describe('that may finish', () => {
    const expiring = (watched: Watched, more: Setup = {}) =>
      start({
        access: { expires: NOW + 60 },
        gate: { clockTolerance: 5 },
        route: { finishWithin: 300 },
        watched,
        ...more,
      })

    it('goes on for as long as the rule says, and that is told once', async () => {
      const onLate = vi.fn(() => Date.now() - NOW * 1000)
      const { cuts } = expiring({ mayFinish: () => true, onLate })
      await vi.advanceTimersByTimeAsync(360_000 - 1)
      expect(cuts).toEqual([])
      expect(onLate.mock.results).toEqual([{ type: 'return', value: 65_000 }])
      await vi.advanceTimersByTimeAsync(1)
      expect(cuts).toEqual([['token_expired', 360_000]])
      expect(vi.getTimerCount()).toBe(0)
    })

    it.each([
      ['a rule that cuts', { route: { finishWithin: 0 } }, true],
      ['a time that is within the clock tolerance', { route: { finishWithin: 2 } }, true],
      ['an answer that may not', {}, false],
    ])('is cut at expiry with %s', async (_name, more, may) => {
      const onLate = vi.fn()
      const { cuts } = expiring({ mayFinish: () => may, onLate }, more)
      await vi.advanceTimersByTimeAsync(600_000)
      expect(cuts).toEqual([['token_expired', 65_000]])
      expect(onLate).not.toHaveBeenCalled()
    })

    it('is cut within the bound when it is revoked after expiry', async () => {
      const revocations = createMemoryRevocations({ clock })
      const { cuts } = expiring({ mayFinish: () => true }, { revocations })
      await vi.advanceTimersByTimeAsync(100_000)
      await revocations.add([await entryOf('agent', 'planner')])
      await vi.advanceTimersByTimeAsync(BOUND / 4 + 1)
      expect(cuts).toEqual([['token_revoked', expect.any(Number)]])
    })
  })

  it.each<[Kind, string]>([
    ['token', 'token-1'],
    ['agent', 'planner'],
  ])('is cut within the bound when its %s is revoked', async (kind, value) => {
    const revocations = createMemoryRevocations({ clock })
    const { cuts } = start({ revocations })
    await vi.advanceTimersByTimeAsync(3 * BOUND)
    await revocations.add([await entryOf(kind, value)])
    await vi.advanceTimersByTimeAsync(BOUND / 4 + 1)
    expect(cuts).toEqual([['token_revoked', expect.any(Number)]])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a set that gives no answer', () => {
  const never: Revocations = { lookup: () => new Promise(() => {}) }
  const rejecting: Revocations = { lookup: () => Promise.reject(new Error('unreachable')) }
  const throwing: Revocations = {
    lookup: () => {
      throw new Error('unreachable')
    },
  }

  it.each([
    ['that is silent', never],
    ['that rejects', rejecting],
    ['that throws', throwing],
  ])('cuts the stream within the bound: one %s', async (_name, bad) => {
    let set: Revocations = { lookup: () => [] }
    const { cuts } = start({ revocations: { lookup: (...asked) => set.lookup(...asked) } })
    await vi.advanceTimersByTimeAsync(5 * BOUND)
    expect(cuts).toEqual([])
    set = bad
    await vi.advanceTimersByTimeAsync(BOUND)
    expect(cuts).toEqual([['revocations_unavailable', expect.any(Number)]])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('cuts the stream within the bound of the copy that answered last', async () => {
    let isLost = false
    let copiedAt = 0
    const lookup: Revocations['lookup'] = (_, terms) => {
      if (isLost) throw new Error('unreachable')
      // The oldest copy that may answer.
      copiedAt = Date.now() - (terms?.maxStaleness ?? 0)
      return []
    }
    const begun = Date.now()
    const { cuts } = start({ revocations: { lookup } })
    await vi.advanceTimersByTimeAsync(5 * BOUND)
    isLost = true
    await vi.advanceTimersByTimeAsync(BOUND)
    expect(cuts).toEqual([['revocations_unavailable', copiedAt + BOUND - begun]])
  })
})

it("a strict rule's stream goes by the bound of GATE", async () => {
  const strict = { consistency: 'strict', maxStaleness: 1 } as const
  const { lookups, stop } = start({
    route: { revocation: strict },
    gate: { revocation: { consistency: 'strict', maxStaleness: BOUND } },
  })
  await vi.advanceTimersByTimeAsync(BOUND)
  expect(lookups.length).toBeGreaterThanOrEqual(4)
  expect(lookups.length).toBeLessThanOrEqual(5)
  stop()
})
