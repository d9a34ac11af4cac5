import { Argument, Option } from 'commander'
import { type JsonObject, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { KINDS, MODES } from '../../gate/model/revocation.ts'
import {
  type CommandRow,
  type Process,
  type Surroundings,
  type Waiting,
  withGates,
} from '../base/command.ts'
import { readText } from '../base/files.ts'
import type { GateAnswer } from '../base/gate-client.ts'
import { cannotTell, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions } from './access.ts'
import { issuerOf, withNames } from './agent-name.ts'
import { type AtGates, atGates } from './gates.ts'
import { chosenKind, readLeaked } from './leaked.ts'
import { type EntryOptions, entriesOf, readEntry } from './revocation-entry.ts'
import {
  countOf,
  expected,
  haveAll,
  type Made,
  measured,
  pending,
  policyTerms,
  type Shards,
  secondsText,
  shardsOf,
  unknown,
  whyUnknown,
  withoutEffect,
} from './revoke-effect.ts'
import { tellStopped, withSeen } from './revoke-seen.ts'

export interface RevokeOptions extends GateOptions, EntryOptions {
  /** Ends only once the revocation is in effect everywhere; with `shards`, once every shard has it. */
  readonly wait?: boolean | 'shards'
  /** A file with a leaked token, or `-`: it says what there is to revoke. */
  readonly leaked?: string
  /** Which kind of the names in the leaked token to revoke. */
  readonly kill?: string
}

export const revokeCommand: CommandRow<AtGates<Omit<RevokeOptions, 'kind'>>> = {
  usage: 'revoke KIND VALUE',
  description:
    'Revoke a token, agent, subject, session, client, workflow, key or issuer at a gate.',
  example:
    'revoke agent acme/agent-7 --reason "leaked key" --wait \\\n    --gate https://api.my-company.com --key ops.jwk',
  help: `
With --leaked the command reads from a token what to revoke, and does not verify the token. Without --kill
it asks you. Write a value that begins with - at the end, after --.
An agent is named as log and X-Agent-Id show it, or with --issuer by the id that its issuer gives it. If an id
begins with the issuer's agent_prefix, the command revokes nothing until you add --as-id, or --as-name.
Without --wait the command says when the revocation will be in effect everywhere. With --wait the command ends at
that time, and says how long it took. Both read the gate's policy (scope edgewarden:read): the slowest of
the rules that the token may see decides. With several --gate it revokes at each, and --wait waits for all.
Exit status: 0 every shard has it (with --wait: it is in effect), at every gate; 1 a gate refused, or GATE.lift
names the revocation; 2 cannot tell.`,
  options: (command) =>
    withNames(withGates(command, 'edgewarden:revoke and edgewarden:read'))
      .addArgument(new Argument('[kind]', 'what to revoke').choices(KINDS))
      .argument(
        '[value]',
        'its jti, agent id, sub, session, client_id, workflow id or kid; not for issuer',
      )
      .option(
        '--issuer <iss>',
        "the issuer it belongs to, as in iss, or its name in the gate's policy",
      )
      .option(
        '--leaked <file>',
        'file with a leaked token, which says what to revoke; - reads standard input',
      )
      .addOption(new Option('--kill <kind>', 'with --leaked: which kind to revoke').choices(KINDS))
      .addOption(
        new Option(
          '--mode <mode>',
          'block: every token; before: only tokens issued up to --at; step-up: those need a new authentication',
        )
          .choices(MODES)
          .default('block'),
      )
      .option(
        '--at <seconds>',
        'with --mode before and step-up: seconds since the epoch (default: now)',
      )
      .option('--for <duration>', 'how long it lasts, such as 1h')
      .option(
        '--expires <moment>',
        'when it ends: seconds since the epoch, or a duration such as 24h',
      )
      .option('--reason <text>', 'the reason, which list shows')
      .option('--force', 'revoke even if that covers the token of this call')
      .option('--wait', 'end once it is in effect everywhere, and say how long it took'),
  run: ([kind = '', value], options, process) =>
    atGates(options, process, (one: Omit<RevokeOptions, 'kind'>, around) =>
      revoke(
        { ...one, kind, ...(value !== undefined && { value }) },
        around,
        around.waiting,
        (entry, gate) => tellStopped(entry, gate, around, around.waiting),
      ),
    ),
}

/** The options, completed by the gate's policy: what a leaked token names, or the issuer that a person named. */
const completed = async (
  options: RevokeOptions,
  around: Surroundings & Partial<Pick<Process, 'stdin' | 'converse'>>,
  waiting: Waiting,
): Promise<Result<RevokeOptions, Outcome>> => {
  const { leaked, kill, kind, issuer, value, asId, asName } = options
  if (leaked === undefined) {
    if (kill !== undefined) return fail(cannotTell('--kill is for --leaked.'))
    const isShown = kind === 'agent' && value !== undefined && !asId
    const entry = readEntry(isShown ? { issuer: '', ...options } : options, around.now())
    if (!entry.ok) return fail(cannotTell(entry.reason))
    const named = await issuerOf(options, kind === 'agent' ? value : undefined, SCOPES, around)
    return named.ok ? ok({ ...options, ...named.value }) : named
  }
  if (kind !== '' || issuer !== undefined || asId || asName) {
    const never = 'KIND, VALUE, --issuer, --as-id or --as-name'
    return fail(cannotTell(`With --leaked the token says what to revoke: give no ${never}.`))
  }
  const text = leaked === '-' ? ok((await around.stdin?.()) ?? '') : await readText(leaked)
  if (!text.ok) return fail(cannotTell(text.reason))
  const policy = await readPolicy(options, around)
  if (!policy.ok) return policy
  const read = readLeaked(text.value, policy.value.body)
  if (!read.ok) return fail(cannotTell(`${read.reason}.`))
  const converse = leaked === '-' ? undefined : around.converse
  const chosen = await chosenKind(read.value, kill, { waiting, now: around.now, converse })
  return chosen.ok ? ok({ ...options, ...chosen.value }) : fail(cannotTell(chosen.reason))
}

const readPolicy = (options: GateOptions, around: Surroundings) =>
  callAs(options, SCOPES, around, '/policy')

/** The scopes of a token that is signed for this command: to revoke, and to read when the revocation takes effect. */
const SCOPES = 'edgewarden:revoke edgewarden:read'
const POLL_MS = 500
/** Milliseconds after which shards that do not acknowledge are given up. */
const PATIENCE_MS = 5 * 60_000

/**
 * Makes one revocation at a running gate, and says when it is in effect everywhere: once every
 * shard has it and the longest bound of a rule has passed. With `wait` it ends only then. Yes means
 * that every shard has it; with `wait`, that it is in effect. Calls `before` with what it is about to revoke.
 */
export async function revoke(
  given: RevokeOptions,
  around: Surroundings & Partial<Pick<Process, 'stdin' | 'converse'>>,
  waiting: Waiting,
  before = async (_entry: JsonObject, _gate: GateOptions): Promise<void> => {},
): Promise<Outcome> {
  const wanted = await completed(given, around, waiting)
  if (!wanted.ok) return wanted.reason
  const options = wanted.value
  const at = around.now()
  const entry = readEntry(options, at)
  if (!entry.ok) return cannotTell(entry.reason)
  await before(entry.value, options)
  const began = waiting.elapsed()
  const sent = { method: 'POST', body: entry.value } as const
  const answer = await callAs(options, SCOPES, around, '/revocations', sent)
  if (!answer.ok) return answer.reason
  const made = { body: answer.value.body, entries: entriesOf(answer.value.body) }
  if (made.entries.length === 0) {
    return cannotTell('The gate answered without naming what it revoked.')
  }
  if (isPending(answer.value)) {
    const { location } = answer.value
    const shards = shardsOf(made.body)
    if (!options.wait || location === undefined) return pending(made, location, shards)
    waiting.tell(`Not every shard has it yet${countOf(shards)}: asking until they have.`)
    const all = await acknowledged(made, options, around, waiting)
    if (!all.ok) return pending(made, location, all.reason.shards ?? shards, all.reason.why)
  }
  const shards = Math.round(waiting.elapsed() - began)
  const read = await readPolicy(options, around)
  const terms = read.ok ? policyTerms(read.value.body) : fail(whyUnknown(read.reason))
  if (!terms.ok) return unknown(made, shards, terms.reason, Boolean(options.wait))
  const ids = made.entries.map((one) => own(one, 'id'))
  const lifted = terms.value.lift.find((id) => ids.includes(id))
  if (lifted !== undefined) return withoutEffect(made, shards, lifted)
  const { isAudited } = terms.value
  const seen = (outcome: Outcome) =>
    isAudited ? withSeen(outcome, entry.value, at, options, around) : outcome
  const ends = began + shards + terms.value.bound
  if (options.wait !== true) {
    const left = Math.max(0, ends - waiting.elapsed())
    const outcome = expected(made, shards, terms.value, Math.ceil(around.now() + left / 1000))
    return options.wait === 'shards' ? outcome : seen(outcome)
  }
  if (terms.value.bound > 0) {
    waiting.tell(`Every shard has it; waiting for the bound of ${secondsText(terms.value.bound)}.`)
  }
  for (let left = ends - waiting.elapsed(); left > 0; left = ends - waiting.elapsed()) {
    await waiting.sleep(Math.ceil(left))
  }
  return seen(measured(made, shards, terms.value))
}

const isPending = ({ status, body }: GateAnswer): boolean => {
  const shards = shardsOf(body)
  return status === 202 || (shards !== undefined && !haveAll(shards))
}

/**
 * Asks for the last entry until every shard has it: a shard that has the last entry has all entries. Never follows a
 * Location, so the token is sent to no other server.
 */
const acknowledged = async (
  { entries }: Made,
  options: RevokeOptions,
  around: Surroundings,
  { elapsed, sleep }: Waiting,
): Promise<Result<undefined, { readonly why: string; readonly shards?: Shards | undefined }>> => {
  const path = `/revocations/${encodeURIComponent(String(own(entries.at(-1) ?? {}, 'id')))}`
  const until = elapsed() + PATIENCE_MS
  let shards: Shards | undefined
  while (elapsed() < until) {
    await sleep(POLL_MS)
    const answer = await callAs(options, SCOPES, around, path)
    if (answer.ok) {
      shards = shardsOf(answer.value.body) ?? shards
      if (answer.value.status === 200 && shards && haveAll(shards)) return ok(undefined)
    } else if (answer.reason.refused && answer.reason.refused.status < 500) {
      const why = (answer.reason.err[0] ?? '').replace(/^The/, 'the')
      return fail({ why, shards })
    }
  }
  return fail({ why: `given up after ${secondsText(PATIENCE_MS)}`, shards })
}
