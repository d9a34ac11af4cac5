import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { KINDS } from '../../gate/model/revocation.ts'
import { given } from '../base/command.ts'
import { durationSeconds, epochSeconds, moment, utc } from '../base/times.ts'
import type { NameOptions } from './agent-name.ts'

/** What to revoke, as the command line says it. */
export interface EntryOptions extends NameOptions {
  readonly kind: string
  /** Left out for kind `issuer`. */
  readonly value?: string
  readonly issuer?: string
  readonly mode?: string
  /** Seconds since the epoch. */
  readonly at?: string
  /** Seconds since the epoch, or a duration from now. */
  readonly expires?: string
  /** A duration from now. */
  readonly for?: string
  readonly reason?: string
  readonly force?: boolean
}

/** The entry as the gate takes it. Refuses options that contradict each other; only the gate knows its policy. */
export function readEntry(options: EntryOptions, now: number): Result<JsonObject, string> {
  const { kind, issuer, value, asId, asName, mode = 'block', reason } = options
  const force = options.force || undefined
  if (kind === '') return fail(`KIND must be one of ${KINDS.join(', ')}`)
  const isIssuer = kind === 'issuer'
  if (isIssuer && value !== undefined) {
    return fail('kind issuer takes no VALUE: --issuer is enough')
  }
  if (issuer === undefined) {
    return fail(
      `--issuer is missing: ${isIssuer ? 'which issuer?' : `each issuer has ${kind}s of its own`}`,
    )
  }
  if (!isIssuer && (value ?? '') === '') return fail(`VALUE is missing: which ${kind}?`)
  if ((asId || asName) && kind !== 'agent') return fail('--as-id and --as-name are for kind agent')
  const named = asName ? { agent_name: value } : { value }
  if (options.at !== undefined && mode === 'block') {
    return fail('--at is not for --mode block')
  }
  const at = options.at === undefined ? undefined : epochSeconds(options.at)
  if (at && !at.ok) return fail(`--at: ${at.reason}`)
  const expires = readEnd(options, now)
  if (!expires.ok) return expires
  const ends = { at: at?.value, expires: expires.value }
  return ok(given({ kind, issuer, ...named, mode, ...ends, reason, force }))
}

const readEnd = (
  { expires, for: span }: EntryOptions,
  now: number,
): Result<number | undefined, string> => {
  if (expires !== undefined && span !== undefined) {
    return fail('--for and --expires both set the end; give one of them')
  }
  if (span !== undefined) {
    const seconds = durationSeconds(span)
    if (!seconds.ok) return fail(`--for: ${seconds.reason}`)
    return seconds.value > 0
      ? ok(Math.ceil(now + seconds.value))
      : fail('--for must be longer than zero')
  }
  if (expires === undefined) return ok(undefined)
  const end = moment(expires, now)
  if (!end.ok) return fail(`--expires: ${end.reason}`)
  return end.value > now ? end : fail('--expires is in the past')
}

/** The entries that an answer names. */
export function entriesOf(body: JsonObject): readonly JsonObject[] {
  return listOf(own(body, 'revocations')).filter(isObject)
}

/** One entry on one line, as {@link describe}, with who made it, and when; and who renewed it last. */
export function describeMade(entry: JsonObject): string {
  const by = (name: string) => {
    const [at, who] = [own(entry, name), own(entry, `${name}_by`)]
    return typeof at === 'number' && typeof who === 'string'
      ? [`${name} ${utc(at)} by ${personIn(who)}`]
      : []
  }
  return [describe(entry), ...by('created'), ...by('renewed')].join(', ')
}

/** An administrator, as entries name their creator: an issuer, and after a space who it was. */
const personIn = (who: string): string => who.replace(/^(\S+) (.+)$/s, '$2 ($1)')

/** One entry on one line: what, until when, its id, why. */
export function describe(entry: JsonObject): string {
  const text = (name: string): string => String(own(entry, name) ?? '?')
  const { value, name, reason, expires, at } = entry
  // Origins see an agent's id with the prefix.
  const alias = name === undefined ? '' : ` (X-Agent-Id ${JSON.stringify(name)})`
  const what = value === undefined ? '' : ` ${JSON.stringify(value)}${alias}`
  const before = typeof at === 'number' ? `, tokens issued up to ${utc(at)}` : ''
  const end = typeof expires === 'number' ? `until ${utc(expires)}` : 'until lifted'
  const why = typeof reason === 'string' ? `, reason: ${reason}` : ''
  return `${text('kind')}${what} of ${text('issuer')}${before}, ${end}, id ${text('id')}${why}`
}
