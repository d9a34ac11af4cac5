import * as v from 'valibot'
import { LIMITS } from '../core/limits.ts'
import type { Allowance, Exhausted, Quotas } from '../core/model/limit.ts'
import type { Limits } from '../core/model/ports.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { COUNT, maybe, readAnswer } from '../platform/answers.ts'
import { createObjectCalls, inTime, type ObjectCalls, unbound } from '../platform/calls.ts'

/** An object of `RateLimiter`, with the methods that the gate needs. */
interface Limiter {
  take(quotas: Quotas, spend: boolean): PromiseLike<Result<Allowance, Exhausted>>
}

export interface RateLimitBinding {
  limit(options: { readonly key: string }): PromiseLike<{ readonly success: boolean }>
}

const LEFT = maybe(v.object({ left: COUNT, reset: COUNT }))
const QUOTAS = { bucket: LEFT, day: LEFT }

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
      reason: v.object({ ...QUOTAS, retryAfter: v.pipe(COUNT, v.minValue(1)) }),
    }),
  ]),
}
const LIMITED = v.object({ success: v.boolean() })

/** The dependencies of limits in a Worker; `objects` is absent where no rule has an exact limit. */
export interface LimitsOptions extends Partial<Omit<ObjectCalls<Limiter>, 'binding' | 'answers'>> {
  readonly binding: (name: string) => RateLimitBinding | undefined
  /** Counts addresses without a binding. */
  readonly addresses: Pick<Limits, 'takeAddress'>
}

/**
 * Seconds to wait after a refusal by a binding. The binding does not say how long, so this is the shorter of its two
 * possible periods.
 */
const APPROXIMATE_WAIT = 10

/**
 * Limits by Durable Objects and bindings. A call to an object that fails, or takes longer than
 * {@link LIMITS.rateLimitMs}, is retried once; then it rejects, as for a malformed answer. If only its response was lost, the request counts
 * twice, so fewer requests are allowed, never more. Calls to bindings are not retried.
 */
export function createLimits({
  objects,
  jurisdiction,
  binding,
  addresses,
  timeout = LIMITS.rateLimitMs,
}: LimitsOptions): Limits {
  const askObject = createObjectCalls<Limiter>({
    binding: 'RATE_LIMITER',
    objects,
    jurisdiction,
    answers: ANSWERS,
    timeout,
  })
  const askBinding = async (name: string, key: string): Promise<Result<Allowance, Exhausted>> => {
    const bound = binding(name)
    if (!bound) throw unbound(name)
    const { success } = readAnswer(LIMITED, await inTime(() => bound.limit({ key }), timeout))
    return success ? ok({}) : fail({ retryAfter: APPROXIMATE_WAIT })
  }
  return {
    take(limit, name, spend) {
      if (limit.kind === 'approximate') return spend ? askBinding(limit.binding, name) : ok({})
      return askObject(name, (limiter) => limiter.take(limit.quotas, spend))
    },
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
