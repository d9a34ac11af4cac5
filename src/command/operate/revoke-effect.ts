import * as v from 'valibot'
import { durationMs } from '../../gate/base/duration.ts'
import { type JsonObject, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { given } from '../base/command.ts'
import type { GateFault } from '../base/gate-client.ts'
import { EXIT, type ExitCode, type Outcome } from '../base/output.ts'
import { utc } from '../base/times.ts'
import { describe } from './revocation-entry.ts'

/** When a revocation is in effect, by what a gate says, and how that is reported. */

const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const SHARDS = v.object({
  total: v.pipe(COUNT, v.minValue(1)),
  acknowledged: COUNT,
  /** Names of shards that have not acknowledged. */
  pending: v.optional(v.array(v.string())),
})

/** How many shards have an entry, as the gate says. */
export type Shards = v.InferOutput<typeof SHARDS>

/** How many shards have the change, as the answer of the gate says; `undefined` if it does not say. */
export function shardsOf(body: JsonObject): Shards | undefined {
  const read = v.safeParse(SHARDS, own(body, 'shards'))
  return read.success ? read.output : undefined
}

/** Whether every shard has acknowledged. */
export function haveAll({ total, acknowledged }: Shards): boolean {
  return acknowledged >= total
}

/** What the policy of a gate says about when a revocation is in effect. */
export interface PolicyTerms {
  /** Milliseconds until every rule applies a revocation; 0 if all rules are strict. */
  readonly bound: number
  /** Ids of entries that have no effect. */
  readonly lift: readonly string[]
  /** Rules in shadow mode: they allow a revoked token. */
  readonly shadow: readonly string[]
  /** Whether the gate shows its caller that it stores decisions. */
  readonly isAudited: boolean
}

/** Milliseconds: no gate takes a bound that is longer. */
const LONGEST = 60 * 60 * 1000

/** `revocation` of GATE or of a rule, as the milliseconds that it may be late. */
const BOUND = v.union([
  v.pipe(
    v.object({ consistency: v.literal('strict') }),
    v.transform(() => 0),
  ),
  v.pipe(
    v.object({ consistency: v.literal('bounded'), max_staleness: v.string() }),
    v.transform(({ max_staleness }) => durationMs(max_staleness)),
    v.number(),
    v.maxValue(LONGEST),
  ),
])
const POLICY = v.object({
  gate: v.object({ revocation: BOUND, lift: v.optional(v.array(v.string()), []) }),
  routes: v.array(
    v.object({
      match: v.string(),
      access: v.optional(v.string()),
      mode: v.optional(v.string()),
      revocation: v.optional(BOUND, { consistency: 'strict' }),
    }),
  ),
})

/**
 * The terms in the answer of `GET PREFIX/policy`: of GATE and of every rule that reads a token, and
 * so no shorter than those of any rule the caller may see. A value that cannot be read is a
 * failure, never a bound of zero.
 */
export function policyTerms(policy: JsonObject): Result<PolicyTerms, string> {
  const read = v.safeParse(POLICY, policy)
  if (!read.success) return fail('the gate shows no policy, or terms that are not known here')
  const { gate, routes } = read.output
  const reading = routes.filter(({ access }) => access !== 'public')
  return ok({
    bound: Math.max(gate.revocation, ...reading.map(({ revocation }) => revocation)),
    lift: gate.lift,
    shadow: reading.filter(({ mode }) => mode === 'shadow').map(({ match }) => match),
    isAudited: own(policy, 'audit') !== undefined,
  })
}

/** Why the terms are not known where the policy could not be read, as the end of a sentence. */
export function whyUnknown(fault: GateFault): string {
  return fault.refused && own(fault.refused.problem, 'code') === 'scope_missing'
    ? 'the token lacks scope edgewarden:read'
    : (fault.err[0] ?? '').replace(/\.$/, '')
}

/** A revocation that a gate has made: its answer, and the entries that the answer names. */
export interface Made {
  readonly body: JsonObject
  readonly entries: readonly JsonObject[]
}

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

/** An outcome: what is printed about each entry, and what is known beyond the gate's answer. */
const outcomeOf = (
  { body, entries }: Made,
  exitCode: ExitCode,
  word: 'Revoked' | 'Pending' | 'Stored',
  more: JsonObject,
  err: readonly string[],
  last: readonly string[] = [],
): Outcome => {
  const out = [...entries.map((one) => `${word} ${describe(one)}`), ...last]
  return { exitCode, json: { ...body, ...more }, out, err }
}

/** Not every shard has it, so its effect is not known yet. `why`: why the command stopped waiting, if it waited. */
export function pending(
  made: Made,
  location: string | undefined,
  shards: Shards | undefined,
  why?: string,
): Outcome {
  const more = given({ shards, pending: true, location, error: why })
  const ask = `${location === undefined ? '' : `ask ${location}, or `}repeat the command`
  return outcomeOf(made, EXIT.unknown, 'Pending', more, [
    `Not every shard has it yet${countOf(shards)}: ${why === undefined ? '' : `${why}; `}${ask}.`,
  ])
}

/** Every shard has it, but it is not known when bounded rules will: with `--wait` the answer is not yes. */
export function unknown(made: Made, shards: number, why: string, waits = false): Outcome {
  const effect = { shards_ms: shards, unknown: why }
  return outcomeOf(made, waits ? EXIT.unknown : EXIT.yes, 'Revoked', { effect }, [
    `Every shard has it after ${secondsText(shards)}: strict rules apply it now. How late bounded rules are (max_staleness) is not known: ${why}.`,
  ])
}

/** By the policy the entry has no effect, whichever shards have it. */
export function withoutEffect(made: Made, shards: number, id: string): Outcome {
  const effect = { shards_ms: shards, lifted: id }
  const { out, ...outcome } = outcomeOf(made, EXIT.no, 'Stored', { effect }, [])
  const why = `It has no effect: GATE.lift names ${id}. Remove the id there, and deploy.`
  return { ...outcome, out: [], err: [...out, why] }
}

/** When it will be in effect, in seconds since the epoch, without `--wait`. */
export function expected(made: Made, shards: number, terms: PolicyTerms, at: number): Outcome {
  const text =
    terms.bound === 0
      ? 'In effect for every request from now on: every rule is strict. Open streams end within GATE.revocation.max_staleness'
      : `In effect everywhere from ${utc(at)} on (bound ${secondsText(terms.bound)})`
  return inEffect(made, shards, terms, { at }, text)
}

/** It is in effect everywhere, and this is how long it took. */
export function measured(made: Made, shards: number, terms: PolicyTerms): Outcome {
  const total = shards + terms.bound
  const bound =
    terms.bound === 0
      ? 'every rule is strict; open streams end within GATE.revocation.max_staleness'
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
  const isShadow = shadow.length > 0
  const rules = isShadow && { shadow_rules: shadow }
  const effect = { shards_ms: shards, bound_ms: bound, ...rules, ...when }
  const more = shadow.length > 1 ? ` (and ${shadow.length - 1} more)` : ''
  const err = `These rules are in shadow mode, and still let it pass: ${shadow[0]}${more}.`
  return outcomeOf(made, EXIT.yes, 'Revoked', { effect }, isShadow ? [err] : [], [text])
}
