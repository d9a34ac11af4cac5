import { isObject, type JsonObject, own } from '../base/json.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { KINDS, MODES } from '../model/revocation.ts'
import { callAs, type GateOptions, type Surroundings } from './access.ts'
import { faultOutcome, type GateAddress, type GateCall } from './gate-client.ts'
import { cannotTell, EXIT, type Outcome } from './output.ts'
import { epochSeconds, moment, utc } from './times.ts'

export interface RevokeOptions extends GateOptions {
  readonly kind: string
  readonly issuer?: string
  readonly value?: string
  readonly mode?: string
  /** Seconds since the epoch. */
  readonly at?: string
  /** Seconds since the epoch, or a duration from now. */
  readonly expires?: string
  readonly reason?: string
  readonly force?: boolean
}

export interface ListOptions extends GateOptions {
  readonly kind?: string
  readonly issuer?: string
  readonly value?: string
  /** Every page, not only the first. */
  readonly all?: boolean
}

const SCOPE = 'edgewarden:revoke'
const ID = /^[A-Za-z0-9_-]{1,64}$/
/** Entries asked for at a time, and pages at most: a gate cannot keep a command forever. */
const PAGE = 1_000
const PAGES = 1_100

/**
 * Makes one revocation at a running gate. Yes means that every shard has it; while some have not
 * said so (202) nothing can be told yet.
 */
export const revoke = async (options: RevokeOptions, around: Surroundings): Promise<Outcome> => {
  const entry = readEntry(options, around.now())
  if (!entry.ok) return cannotTell(entry.reason)
  const answer = await call(options, around, ({ prefix }) => ({
    method: 'POST',
    path: `${prefix}/revocations`,
    body: entry.value,
  }))
  if (!answer.ok) return faultOutcome(answer.reason)
  const { status, body, location } = answer.value
  const entries = entriesOf(body)
  if (entries.length === 0) return cannotTell('The gate answered without naming what it revoked.')
  const lines = entries.map((one) => `Revoked ${describe(one)}`)
  if (status !== 202) return { exitCode: EXIT.yes, json: body, out: lines, err: [] }
  const shards = own(body, 'shards')
  const count = isObject(shards)
    ? ` (${own(shards, 'acknowledged')} of ${own(shards, 'total')})`
    : ''
  const ask =
    location === undefined ? 'repeat the command' : `ask ${location}, or repeat the command`
  return {
    exitCode: EXIT.unknown,
    json: { ...body, pending: true, ...(location !== undefined && { location }) },
    out: entries.map((one) => `Pending ${describe(one)}`),
    err: [`Not every shard has it yet${count}: ${ask}.`],
  }
}

/** Lifts one revocation at a running gate. */
export const lift = async (
  id: string,
  options: GateOptions,
  around: Surroundings,
): Promise<Outcome> => {
  if (!ID.test(id)) return cannotTell(`"${id}" is no id of a revocation; list shows them`)
  const answer = await call(options, around, ({ prefix }) => ({
    method: 'DELETE',
    path: `${prefix}/revocations/${id}`,
  }))
  if (!answer.ok) return faultOutcome(answer.reason)
  return { exitCode: EXIT.yes, json: { lifted: id }, out: [`Lifted ${id}`], err: [] }
}

/** Lists revocations of a running gate, the first page or all of them. */
export const list = async (options: ListOptions, around: Surroundings): Promise<Outcome> => {
  const { kind, issuer, value, all = false } = options
  if (kind !== undefined && !isOneOf(KINDS, kind)) return cannotTell(oneOf('--kind', KINDS))
  const found: JsonObject[] = []
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({
      ...(kind !== undefined && { kind }),
      ...(issuer !== undefined && { issuer }),
      ...(value !== undefined && { value }),
      ...(all && { limit: String(PAGE) }),
      ...(cursor !== undefined && { cursor }),
    })
    const answer = await call(options, around, ({ prefix }) => ({
      method: 'GET',
      path: `${prefix}/revocations${query.size > 0 ? `?${query}` : ''}`,
    }))
    if (!answer.ok) return faultOutcome(answer.reason)
    const { body } = answer.value
    if (!Array.isArray(own(body, 'revocations'))) {
      return cannotTell('The gate answered without a list of revocations; is --gate right?')
    }
    found.push(...entriesOf(body))
    const next = own(body, 'cursor')
    cursor = typeof next === 'string' || typeof next === 'number' ? String(next) : undefined
    if (cursor !== undefined && (seen.has(cursor) || seen.size === PAGES)) {
      return cannotTell('The gate does not come to the end of its list.')
    }
    if (cursor !== undefined) seen.add(cursor)
  } while (all && cursor !== undefined)
  return {
    exitCode: EXIT.yes,
    json: { revocations: found, ...(cursor !== undefined && { cursor }) },
    out: found.length > 0 ? found.map(describe) : ['Nothing is revoked.'],
    err: cursor === undefined ? [] : ['There are more: add --all.'],
  }
}

const call = (options: GateOptions, around: Surroundings, make: (gate: GateAddress) => GateCall) =>
  callAs(options, SCOPE, around, make)

const isOneOf = (names: readonly string[], name: string): boolean => names.includes(name)

const oneOf = (option: string, names: readonly string[]): string =>
  `${option} must be one of ${names.join(', ')}`

/** The entry as the gate takes it. Judges what would be a slip here, not what the policy says. */
const readEntry = (options: RevokeOptions, now: number): Result<JsonObject, string> => {
  const { kind, issuer, value, mode = 'block', reason, force = false } = options
  if (!isOneOf(KINDS, kind)) return fail(oneOf('--kind', KINDS))
  if (!isOneOf(MODES, mode)) return fail(oneOf('--mode', MODES))
  if (issuer === undefined) return fail(`--issuer is missing: ${kind}s are told apart by issuer`)
  if (kind === 'issuer' && value !== undefined) {
    return fail('--value is not for kind issuer: --issuer says it all')
  }
  if (kind !== 'issuer' && (value ?? '') === '') return fail(`--value is missing: which ${kind}?`)
  if (options.at !== undefined && mode !== 'before') return fail('--at is only for --mode before')
  const at = options.at === undefined ? undefined : epochSeconds(options.at)
  if (at && !at.ok) return fail(`--at: ${at.reason}`)
  const expires = options.expires === undefined ? undefined : moment(options.expires, now)
  if (expires && !expires.ok) return fail(`--expires: ${expires.reason}`)
  if (expires && expires.value <= now) return fail('--expires is in the past')
  return ok({
    kind,
    issuer,
    ...(value !== undefined && { value }),
    mode,
    ...(at && { at: at.value }),
    ...(expires && { expires: expires.value }),
    ...(reason !== undefined && { reason }),
    ...(force && { force }),
  })
}

const entriesOf = (body: JsonObject): readonly JsonObject[] => {
  const entries = own(body, 'revocations')
  return Array.isArray(entries) ? entries.filter(isObject) : []
}

/** One entry on one line: what, until when, its id, why. */
const describe = (entry: JsonObject): string => {
  const text = (name: string): string => String(own(entry, name) ?? '?')
  const { value, reason, expires, at } = entry
  const what = value === undefined ? '' : ` ${JSON.stringify(value)}`
  const before = typeof at === 'number' ? `, tokens issued up to ${utc(at)}` : ''
  const end = typeof expires === 'number' ? `until ${utc(expires)}` : 'until lifted'
  const why = typeof reason === 'string' ? `, reason: ${reason}` : ''
  return `${text('kind')}${what} of ${text('issuer')}${before}, ${end}, id ${text('id')}${why}`
}
