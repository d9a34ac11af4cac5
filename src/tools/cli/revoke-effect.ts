import { isObject, type JsonObject, own } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { faultOutcome, type GateFault } from './gate-client.ts'
import { EXIT, type Outcome } from './output.ts'
import { describe } from './revocation-entry.ts'
import { durationSeconds, utc } from './times.ts'

/** When a revocation counts, by what a gate says, and what is told of it. */

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
  /** Whether the gate stores decisions, as far as it tells its caller. */
  readonly isAudited: boolean
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
    isAudited: own(policy, 'audit') !== undefined,
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

/** A revocation that a gate has made: its answer, and the entries that this names. */
export interface Made {
  readonly body: JsonObject
  readonly entries: readonly JsonObject[]
}

interface Pending {
  readonly location: string | undefined
  readonly shards: Shards | undefined
  /** Why it is not waited for any longer, where it was. */
  readonly why?: string
}

const revoked = ({ entries }: Made): readonly string[] =>
  entries.map((one) => `Revoked ${describe(one)}`)

/** Milliseconds for people, to a tenth of a second. */
export function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** How many shards have acknowledged, in parentheses; empty where that is not known. */
export function countOf(shards: Shards | undefined): string {
  if (!shards) return ''
  const { acknowledged, total, pending = [] } = shards
  const lacking = pending.length === 0 ? '' : `; pending: ${pending.join(', ')}`
  return ` (${acknowledged} of ${total}${lacking})`
}

/** Not every shard has it: nothing can be told yet. */
export function pending({ body, entries }: Made, { location, shards, why }: Pending): Outcome {
  const ask = `${location === undefined ? '' : `ask ${location}, or `}repeat the command`
  return {
    exitCode: EXIT.unknown,
    json: {
      ...body,
      ...(shards && { shards }),
      pending: true,
      ...(location !== undefined && { location }),
      ...(why !== undefined && { error: why }),
    },
    out: entries.map((one) => `Pending ${describe(one)}`),
    err: [
      `Not every shard has it yet${countOf(shards)}: ${why === undefined ? '' : `${why}; `}${ask}.`,
    ],
  }
}

/** Every shard has it, and when rules with a bound will is not known: no yes for who waits. */
export function unknown(
  made: Made,
  shards: number,
  why: string,
  { wait = false }: { readonly wait?: boolean },
): Outcome {
  return {
    exitCode: wait ? EXIT.unknown : EXIT.yes,
    json: { ...made.body, effect: { shards_ms: shards, unknown: why } },
    out: revoked(made),
    err: [
      `Every shard has it after ${secondsText(shards)}: strict rules go by it now. How late bounded rules are (max_staleness) is not known: ${why}.`,
    ],
  }
}

/** The policy says that the entry does not count, whoever has it. */
export function withoutEffect(made: Made, shards: number, id: string): Outcome {
  return {
    exitCode: EXIT.no,
    json: { ...made.body, effect: { shards_ms: shards, lifted: id } },
    out: [],
    err: [
      ...made.entries.map((one) => `Stored ${describe(one)}`),
      `It has no effect: GATE.lift names ${id}. Take it out there, and deploy.`,
    ],
  }
}

/** When it will be in effect, in seconds since the epoch, for who does not wait. */
export function expected(made: Made, shards: number, terms: PolicyTerms, at: number): Outcome {
  const text =
    terms.bound === 0
      ? 'In effect for every request from now on: every rule is strict. Open streams end within max_staleness of GATE'
      : `In effect everywhere from ${utc(at)} on (bound ${secondsText(terms.bound)})`
  return inEffect(made, shards, terms, { at }, text)
}

/** It is in effect everywhere, and this is how long it took. */
export function measured(made: Made, shards: number, terms: PolicyTerms): Outcome {
  const total = shards + terms.bound
  const bound =
    terms.bound === 0
      ? 'every rule is strict; open streams end within max_staleness of GATE'
      : `bound ${secondsText(terms.bound)}`
  const text = `In effect everywhere after ${secondsText(total)} (shards ${secondsText(shards)}, ${bound})`
  return inEffect(made, shards, terms, { total_ms: total }, text)
}

const inEffect = (
  made: Made,
  shards: number,
  { bound, shadow }: PolicyTerms,
  when: JsonObject,
  text: string,
): Outcome => {
  const [first, ...others] = shadow
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const rules = shadow.length > 0 && { shadow_rules: shadow }
  return {
    exitCode: EXIT.yes,
    json: { ...made.body, effect: { shards_ms: shards, bound_ms: bound, ...rules, ...when } },
    out: [...revoked(made), text],
    err:
      first === undefined
        ? []
        : [`In shadow mode, and so letting it pass all the same: ${first}${more}.`],
  }
}
