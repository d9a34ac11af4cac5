import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { networkOf } from '../../base/network.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Exhausted } from '../../model/limit.ts'
import type { Limits } from '../../model/ports.ts'

const deny = denials({
  address_limited: [
    'tooMany',
    'Too many requests from this network address',
    'Wait as long as Retry-After says, then go on more slowly',
  ],
  address_limit_unavailable: [
    'unavailable',
    'The request count of this network address is not available at the moment',
    'Try again after Retry-After',
  ],
})

interface Needs extends Pick<LineFacts, 'policy' | 'caller'> {
  /** Whether it is a CORS preflight, for which the line ends here. */
  readonly isPreflight: boolean
}

type Checked = Outcome<object, CodeOf<typeof deny>>

/**
 * Checks the limit of the request's network address, if both are known. Runs before a credential is read, so that
 * guessing tokens is cheap to refuse. Counts every request to a rule or to the gate's endpoints, preflights too; not
 * `PREFIX/health`. The line ends here for a preflight.
 */
export const address = stage({
  name: 'address',
  establishes: 'the network address is within its limit, if there is one',
  denials: [deny],
  run(
    { policy, caller, isPreflight }: Needs,
    { limits }: { readonly limits: Pick<Limits, 'takeAddress'> },
  ): Checked | Promise<Checked> {
    const within: Checked = isPreflight ? { ok: true, end: true, value: {} } : ok({})
    const { addressLimit: rule } = policy.gate
    if (!rule || caller === undefined) return within
    const judge = (taken: Result<unknown, Exhausted>): Checked => {
      if (taken.ok) return within
      const { retryAfter } = taken.reason
      return fail(deny('address_limited', { retry_after: retryAfter }, { retryAfter }))
    }
    const taken = limits.takeAddress(rule, networkOf(caller))
    return taken instanceof Promise ? taken.then(judge, unavailable) : judge(taken)
  },
})

const unavailable = (error: unknown): Checked =>
  fail(deny('address_limit_unavailable', { error: String(error) }))
