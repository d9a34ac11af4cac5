import { isObject } from '../core/json.ts'
import { type AddressLimit, COUNTED, type RateLimit } from '../core/model/limit.ts'
import type { Gate } from '../core/model/policy.ts'
import { fail, ok } from '../core/result.ts'
import type { PolicyEnv } from '../policy/env.ts'
import { bindingName, seconds, word } from '../policy/fields.ts'
import { quote, type Report } from '../policy/issues.ts'
import { type Field, field, reads, readTable } from '../policy/table.ts'

const MOST = 1_000_000

const count = reads<number>((value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST
    ? ok(value)
    : fail(`must be a whole number from 1 to ${MOST}`),
)

const NUMBERS = { limit: count, period: seconds({ least: 1, most: 86_400 }) }

const ROUTE_FIELDS = { ...NUMBERS, daily: count, per: word(COUNTED), binding: bindingName }
const ADDRESS_FIELDS = { ...NUMBERS, binding: bindingName }

/** Reports keys that say something else than the binding, whose numbers stand elsewhere. */
const checkForm = (value: object, report: Report): void => {
  const has = (key: string) => Object.hasOwn(value, key)
  if (has('binding')) {
    for (const key of ['limit', 'period', 'daily'].filter(has)) {
      report([key], 'cannot stand beside binding, whose [[ratelimits]] table has the numbers')
    }
    return
  }
  if (has('limit') !== has('period')) {
    report([has('limit') ? 'period' : 'limit'], 'is required: limit and period go together')
  }
}

/** `rate_limit` of a rule. */
export const rateLimitField: Field<RateLimit> = field((value, report) => {
  const {
    limit,
    period,
    daily,
    per = 'agent',
    binding,
  } = readTable(ROUTE_FIELDS, [], value, report)
  if (isObject(value)) {
    checkForm(value, report)
    if (!['limit', 'period', 'daily', 'binding'].some((key) => Object.hasOwn(value, key))) {
      report([], 'must have limit and period, or daily, or both, or else binding')
    }
  }
  if (binding !== undefined) return Object.freeze({ kind: 'approximate', per, binding })
  const quotas = {
    ...(limit !== undefined &&
      period !== undefined && { bucket: { limit, period: period * 1000 } }),
    ...(daily !== undefined && { daily }),
  }
  return Object.freeze({ kind: 'exact', per, quotas: Object.freeze(quotas) })
})

/** `GATE.address_limit`. */
export const addressLimitField: Field<AddressLimit> = field((value, report) => {
  const { limit = 1, period = 1, binding } = readTable(ADDRESS_FIELDS, [], value, report)
  if (isObject(value)) {
    checkForm(value, report)
    if (!['limit', 'period', 'binding'].some((key) => Object.hasOwn(value, key))) {
      report([], 'must have limit and period, or else binding')
    }
  }
  return Object.freeze(
    binding === undefined
      ? { kind: 'memory', limit, period: period * 1000 }
      : { kind: 'binding', binding },
  )
})

interface Read {
  readonly gate: { readonly address_limit?: AddressLimit; readonly client_ip?: Gate['clientIp'] }
  readonly rules: readonly {
    readonly entry: { readonly rate_limit?: RateLimit }
    readonly report: Report
  }[]
  readonly env: PolicyEnv
}

/** What limits are counted by is there, and so is the address that one is about. */
export function checkLimits({ gate, rules, env }: Read, at: (base: string) => Report): void {
  const checkBinding = (binding: string, report: Report) => {
    if (env.has('ratelimit', binding)) return
    report(
      ['binding'],
      `needs the binding ${quote(binding)}, which is not there: a [[ratelimits]] table with that name`,
    )
  }
  const limits = rules.flatMap(({ entry, report }) =>
    entry.rate_limit ? [{ limit: entry.rate_limit, report }] : [],
  )
  for (const { limit, report } of limits) {
    if (limit.kind === 'approximate') {
      checkBinding(limit.binding, (path, message) => report(['rate_limit', ...path], message))
    }
  }
  const isExact = limits.some(({ limit }) => limit.kind === 'exact')
  if (isExact && !env.has('durable_object', 'RATE_LIMITER')) {
    at('bindings')(
      ['RATE_LIMITER'],
      'is not there: the Durable Object namespace of RateLimiter, needed by rules with an exact rate_limit',
    )
  }
  const { address_limit: address, client_ip: client } = gate
  if (!address) return
  if (address.kind === 'binding') {
    checkBinding(address.binding, (path, message) =>
      at('GATE')(['address_limit', ...path], message),
    )
  }
  if (client?.from === 'none') {
    at('GATE')(['address_limit'], 'has no effect with client_ip = "none": no address is known')
  }
}
