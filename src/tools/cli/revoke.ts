import { own } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { DEFAULT_PREFIX } from '../../policy/gate.ts'
import { callAs, type GateOptions, type Surroundings } from './access.ts'
import { faultOutcome, type GateAnswer, gateAddress } from './gate-client.ts'
import { cannotTell, type Outcome } from './output.ts'
import { haveAll, policyTerms, type Shards, shardsOf, whyUnknown } from './propagation.ts'
import { type EntryOptions, entriesOf, readEntry } from './revocation-entry.ts'
import {
  countOf,
  expected,
  measured,
  pending,
  secondsText,
  unknown,
  withoutEffect,
} from './revoke-outcome.ts'

export interface RevokeOptions extends GateOptions, EntryOptions {
  /** Ends only once the revocation is in effect everywhere. */
  readonly wait?: boolean
}

/** How a command waits. */
export interface Waiting {
  /** Milliseconds on a clock that nobody sets. */
  readonly elapsed: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Told what it waits for, while it does. */
  readonly tell: (line: string) => void
}

/** What a token that is signed for this may do: revoke, and read when that will count. */
const SCOPES = 'edgewarden:revoke edgewarden:read'
const POLL_MS = 500
/** Milliseconds after which shards that do not acknowledge are given up. */
const PATIENCE_MS = 5 * 60_000

/**
 * Makes one revocation at a running gate, and says when it is in effect everywhere: once every
 * shard has it and the longest bound of a rule has passed. With `wait` it ends only then. Yes means
 * that every shard has it; with `wait`, that it is in effect.
 */
export async function revoke(
  options: RevokeOptions,
  around: Surroundings,
  waiting: Waiting,
): Promise<Outcome> {
  const entry = readEntry(options, around.now())
  if (!entry.ok) return cannotTell(entry.reason)
  const began = waiting.elapsed()
  const answer = await callAs(options, SCOPES, around, ({ prefix }) => ({
    method: 'POST',
    path: `${prefix}/revocations`,
    body: entry.value,
  }))
  if (!answer.ok) return faultOutcome(answer.reason)
  const made = { body: answer.value.body, entries: entriesOf(answer.value.body) }
  if (made.entries.length === 0) {
    return cannotTell('The gate answered without naming what it revoked.')
  }
  if (isPending(answer.value)) {
    const { location } = answer.value
    const shards = shardsOf(made.body)
    if (!options.wait || location === undefined) return pending(made, { location, shards })
    waiting.tell(`Not every shard has it yet${countOf(shards)}: asking until they have.`)
    const all = await acknowledged(options, around, waiting, location)
    if (!all.ok) return pending(made, { location, shards, ...all.reason })
  }
  const shards = Math.round(waiting.elapsed() - began)
  const read = await callAs(options, SCOPES, around, ({ prefix }) => ({
    method: 'GET',
    path: `${prefix}/policy`,
  }))
  const terms = read.ok ? policyTerms(read.value.body) : fail(whyUnknown(read.reason))
  if (!terms.ok) return unknown(made, shards, terms.reason, options)
  const ids = made.entries.map((one) => own(one, 'id'))
  const lifted = terms.value.lift.find((id) => ids.includes(id))
  if (lifted !== undefined) return withoutEffect(made, shards, lifted)
  const ends = began + shards + terms.value.bound
  if (!options.wait) {
    const left = Math.max(0, ends - waiting.elapsed())
    return expected(made, shards, terms.value, Math.ceil(around.now() + left / 1000))
  }
  if (terms.value.bound > 0) {
    waiting.tell(`Every shard has it; waiting for the bound of ${secondsText(terms.value.bound)}.`)
  }
  for (let left = ends - waiting.elapsed(); left > 0; left = ends - waiting.elapsed()) {
    await waiting.sleep(Math.ceil(left))
  }
  return measured(made, shards, terms.value)
}

const isPending = ({ status, body }: GateAnswer): boolean => {
  const shards = shardsOf(body)
  return status === 202 || (shards !== undefined && !haveAll(shards))
}

/** Asks until every shard has it. The token is sent to the gate that is asked, and nowhere else. */
const acknowledged = async (
  options: RevokeOptions,
  around: Surroundings,
  { elapsed, sleep }: Waiting,
  location: string,
): Promise<Result<undefined, { readonly why: string; readonly shards?: Shards }>> => {
  const gate = gateAddress(options.gate, options.prefix ?? DEFAULT_PREFIX)
  const path = gate.ok ? pathAt(gate.value.origin, location) : undefined
  if (path === undefined) return fail({ why: 'the gate says to ask somewhere else' })
  const until = elapsed() + PATIENCE_MS
  let shards: Shards | undefined
  while (elapsed() < until) {
    await sleep(POLL_MS)
    const answer = await callAs(options, SCOPES, around, () => ({ method: 'GET', path }))
    if (answer.ok) {
      shards = shardsOf(answer.value.body) ?? shards
      if (answer.value.status === 200 && shards && haveAll(shards)) return ok(undefined)
    } else if (answer.reason.kind === 'refused' && answer.reason.status < 500) {
      const why = (faultOutcome(answer.reason).err[0] ?? '').replace(/^The/, 'the')
      return fail({ why, ...(shards && { shards }) })
    }
  }
  return fail({ why: `given up after ${secondsText(PATIENCE_MS)}`, ...(shards && { shards }) })
}

const pathAt = (origin: string, location: string): string | undefined => {
  const url = URL.canParse(location, origin) ? new URL(location, origin) : undefined
  return url?.origin === origin ? url.pathname + url.search : undefined
}
