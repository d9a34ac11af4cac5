import { isObject } from '../../base/json.ts'
import { type AddressLimit, COUNTED, type RateLimit } from '../../model/limit.ts'
import type { Gate } from '../../model/policy.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { bindingName, seconds, whole, word } from '../reading/fields.ts'
import { quote, type Report, under } from '../reading/issues.ts'
import { type KeyDocs, table } from '../reading/table.ts'

const count = whole(1, 1_000_000)

const NUMBERS = { limit: count, period: seconds({ least: 1, most: 86_400 }) }

export const RATE_LIMIT_KEYS = {
  ...NUMBERS,
  daily: count,
  per: word(COUNTED),
  binding: bindingName,
}

export const ADDRESS_LIMIT_KEYS = { ...NUMBERS, binding: bindingName }

export const RATE_LIMIT_DOCS: KeyDocs<typeof RATE_LIMIT_KEYS> = {
  limit: {
    description:
      'Requests in a full token bucket, 1 to 1,000,000. That many may come at once, then one more every `period / limit`.',
    example: 100,
  },
  period: {
    description:
      'Time in which an empty bucket refills: whole seconds, 1s to 1d. Set `limit` and `period` together.',
    example: '60s',
  },
  daily: {
    description:
      'Requests of one UTC day, beside `limit` and `period` or alone. The count starts anew each day.',
    example: 5000,
  },
  per: {
    description:
      'Who is counted, within its issuer: `"agent"`, `"client"` or `"workflow"`; or `"issuer"`, all agents of one issuer together. A token that names none is 403 `rate_limit_key_missing`.',
    default: 'agent',
    example: 'client',
  },
  binding: {
    description:
      'Name of a `[[ratelimits]]` table of wrangler.toml, in place of `limit`, `period` and `daily`. Its counts are approximate.',
    example: 'RL',
  },
}

export const ADDRESS_LIMIT_DOCS: KeyDocs<typeof ADDRESS_LIMIT_KEYS> = {
  limit: {
    description:
      'Requests, 1 to 1,000,000: that many at once, refilled evenly. Each isolate counts by itself, in memory, and only for the 10,000 addresses that it saw last.',
    example: 600,
  },
  period: {
    description:
      'Time in which `limit` refills: whole seconds, 1s to 1d. Set `limit` and `period` together.',
    example: '1m',
  },
  binding: {
    description:
      'In place of `limit` and `period`: name of a `[[ratelimits]]` table of wrangler.toml, which counts for each Cloudflare location. If it does not answer, requests are 503 `address_limit_unavailable`.',
    example: 'RL_ADDRESS',
  },
}

/**
 * Reports keys that contradict a binding, which is configured elsewhere, and a table without any of its
 * `needed` keys.
 */
const checkForm = (
  value: unknown,
  needed: readonly string[],
  otherwise: string,
  report: Report,
): void => {
  if (!isObject(value)) return
  const has = (key: string) => Object.hasOwn(value, key)
  if (has('binding')) {
    for (const key of ['limit', 'period', 'daily'].filter(has)) {
      report([key], 'cannot be used with binding: its [[ratelimits]] table has the numbers')
    }
  } else if (has('limit') !== has('period')) {
    report([has('limit') ? 'period' : 'limit'], 'is required: limit and period go together')
  } else if (!needed.some(has)) report([], `must have ${otherwise}, or else binding`)
}

export const rateLimitField = table(RATE_LIMIT_KEYS, (entry, report, value): RateLimit => {
  const { limit, period, daily, per = 'agent', binding } = entry
  checkForm(value, ['limit', 'daily'], 'limit and period, or daily, or both', report)
  if (binding !== undefined) return Object.freeze({ kind: 'approximate', per, binding })
  const quotas = {
    ...(limit !== undefined &&
      period !== undefined && { bucket: { limit, period: period * 1000 } }),
    ...(daily !== undefined && { daily }),
  }
  return Object.freeze({ kind: 'exact', per, quotas: Object.freeze(quotas) })
})

export const addressLimitField = table(ADDRESS_LIMIT_KEYS, (entry, report, value): AddressLimit => {
  const { limit = 1, period = 1, binding } = entry
  checkForm(value, ['limit'], 'limit and period', report)
  return Object.freeze(
    binding === undefined
      ? { kind: 'memory', limit, period: period * 1000 }
      : { kind: 'binding', binding },
  )
})

/** Requests of one agent at the same time. */
export const inFlightField = whole(1, 100_000)

/** Then the open streams of one agent take about half of the 128 MB that an isolate has. */
export const DEFAULT_IN_FLIGHT = 256

// Two constants: a bundler cannot leave out a table that reads a member of another.
/** The documentation of `in_flight` of GATE. */
export const GATE_IN_FLIGHT = {
  description:
    'How many requests [one agent may have in progress](configuration/rate-limits.md#requests-in-progress) at the same time in one isolate, over all rules without a number of their own: 1 to 100,000.',
  default: DEFAULT_IN_FLIGHT,
  example: 64,
  compare: 'larger',
} as const

/** The documentation of `in_flight` of a rule. */
export const RULE_IN_FLIGHT = {
  description:
    'How many requests to this rule [one agent may have in progress](configuration/rate-limits.md#requests-in-progress) at the same time in one isolate: 1 to 100,000. They do not count for GATE.',
  unset: "GATE's",
  example: 8,
  compare: 'larger',
} as const

interface Read {
  readonly gate: { readonly address_limit?: AddressLimit; readonly client_ip?: Gate['clientIp'] }
  readonly rules: readonly {
    readonly entry: { readonly rate_limit?: RateLimit }
    readonly report: Report
  }[]
  readonly env: PolicyEnv
}

/** Checks that the bindings of limits exist, and that an address limit has an address. */
export function checkLimits({ gate, rules, env }: Read, at: (base: string) => Report): void {
  const checkBinding = (binding: string, report: Report) => {
    if (env.has('ratelimit', binding)) return
    report(
      ['binding'],
      `needs the binding ${quote(binding)}, which is not there: a [[ratelimits]] table with that name`,
    )
  }
  for (const { entry, report } of rules) {
    const { rate_limit: limit } = entry
    if (limit?.kind === 'approximate') checkBinding(limit.binding, under(report, 'rate_limit'))
  }
  const { address_limit: address, client_ip: client } = gate
  if (!address) return
  if (address.kind === 'binding') checkBinding(address.binding, under(at('GATE'), 'address_limit'))
  if (client?.from === 'none') {
    at('GATE')(['address_limit'], 'has no effect with client_ip = "none": no address is known')
  }
}
