import * as v from 'valibot'
import { type JsonObject, own } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { RevocationQuery } from '../../core/model/ports.ts'
import {
  KINDS,
  type Kind,
  MODES,
  REACHES,
  type Revocation,
  revocationId,
} from '../../core/model/revocation.ts'
import { fail, ok, type Result } from '../../core/result.ts'

/** A mistake in a request and its path, such as `revocations[2].kind`. */
export interface Problem {
  readonly path: string
  readonly message: string
}

const DAY = 24 * 60 * 60
/** The latest `expires`, in seconds: 2100-01-01. */
const LAST_EXPIRY = Date.UTC(2100) / 1000

/** The message for an unknown or missing key. */
export function unknownKeys(issue: v.StrictObjectIssue): string {
  if (issue.expected === 'never') return 'is not a known key'
  return issue.received === 'undefined' ? 'is required' : 'must be an object'
}

/** Text of bounded length. */
export function text(length: number) {
  const message = `must be text of 1 to ${length} characters`
  return v.pipe(
    v.string(message),
    v.minLength(1, message),
    v.maxLength(length, message),
    v.check((value) => value.isWellFormed(), 'must not contain lone surrogates'),
  )
}

const seconds = v.pipe(
  v.number('must be a number of seconds since the epoch'),
  v.safeInteger('must be whole seconds since the epoch'),
  v.minValue(0, 'must not be before the epoch'),
)

const kind = v.picklist(KINDS, `must be one of ${KINDS.join(', ')}`)
/** Text of a parameter of a query. */
export const queryText = text(LIMITS.revocationValue)

const FIELDS = {
  kind,
  issuer: queryText,
  value: v.exactOptional(queryText),
  mode: v.exactOptional(v.picklist(MODES, `must be one of ${MODES.join(', ')}`)),
  at: v.exactOptional(seconds),
  expires: v.exactOptional(seconds),
  reason: v.exactOptional(text(LIMITS.revocationReason)),
}
const FORCE = { force: v.exactOptional(v.boolean('must be true or false')) }

const MANY_ENTRIES = `must be a list of 1 to ${LIMITS.revocationsPerCall} entries`
const ENTRY = v.strictObject(FIELDS, unknownKeys)
const ONE = v.strictObject({ ...FIELDS, ...FORCE }, unknownKeys)
const MANY = v.strictObject(
  {
    revocations: v.pipe(
      v.array(ENTRY, MANY_ENTRIES),
      v.minLength(1, MANY_ENTRIES),
      v.maxLength(LIMITS.revocationsPerCall, MANY_ENTRIES),
    ),
    ...FORCE,
  },
  unknownKeys,
)

/** A requested entry, without defaults. */
type Wanted = v.InferOutput<typeof ENTRY>

/** The entries of a POST. `path` is the entry's prefix in problems. */
export interface WantedRevocations {
  readonly entries: readonly { readonly path: string; readonly wanted: Wanted }[]
  readonly force: boolean
}

/**
 * Decodes a body to its entries: one entry, or a list. Checks the form only; {@link toRevocations}
 * checks the meaning under the policy.
 */
export function decodeRevocations(body: JsonObject): Result<WantedRevocations, readonly Problem[]> {
  const parsed = v.safeParse(own(body, 'revocations') === undefined ? ONE : MANY, body)
  if (!parsed.success) return fail(problemsOf(parsed.issues))
  const { force = false, ...given } = parsed.output
  const entries =
    'revocations' in given
      ? given.revocations.map((wanted, index) => ({ path: `revocations[${index}].`, wanted }))
      : [{ path: '', wanted: given }]
  return ok({ entries, force })
}

/**
 * Fills in defaults of entries to store. `at` is now; entries of tokens and `before` entries expire
 * when no covered token can be valid. `own`: the administrator is limited to this issuer. Does not
 * check permission.
 */
export async function toRevocations(
  { entries }: WantedRevocations,
  { policy, now, ...made }: { policy: Policy; now: number } & Pick<Revocation, 'createdBy' | 'own'>,
): Promise<Result<readonly Revocation[], readonly Problem[]>> {
  const tolerance = policy.gate.clockTolerance
  const finish = longestFinish(policy)
  const life = longestLife(policy)
  const problems: Problem[] = []
  const stored: Revocation[] = []
  for (const { path, wanted } of entries) {
    const { kind, issuer, mode = 'block', reason } = wanted
    const value = namedValue(policy, { kind, issuer, value: wanted.value ?? '' })
    const at = mode === 'before' ? (wanted.at ?? now) : undefined
    // A token is accepted, and its answers finish, for a while after `exp`; callers often give `exp` here.
    const late = kind === 'token' ? LIMITS.lateTokenSeconds + finish : 0
    const given = wanted.expires === undefined ? undefined : wanted.expires + late
    const expires =
      given ?? (at !== undefined ? at + life : kind === 'token' ? now + life : undefined)
    const rules: readonly (readonly [broken: boolean, field: string, message: string])[] = [
      [!isKnown(policy, wanted), 'issuer', 'is not an issuer of this gate'],
      [kind === 'issuer' && value !== '', 'value', 'must be left out for kind issuer'],
      [kind !== 'issuer' && value === '', 'value', 'is required'],
      [mode === 'block' && wanted.at !== undefined, 'at', 'is only for mode before'],
      [at !== undefined && at > now + tolerance, 'at', 'must not be in the future'],
      [
        wanted.expires === undefined && expires !== undefined && expires <= now,
        'at',
        'is so long ago that every token issued before it has expired',
      ],
      [given !== undefined && given <= now, 'expires', 'must be in the future'],
      [expires !== undefined && expires > LAST_EXPIRY, 'expires', 'must be before the year 2100'],
    ]
    for (const [broken, field, message] of rules) {
      if (broken) problems.push({ path: `${path}${field}`, message })
    }
    stored.push({
      id: await revocationId({ kind, issuer, value }, mode, made.own && 'own'),
      kind,
      issuer,
      value,
      mode,
      ...(at !== undefined && { at }),
      ...(expires !== undefined && { expires }),
      ...(reason !== undefined && { reason }),
      created: now,
      ...made,
    })
  }
  return problems.length > 0 ? fail(problems) : ok(stored)
}

