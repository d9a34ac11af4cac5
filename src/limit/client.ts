import { LIMITS } from '../core/limits.ts'
import type { Allowance, Exhausted, Quotas } from '../core/model/limit.ts'
import type { Limits } from '../core/model/ports.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { createObjectCalls, inTime, type ObjectCalls, unbound } from '../platform/calls.ts'

/** An object of `RateLimiter`, as far as the gate needs it. */
interface Limiter {
  take(quotas: Quotas, spend: boolean): PromiseLike<Result<Allowance, Exhausted>>
}

/** A `[[ratelimits]]` binding. */
export interface RateLimitBinding {
  limit(options: { readonly key: string }): PromiseLike<{ readonly success: boolean }>
}

/** What limits are asked of in a Worker; `objects` are absent where no rule has an exact limit. */
export interface LimitsOptions extends Partial<Omit<ObjectCalls<Limiter>, 'binding'>> {
  /** A rate limiting binding, by its name. */
  readonly binding: (name: string) => RateLimitBinding | undefined
  /** Counts the addresses that no binding does. */
  readonly addresses: Pick<Limits, 'takeAddress'>
}

/** Seconds to wait where a binding does not say how long: the shorter of its two periods. */
const APPROXIMATE_WAIT = 10

/**
 * Limits behind their objects and bindings. An object that fails, or does not answer within
 * {@link LIMITS.rateLimitMs}, is asked once more, then the call rejects. A request whose first answer was lost
 * may so be counted twice: fewer pass then, never more. Bindings are asked once.
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
    timeout,
  })
  const askBinding = async (name: string, key: string): Promise<Result<Allowance, Exhausted>> => {
    const bound = binding(name)
    if (!bound) throw unbound(name)
    const { success } = await inTime(() => bound.limit({ key }), timeout)
    // What is no clear yes is none.
    return success === true ? ok({}) : fail({ retryAfter: APPROXIMATE_WAIT })
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

/** The same limits for those who only explain: what would be taken is looked at, and stays. */
export function peeking(limits: Pick<Limits, 'take'>): Limits {
  return {
    take: (limit, name) => limits.take(limit, name, false),
    takeAddress: () => ok({}),
  }
}
