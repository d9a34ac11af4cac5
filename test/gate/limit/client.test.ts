import { describe, expect, it } from 'vitest'
import { fail, ok } from '../../../src/gate/base/result.ts'
import {
  createLimits,
  type LimitsOptions,
  limiterOf,
  peeking,
} from '../../../src/gate/limit/client.ts'
import {
  NOTHING_SPENT,
  type RateLimit,
  type Spent,
  takeOne,
} from '../../../src/gate/model/limit.ts'

const EXACT: RateLimit = { kind: 'exact', per: 'agent', quotas: { daily: 3 } }
const BOUND: RateLimit = { kind: 'approximate', per: 'agent', binding: 'RL' }
const LEFT = { day: { left: 2, reset: 9 } }

type Answer = 'answers' | 'fails' | 'hangs' | 'is overloaded'

/** An object that behaves as it is told, call by call. */
const objectOf = (...answers: readonly Answer[]) => {
  const calls: unknown[][] = []
  const objects = {
    getByName: (name: string) => ({
      take: async (...given: unknown[]) => {
        const answer = answers[calls.length]
        calls.push([name, ...given])
        if (answer === 'hangs') return new Promise<never>(() => {})
        if (answer === 'fails') throw new Error('broken')
        if (answer === 'is overloaded') throw Object.assign(new Error('busy'), { overloaded: true })
        return ok(LEFT)
      },
    }),
  }
  return { objects, calls }
}

const limitsOf = (options: Partial<LimitsOptions> = {}) =>
  createLimits({
    binding: () => undefined,
    addresses: { takeAddress: () => ok({}) },
    timeout: 20,
    ...options,
  })

describe('an exact limit', () => {
  it('is asked of the object of its name, with the numbers of the rule', async () => {
    const { objects, calls } = objectOf('answers')
    expect(await limitsOf({ objects }).take(EXACT, 'name', true)).toEqual(ok(LEFT))
    expect(calls).toEqual([[limiterOf('name'), 'name', EXACT.quotas, true]])
  })

  it('is only looked at for an explanation', async () => {
    const { objects, calls } = objectOf('answers')
    const limits = peeking(limitsOf({ objects }))
    expect(await limits.take(EXACT, 'name', true)).toEqual(ok(LEFT))
    expect(calls).toEqual([[limiterOf('name'), 'name', EXACT.quotas, false]])
    expect(limits.takeAddress({ kind: 'memory', limit: 1, period: 1 }, 'x')).toEqual(ok({}))
  })
})

describe('a refusal', () => {
  const SECOND = {
    kind: 'exact',
    per: 'agent',
    quotas: { bucket: { limit: 2, period: 3_000 } },
  } as const satisfies RateLimit
  /** Objects that count as the real one does, by a clock of their own, and the gate's limits before them. */
  const counting = () => {
    const clock = { now: () => time }
    let time = 1_000_000
    let [ahead, asked] = [5_000, 0]
    const counts = new Map<string, Spent>()
    const objects = {
      getByName: () => ({
        take: async (name: string, quotas: object, spend: boolean) => {
          asked++
          const before = counts.get(name) ?? NOTHING_SPENT
          const { spent, outcome } = takeOne(before, quotas, { time: time + ahead, spend })
          if (spent) counts.set(name, spent)
          const state = { spent: spent ?? before, time: time + ahead }
          return outcome.ok ? outcome : fail({ ...outcome.reason, state })
        },
      }),
    }
    const limits = limitsOf({ objects, clock })
    return {
      limits,
      take: async (name = 'a', limit: RateLimit = SECOND) =>
        (await limits.take(limit, name, true)).ok,
      asked: () => asked,
      pass(ms: number) {
        time += ms
      },
      /** Sets the clock of the objects apart from that of the gate. */
      drift(ms: number) {
        ahead += ms
      },
    }
  }

  it('is repeated without a call until one more is allowed, to the millisecond', async () => {
    const { limits, take, asked, pass } = counting()
    expect([await take(), await take(), await take()]).toEqual([true, true, false])
    expect(asked()).toBe(3)
    pass(1_499)
    expect(await limits.take(SECOND, 'a', true)).toMatchObject({
      ok: false,
      reason: { retryAfter: 1, bucket: { left: 0, reset: 1 } },
    })
    expect(asked()).toBe(3)
    pass(1)
    expect(await take()).toBe(true)
    expect(asked()).toBe(4)
    expect(await take()).toBe(false)
  })

  it('is asked again after ten seconds, and where the clock went back', async () => {
    const { take, asked, pass } = counting()
    const daily: RateLimit = { kind: 'exact', per: 'agent', quotas: { daily: 1 } }
    expect([await take('a', daily), await take('a', daily)]).toEqual([true, false])
    pass(9_999)
    expect(await take('a', daily)).toBe(false)
    expect(asked()).toBe(2)
    pass(1)
    expect(await take('a', daily)).toBe(false)
    expect(asked()).toBe(3)
    pass(-5_000)
    expect(await take('a', daily)).toBe(false)
    expect(asked()).toBe(4)
  })

  it('allows nothing that the object would not, whatever its clock says', async () => {
    const { limits, take, pass, drift } = counting()
    expect([await take(), await take(), await take()]).toEqual([true, true, false])
    drift(-60_000)
    pass(1_600)
    expect(limits.remembered?.(SECOND, 'a')).toBeUndefined()
    expect(await take()).toBe(false)
  })

  it('is not known to explanations, and is not made by them', async () => {
    const { limits, take, asked } = counting()
    expect([await take(), await take()]).toEqual([true, true])
    expect(await limits.take(SECOND, 'a', false)).toMatchObject({ ok: false })
    expect(limits.remembered?.(SECOND, 'a')).toBeUndefined()
    expect(await take()).toBe(false)
    await limits.take(SECOND, 'a', false)
    expect(asked()).toBe(5)
    expect(peeking(limits).remembered).toBeUndefined()
  })
})

describe('a limit by a binding', () => {
  const bound = (answer: () => unknown) => {
    const keys: string[] = []
    const binding = (name: string) =>
      name === 'RL'
        ? {
            async limit({ key }: { readonly key: string }) {
              keys.push(key)
              return (await answer()) as { readonly success: boolean }
            },
          }
        : undefined
    return { keys, limits: limitsOf({ binding }) }
  }

  it('is what the binding says', async () => {
    const yes = bound(() => ({ success: true }))
    expect(await yes.limits.take(BOUND, 'name', true)).toEqual(ok({}))
    const address = { kind: 'binding', binding: 'RL' } as const
    expect(await yes.limits.takeAddress(address, '192.0.2.1')).toEqual(ok({}))
    expect(yes.keys).toEqual(['name', 'address 192.0.2.1'])
    const no = bound(() => ({ success: false }))
    const refused = { ok: false, reason: { retryAfter: 10 } }
    expect(await no.limits.take(BOUND, 'name', true)).toEqual(refused)
  })

  it.each([{}, { success: 'true' }])('rejects with %j', async (answer) => {
    await expect(bound(() => answer).limits.take(BOUND, 'name', true)).rejects.toThrow('malformed')
  })

  it.each<[string, () => unknown]>([
    ['fails', () => Promise.reject(new Error('down'))],
    ['hangs', () => new Promise(() => {})],
    ['answers nothing', () => undefined],
  ])('rejects where the binding %s, and is asked once', async (_, answer) => {
    const { limits, keys } = bound(answer)
    await expect(limits.take(BOUND, 'name', true)).rejects.toThrow()
    expect(keys).toHaveLength(1)
  })
})
