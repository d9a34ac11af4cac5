import { describe, expect, it } from 'vitest'
import type { RateLimit } from '../../src/core/model/limit.ts'
import { ok } from '../../src/core/result.ts'
import { createLimits, type LimitsOptions, peeking } from '../../src/limit/client.ts'

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
    expect(calls).toEqual([['name', EXACT.quotas, true]])
  })

  it.each<[Answer]>([['fails'], ['hangs']])(
    'is asked once more where the object %s',
    async (first) => {
      const { objects, calls } = objectOf(first, 'answers')
      expect(await limitsOf({ objects }).take(EXACT, 'name', true)).toEqual(ok(LEFT))
      expect(calls).toHaveLength(2)
    },
  )

  it.each<[Answer, Answer, number]>([
    ['fails', 'fails', 2],
    ['hangs', 'hangs', 2],
    ['fails', 'hangs', 2],
    ['is overloaded', 'answers', 1],
  ])('rejects where it %s, then %s', async (first, second, asked) => {
    const { objects, calls } = objectOf(first, second)
    await expect(limitsOf({ objects }).take(EXACT, 'name', true)).rejects.toThrow()
    expect(calls).toHaveLength(asked)
  })

  it('is kept in the jurisdiction, or nowhere', async () => {
    const { objects, calls } = objectOf('answers')
    const elsewhere = objectOf('answers')
    const all = { ...elsewhere.objects, jurisdiction: (_: string) => objects }
    const limits = limitsOf({ objects: all, jurisdiction: 'eu' })
    expect(await limits.take(EXACT, 'name', true)).toEqual(ok(LEFT))
    expect(calls).toHaveLength(1)
    expect(elsewhere.calls).toHaveLength(0)
    const nowhere = limitsOf({ objects, jurisdiction: 'eu' })
    await expect(nowhere.take(EXACT, 'name', true)).rejects.toThrow('RATE_LIMITER is not bound')
  })

  it('is only looked at for an explanation', async () => {
    const { objects, calls } = objectOf('answers')
    const limits = peeking(limitsOf({ objects }))
    expect(await limits.take(EXACT, 'name', true)).toEqual(ok(LEFT))
    expect(calls).toEqual([['name', EXACT.quotas, false]])
    expect(limits.takeAddress({ kind: 'memory', limit: 1, period: 1 }, 'x')).toEqual(ok({}))
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

  it.each([{}, { success: 'true' }, { success: 1 }])('rejects with %j', async (answer) => {
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

  it('rejects where it is not bound', async () => {
    await expect(limitsOf().take(BOUND, 'name', true)).rejects.toThrow('RL is not bound')
  })

  it('is not asked where nothing may be spent', async () => {
    const { limits, keys } = bound(() => ({ success: false }))
    expect(await limits.take(BOUND, 'name', false)).toEqual(ok({}))
    expect(keys).toEqual([])
  })
})
