import * as v from 'valibot'
import { shortHash } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type Allowance, type Exhausted, type Quotas, takeOne } from '../model/limit.ts'
import type { Clock, Limits } from '../model/ports.ts'
import { AMOUNT, COUNT, maybe, readAnswer } from '../platform/answers.ts'
import { createBreaker } from '../platform/breaker.ts'
import { dropOldest } from '../platform/buckets.ts'
import { createObjectCalls, type ObjectCalls, unbound } from '../platform/calls.ts'
import { system } from '../platform/system.ts'

/** An object of `RateLimiter`, with the methods that the gate needs. */
interface Limiter {
  take(name: string, quotas: Quotas, spend: boolean): PromiseLike<Result<Allowance, Exhausted>>
}

export interface RateLimitBinding {
  limit(options: { readonly key: string }): PromiseLike<{ readonly success: boolean }>
}

const LEFT = maybe(v.object({ left: COUNT, reset: COUNT }))
const QUOTAS = { bucket: LEFT, day: LEFT }
const SPENT = v.object({
  at: AMOUNT,
  owed: AMOUNT,
  limit: AMOUNT,
  period: v.pipe(AMOUNT, v.minValue(1)),
  used: COUNT,
})
const STATE = maybe(v.object({ spent: SPENT, time: AMOUNT }))

/** What an object answers: what is left of a quota at least, or how long to wait. */
const ANSWERS = {
  take: v.union([
    v.strictObject({
      ok: v.literal(true),
      value: v.pipe(
        v.object(QUOTAS),
        v.check(({ bucket, day }) => !!(bucket ?? day)),
      ),
    }),
    v.strictObject({
      ok: v.literal(false),
      reason: v.object({ ...QUOTAS, retryAfter: v.pipe(COUNT, v.minValue(1)), state: STATE }),
    }),
  ]),
}
const LIMITED = v.object({ success: v.boolean() })

/** The dependencies of limits in a Worker; `objects` is absent where no rule has an exact limit. */
export interface LimitsOptions extends Partial<Omit<ObjectCalls<Limiter>, 'binding' | 'answers'>> {
  readonly binding: (name: string) => RateLimitBinding | undefined
  /** Counts addresses without a binding. */
  readonly addresses: Pick<Limits, 'takeAddress'>
  readonly clock?: Clock
}

/**
 * Seconds to wait after a refusal by a binding. The binding does not say how long, so this is the shorter of its two
 * possible periods.
 */
const APPROXIMATE_WAIT = 10

/**
 * Objects that count, each for its part of all names. One answers about 1,000 calls a second, so that all of them
 * answer more than any gate gets. Off Cloudflare each is a file, and about 90 KB of memory while it is used. If the
 * number changes, names change their object, and all counts start anew.
 */
const LIMITERS = 256

/** The object that counts a name. */
export function limiterOf(name: string): string {
  return String(shortHash(name) % LIMITERS)
}

/**
 * Refusals of objects, for at most {@link LIMITS.rememberedRefusals} names. A refusal is repeated as long as the object
 * would repeat it, were nobody else counted, and at most {@link LIMITS.refusalMs}. Then the object is asked again.
 */
const createRefusals = (clock: Clock) => {
  const refusals = new Map<string, { readonly asked: number; readonly state: State }>()
  return {
    /** `asked`: when the object was called. It decided later, so that no refusal outlasts the object's. */
    note(name: string, asked: number, { state }: Exhausted) {
      if (!state) return
      refusals.delete(name)
      dropOldest(refusals, LIMITS.rememberedRefusals)
      refusals.set(name, { asked, state })
    },
    of(name: string, quotas: Quotas) {
      const refusal = refusals.get(name)
      if (!refusal) return undefined
      const { spent, time } = refusal.state
      const elapsed = clock.now() - refusal.asked
      // A clock that was set back says nothing about the time that has passed.
      if (elapsed >= 0 && elapsed < LIMITS.refusalMs) {
        const { outcome } = takeOne(spent, quotas, { time: time + elapsed, spend: false })
        if (!outcome.ok) return outcome
      }
      refusals.delete(name)
      return undefined
    },
  }
}

type State = NonNullable<Exhausted['state']>

/**
 * Limits by Durable Objects and bindings. Requests that an object would refuse again are refused without a call. A call
 * to an object that fails, or takes longer than {@link LIMITS.rateLimitMs}, is retried once; then it rejects, as for a
 * malformed answer. If only its response was lost, the request counts twice, so fewer requests are allowed, never more.
 * Calls to bindings are not retried.
 */
export function createLimits({
  objects,
  jurisdiction,
  binding,
  addresses,
  timeout = LIMITS.rateLimitMs,
  clock = system.clock,
  ...background
}: LimitsOptions): Limits {
  const refusals = createRefusals(clock)
  const breaker = createBreaker({ ...background, clock })
  const askObject = createObjectCalls<Limiter>({
    binding: 'RATE_LIMITER',
    objects,
    jurisdiction,
    answers: ANSWERS,
    timeout,
    ...background,
  })
  const askBinding = async (name: string, key: string): Promise<Result<Allowance, Exhausted>> => {
    const bound = binding(name)
    if (!bound) throw unbound(name)
    const answer = await breaker.call(name, () => bound.limit({ key }), timeout)
    const { success } = readAnswer(LIMITED, answer)
    return success ? ok({}) : fail({ retryAfter: APPROXIMATE_WAIT })
  }
  const count = async (name: string, quotas: Quotas, spend: boolean) => {
    const asked = clock.now()
    const taken = await askObject(limiterOf(name), (one) => one.take(name, quotas, spend))
    if (spend && !taken.ok) refusals.note(name, asked, taken.reason)
    return taken
  }
  return {
    take(limit, name, spend) {
      if (limit.kind === 'approximate') return spend ? askBinding(limit.binding, name) : ok({})
      return (spend && refusals.of(name, limit.quotas)) || count(name, limit.quotas, spend)
    },
    remembered: (limit, name) =>
      limit.kind === 'exact' ? refusals.of(name, limit.quotas) : undefined,
    takeAddress: (limit, network) =>
      limit.kind === 'binding'
        ? askBinding(limit.binding, `address ${network}`)
        : addresses.takeAddress(limit, network),
  }
}

/** Limits for explanations: they check what would be allowed, and count nothing. */
export function peeking(limits: Pick<Limits, 'take'>): Limits {
  return {
    take: (limit, name) => limits.take(limit, name, false),
    takeAddress: () => ok({}),
  }
}