/** The prefix that origins see before an issuer's agent ids. */
export function prefixOf({ issuers }: Policy, issuer: string | undefined): string {
  return issuers.get(issuer ?? '')?.agentPrefix ?? ''
}

interface Named {
  readonly kind: Kind | undefined
  readonly issuer: string | undefined
  readonly value: string
}

/** Normalizes a value: removes the issuer's prefix from the id of an agent. */
export function namedValue(policy: Policy, { kind, issuer, value }: Named): string {
  const prefix = kind === 'agent' ? prefixOf(policy, issuer) : ''
  return value.startsWith(prefix) && value !== prefix ? value.slice(prefix.length) : value
}

/** Whether the issuer is in the policy or, for kind `agent`, is an accepted issuer of actors. */
export function isKnown(
  { issuers }: Policy,
  { kind, issuer }: Pick<Revocation, 'kind' | 'issuer'>,
): boolean {
  if (issuers.has(issuer)) return true
  return kind === 'agent' && [...issuers.values()].some((one) => one.delegation.issuers.has(issuer))
}

/** Seconds after `exp` within which some answer may finish. */
const longestFinish = ({ routes }: Policy): number =>
  Math.max(0, ...routes.map(({ finishWithin }) => finishWithin))

/** Seconds until every token issued now is too old and its last answer is over, at least a day. */
const longestLife = (policy: Policy): number => {
  const { issuers, gate } = policy
  const late = 2 * gate.clockTolerance + longestFinish(policy)
  return Math.max(DAY, ...[...issuers.values()].map(({ maxLifetime }) => maxLifetime + late))
}

const number = (pattern: RegExp, message: string) =>
  v.pipe(v.string(message), v.regex(pattern, message), v.transform(Number))

/** The most entries of a page. */
export const queryLimit = number(/^(?:[1-9]\d{0,2}|1000)$/, 'must be 1 to 1000')

const QUERY = v.strictObject(
  {
    kind: v.exactOptional(kind),
    issuer: v.exactOptional(queryText),
    value: v.exactOptional(queryText),
    created_by: v.exactOptional(text(3 * LIMITS.revocationValue + 2)),
    reach: v.exactOptional(v.picklist(REACHES, `must be one of ${REACHES.join(', ')}`)),
    limit: v.exactOptional(queryLimit),
    cursor: v.exactOptional(number(/^\d{1,15}$/, 'must be the cursor of an earlier page')),
  },
  unknownKeys,
)

type Query = Readonly<Record<string, readonly string[]>>

/** Reads the parameters of a query by a schema. Refuses unknown and repeated ones. */
export function readQuery<Schema extends v.GenericSchema>(
  schema: Schema,
  given: Query,
): Result<v.InferOutput<Schema>, readonly Problem[]> {
  const repeated = Object.keys(given).filter((name) => given[name]?.length !== 1)
  if (repeated.length > 0) {
    return fail(repeated.map((path) => ({ path, message: 'must be given once' })))
  }
  const entries = Object.entries(given).map(([name, [first]]) => [name, first])
  return readBody(schema, Object.fromEntries(entries))
}

/** Reads a value by a schema. */
export function readBody<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): Result<v.InferOutput<Schema>, readonly Problem[]> {
  const parsed = v.safeParse(schema, value)
  return parsed.success ? ok(parsed.output) : fail(problemsOf(parsed.issues))
}

/** Decodes the query of a GET or DELETE. */
export function decodeQuery(given: Query): Result<RevocationQuery, readonly Problem[]> {
  const parsed = readQuery(QUERY, given)
  if (!parsed.ok) return parsed
  const { created_by: createdBy, reach, limit = 100, ...rest } = parsed.value
  return ok({
    ...rest,
    limit,
    ...(createdBy !== undefined && { createdBy }),
    ...(reach !== undefined && { own: reach === 'own' }),
  })
}

/** The mistakes that valibot found. */
export function problemsOf(issues: readonly v.BaseIssue<unknown>[]): readonly Problem[] {
  return issues.map(({ path = [], message }) => ({
    path: path
      .map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
      .join('')
      .replace(/^\./, ''),
    message,
  }))
}
