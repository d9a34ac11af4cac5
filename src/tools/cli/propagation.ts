import { isObject, type JsonObject, own } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { GateFault } from './gate-client.ts'
import { faultOutcome } from './gate-client.ts'
import { durationSeconds } from './times.ts'

/** How many shards have an entry, as far as the gate says so. */
export interface Shards {
  readonly total: number
  readonly acknowledged: number
  /** Names of those that have not. */
  readonly pending?: readonly string[]
}

/** What of a policy in force says when a revocation counts. */
export interface PolicyTerms {
  /** Milliseconds after which every rule that may be late has it; 0 where none may. */
  readonly bound: number
  /** Ids of entries that do not count at all. */
  readonly lift: readonly string[]
  /** Rules that let a revoked token pass all the same. */
  readonly shadow: readonly string[]
}

/** Milliseconds: no gate takes a bound that is longer. */
const LONGEST = 60 * 60 * 1000

/** How many shards have what an answer is about; nothing where it does not say. */
export function shardsOf(body: JsonObject): Shards | undefined {
  const shards = own(body, 'shards')
  if (!isObject(shards)) return undefined
  const total = own(shards, 'total')
  const acknowledged = own(shards, 'acknowledged')
  const pending = own(shards, 'pending')
  const isNamed = Array.isArray(pending) && pending.every((name) => typeof name === 'string')
  return isCount(total) && isCount(acknowledged) && total > 0
    ? { total, acknowledged, ...(isNamed && { pending }) }
    : undefined
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

/** Whether every shard has acknowledged. */
export function haveAll({ total, acknowledged }: Shards): boolean {
  return acknowledged >= total
}

/**
 * The terms in the answer of `GET PREFIX/policy`: of GATE and of every rule that reads a token, and
 * so no shorter than those of any rule the caller may see. What cannot be read is a failure, never
 * a bound of nothing.
 */
export function policyTerms(policy: JsonObject): Result<PolicyTerms, string> {
  const gate = own(policy, 'gate')
  const routes = own(policy, 'routes')
  if (!isObject(gate) || !Array.isArray(routes) || !routes.every(isObject)) {
    return fail('the gate does not tell its policy as a gate does')
  }
  const reading = routes.filter((route) => own(route, 'access') !== 'public')
  const bounds = [gate, ...reading.filter((route) => Object.hasOwn(route, 'revocation'))].map(
    (one) => boundOf(own(one, 'revocation')),
  )
  if (!bounds.every((bound) => bound !== undefined)) {
    return fail('the gate tells terms of revocation that are not known here')
  }
  const lift = own(gate, 'lift')
  return ok({
    bound: Math.max(...bounds),
    lift: (Array.isArray(lift) ? lift : []).filter((id) => typeof id === 'string'),
    shadow: reading.filter((route) => own(route, 'mode') === 'shadow').map(nameOf),
  })
}

const boundOf = (terms: unknown): number | undefined => {
  if (!isObject(terms)) return undefined
  const consistency = own(terms, 'consistency')
  if (consistency === 'strict') return 0
  const staleness = own(terms, 'max_staleness')
  if (consistency !== 'bounded' || typeof staleness !== 'string') return undefined
  const seconds = durationSeconds(staleness)
  const ms = seconds.ok ? seconds.value * 1000 : Number.POSITIVE_INFINITY
  return ms <= LONGEST ? ms : undefined
}

const nameOf = (route: JsonObject): string => String(own(route, 'match'))

/** Why the terms are not known where the policy could not be read, as the end of a sentence. */
export function whyUnknown(fault: GateFault): string {
  return fault.kind === 'refused' && own(fault.problem, 'code') === 'scope_missing'
    ? 'the token lacks scope edgewarden:read'
    : (faultOutcome(fault).err[0] ?? '').replace(/\.$/, '')
}
