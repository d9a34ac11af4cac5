import type { JsonObject } from '../../core/json.ts'
import { EXIT, type Outcome } from './output.ts'
import type { PolicyTerms, Shards } from './propagation.ts'
import { describe } from './revocation-entry.ts'
import { utc } from './times.ts'

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

const lacking = ({ pending = [] }: Shards): string =>
  pending.length === 0 ? '' : `; pending: ${pending.join(', ')}`

/** How many shards have acknowledged, in parentheses; empty where that is not known. */
export function countOf(shards: Shards | undefined): string {
  return shards === undefined
    ? ''
    : ` (${shards.acknowledged} of ${shards.total}${lacking(shards)})`
}

/** Not every shard has it: nothing can be told yet. */
export function pending({ body, entries }: Made, { location, shards, why }: Pending): Outcome {
  const ask =
    location === undefined ? 'repeat the command' : `ask ${location}, or repeat the command`
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
  return {
    exitCode: EXIT.yes,
    json: { ...made.body, effect: { ...numbersOf(shards, terms), at } },
    out: [
      ...revoked(made),
      terms.bound === 0
        ? 'In effect for every request from now on: every rule is strict. Open streams end within max_staleness of GATE'
        : `In effect everywhere from ${utc(at)} on (bound ${secondsText(terms.bound)})`,
    ],
    err: shadowNote(terms),
  }
}

/** It is in effect everywhere, and this is how long it took. */
export function measured(made: Made, shards: number, terms: PolicyTerms): Outcome {
  const total = shards + terms.bound
  const bound =
    terms.bound === 0
      ? 'every rule is strict; open streams end within max_staleness of GATE'
      : `bound ${secondsText(terms.bound)}`
  return {
    exitCode: EXIT.yes,
    json: { ...made.body, effect: { ...numbersOf(shards, terms), total_ms: total } },
    out: [
      ...revoked(made),
      `In effect everywhere after ${secondsText(total)} (shards ${secondsText(shards)}, ${bound})`,
    ],
    err: shadowNote(terms),
  }
}

const numbersOf = (shards: number, { bound, shadow }: PolicyTerms) => ({
  shards_ms: shards,
  bound_ms: bound,
  ...(shadow.length > 0 && { shadow_rules: shadow }),
})

const shadowNote = ({ shadow: [first, ...others] }: PolicyTerms): readonly string[] => {
  if (first === undefined) return []
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return [`In shadow mode, and so letting it pass all the same: ${first}${more}.`]
}
