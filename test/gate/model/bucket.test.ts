import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NOTHING_SPENT, type Quotas, type Spent, takeOne } from '../../../src/gate/model/limit.ts'
import { tries } from '../../kit/property.ts'

const DAY = 86_400_000
/** Noon, UTC. */
const NOON = 20_000 * DAY + DAY / 2
const TEN: Quotas = { bucket: { limit: 10, period: 60_000 } }

/** A count that goes on from call to call, as its service has it. */
const counting = (quotas: Quotas, from: Spent = NOTHING_SPENT) => {
  let spent = from
  return {
    spent: () => spent,
    take(time: number, { spend = true, by = quotas } = {}) {
      const taken = takeOne(spent, by, { time, spend })
      spent = taken.spent ?? spent
      return taken.outcome
    },
  }
}

const times = (count: number, call: () => { readonly ok: boolean }): number =>
  Array.from({ length: count }, call).filter(({ ok }) => ok).length

describe('a bucket', () => {
  it('lets as many through at once as it holds, and says what is left', () => {
    const { take } = counting(TEN)
    expect(take(NOON)).toEqual({ ok: true, value: { bucket: { left: 9, reset: 6 } } })
    expect(times(20, () => take(NOON))).toBe(9)
    expect(take(NOON)).toEqual({
      ok: false,
      reason: { bucket: { left: 0, reset: 6 }, retryAfter: 6 },
    })
  })

  it.each([
    [5_999, 0, 1],
    [6_000, 1, 0],
    [11_999, 1, 0],
    [60_000, 10, 0],
    [9 * DAY, 10, 0],
  ])('refills evenly: after %i ms %i more', (later, more, retryAfter) => {
    const { take } = counting(TEN)
    times(10, () => take(NOON))
    const first = take(NOON + later, { spend: false })
    expect(first.ok).toBe(more > 0)
    if (!first.ok) expect(first.reason.retryAfter).toBe(retryAfter)
    expect(times(20, () => take(NOON + later))).toBe(more)
  })

  it.each([DAY + 1, 365 * DAY])(
    'stays shut for no longer after a clock was %i ms ahead',
    (ahead) => {
      const { take } = counting(TEN)
      times(10, () => take(NOON + ahead))
      expect(take(NOON)).toMatchObject({ ok: false, reason: { retryAfter: 6 } })
      expect(take(NOON + 5_999).ok).toBe(false)
      expect(times(5, () => take(NOON + 6_000))).toBe(1)
      expect(times(20, () => take(NOON + 66_000))).toBe(10)
    },
  )
})

describe('over any times', () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 100_000 }) },
    ),
    { maxLength: 120 },
  )
  const limit = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 7, 999_983, 1_000_000))
  const period = fc.integer({ min: 1, max: 86_400 }).map((seconds) => seconds * 1_000)

  it('no more pass in any window than the limit and its refill, and none of many is lost', () => {
    fc.assert(
      fc.property(limit, period, steps, (limit, period, steps) => {
        const { take } = counting({ bucket: { limit, period } })
        const passed: number[] = []
        let time = NOON
        let spent = 0
        for (const step of steps) {
          time += step
          // A clock that goes back is the one of the last pass.
          const now = Math.max(spent, time)
          const outcome = take(time)
          const { left, reset } = (outcome.ok ? outcome.value : outcome.reason).bucket ?? {}
          expect(left).toBeGreaterThanOrEqual(0)
          expect(left).toBeLessThanOrEqual(limit)
          expect(reset).toBeGreaterThanOrEqual(0)
          expect(reset).toBeLessThanOrEqual(period / 1_000)
          if (outcome.ok) {
            passed.push(now)
            spent = now
          } else {
            const { retryAfter } = outcome.reason
            expect(Number.isInteger(retryAfter) && retryAfter >= 1).toBe(true)
            expect(take(now + retryAfter * 1_000, { spend: false }).ok).toBe(true)
          }
        }
        for (const [i, from] of passed.entries()) {
          for (const [j, to] of passed.entries()) {
            if (j < i) continue
            expect(j - i + 1).toBeLessThanOrEqual(
              limit + Math.floor(((to - from) * limit) / period),
            )
          }
        }
      }),
      tries(100),
    )
  })

  const forward = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: DAY }) },
  )
  const calls = fc.array(fc.tuple(forward, fc.boolean()), { maxLength: 120 })

  it.each<[string, 'bucket' | 'daily']>([
    ['a bucket, while others call with a day only', 'bucket'],
    ['a day, while others call with a bucket only', 'daily'],
  ])('one quota is as if it were alone: %s', (_, own) => {
    fc.assert(
      fc.property(limit, period, limit, calls, (limit, period, daily, calls) => {
        const both: Required<Quotas> = { bucket: { limit, period }, daily }
        const quotas = own === 'bucket' ? { bucket: both.bucket } : { daily }
        const by = own === 'bucket' ? { daily } : { bucket: both.bucket }
        const [alone, beside] = [counting(quotas), counting(quotas)]
        let time = NOON
        for (const [step, isOther] of calls) {
          time += step
          if (isOther) beside.take(time, { by })
          else expect(beside.take(time)).toEqual(alone.take(time))
        }
      }),
      tries(100),
    )
  })

  it('no more pass of those with both quotas, whichever of them others lack', () => {
    fc.assert(
      fc.property(
        limit,
        period,
        limit,
        fc.array(fc.tuple(forward, fc.constantFrom('both', 'bucket', 'daily', 'none')), {
          maxLength: 120,
        }),
        (limit, period, daily, calls) => {
          const bucket = { limit, period }
          const sets = { both: { bucket, daily }, bucket: { bucket }, daily: { daily }, none: {} }
          const { take } = counting({})
          const passed: number[] = []
          let time = NOON
          for (const [step, by] of calls) {
            time += step
            if (take(time, { by: sets[by] }).ok && by === 'both') passed.push(time)
          }
          for (const [i, from] of passed.entries()) {
            const ofDay = passed.filter((one) => Math.floor(one / DAY) === Math.floor(from / DAY))
            expect(ofDay.length).toBeLessThanOrEqual(daily)
            for (const [j, to] of passed.slice(i).entries()) {
              expect(j + 1).toBeLessThanOrEqual(limit + Math.floor(((to - from) * limit) / period))
            }
          }
        },
      ),
      tries(100),
    )
  })
})
