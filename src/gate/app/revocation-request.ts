import * as v from 'valibot'
import type { Denial } from '../base/denial.ts'
import { type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { entryLife, longestFinish, type Policy } from '../model/policy.ts'
import type { RevocationQuery } from '../model/ports.ts'
import { KINDS, MODES, REACHES, type Revocation, revocationId } from '../model/revocation.ts'
import { type Admin, callerName, ownIssuer, refuse } from './context.ts'
import { readIssuer, unknownIn } from './names.ts'
import {
  BAD_CURSOR,
  idOf,
  isKnown,
  list,
  oneOf,
  type Problem,
  queryLimit,
  queryNumber,
  queryText,
  readQuery,
  readValue,
  strict,
  text,
} from './request.ts'

/** The mistake in an issuer whose agents only act. */
const NOT_TRUSTED = 'is an issuer of actors only: of those, agents can be revoked'
/** The latest `expires`, in seconds: 2100-01-01. */
export const LAST_EXPIRY = Date.UTC(2100) / 1000

const seconds = v.pipe(
  v.number('must be a number of seconds since the epoch'),
  v.safeInteger('must be whole seconds since the epoch'),
  v.minValue(0, 'must not be before the epoch'),
)

const FIELDS = {
  kind: oneOf(KINDS),
  issuer: queryText,
  value: v.exactOptional(queryText),
  agent_name: v.exactOptional(queryText),
  mode: v.exactOptional(oneOf(MODES)),
  at: v.exactOptional(seconds),
  expires: v.exactOptional(seconds),
  reason: v.exactOptional(text(LIMITS.revocationReason)),
}
const FORCE = { force: v.exactOptional(v.boolean('must be true or false')) }

const ENTRIES = LIMITS.revocationsPerCall
const ENTRY = strict(FIELDS)
const ONE = strict({ ...FIELDS, ...FORCE })
const MANY = strict({
  revocations: list(ENTRY, ENTRIES, `must be a list of 1 to ${ENTRIES} entries`),
  ...FORCE,
})

/** The entries of a POST, without defaults. `path` is the entry's prefix in problems. */
export interface WantedRevocations {
  readonly entries: readonly {
    readonly path: string
    readonly wanted: v.InferOutput<typeof ENTRY>
  }[]
  readonly force: boolean
}

/**
 * Reads the entries of a body: one entry, or a list. Checks the form and the issuers' names; {@link toRevocations}
 * checks the meaning under the policy.
 */
export function readRevocations(c: Admin, body: JsonObject, invalid: Denial): WantedRevocations {
  const schema = own(body, 'revocations') === undefined ? ONE : MANY
  const { force = false, ...given } = readValue(c, schema, body, invalid)
  const entries =
    'revocations' in given
      ? given.revocations.map((wanted, index) => ({ path: `revocations[${index}].`, wanted }))
      : [{ path: '', wanted: given }]
  const named = entries.map(({ path, wanted }) => {
    const issuer = readIssuer(c, wanted.issuer, invalid, `${path}issuer`)
    return { path, wanted: { ...wanted, issuer } }
  })
  return { entries: named, force }
}

/** Seconds after `exp` until no gate accepts a token any more, and no answer to one goes on. */
export function lateSeconds(policy: Policy): number {
  return LIMITS.lateTokenSeconds + longestFinish(policy)
}

/**
 * Fills in defaults of entries to store. `now` is in seconds; entries of tokens and `before` entries expire
 * when no covered token can be valid. `isOwn`: whether they count as those of an administrator of their issuer. Does not
 * check permission.
 */
export async function toRevocations(
  c: Admin,
  { entries }: WantedRevocations,
  now: number,
  invalid: Denial,
  isOwn = ownIssuer(c) !== undefined,
): Promise<readonly Revocation[]> {
  const policy = c.get('policy')
  const made = {
    created: now,
    createdBy: callerName(c),
    ...(isOwn && ({ own: true } as const)),
  }
  const tolerance = policy.gate.clockTolerance
  const life = entryLife(policy)
  const problems: Problem[] = []
  const stored: Revocation[] = []
  for (const { path, wanted } of entries) {
    const { kind, issuer, mode = 'block', reason } = wanted
    const id = idOf(policy, { kind, issuer, id: wanted.value, name: wanted.agent_name })
    const value = (id.ok ? id.value : wanted.agent_name) ?? ''
    const at = mode !== 'block' ? (wanted.at ?? now) : undefined
    // A token is accepted, and its answers finish, for a while after `exp`; callers often give `exp` here.
    const late = kind === 'token' ? lateSeconds(policy) : 0
    const given = wanted.expires === undefined ? undefined : wanted.expires + late
    const expires =
      given ?? (at !== undefined ? at + life : kind === 'token' ? now + life : undefined)
    const rules: readonly (readonly [broken: boolean, field: string, message: string])[] = [
      [!isKnown(policy, wanted), 'issuer', unknownIn(c, { issuer })?.message ?? NOT_TRUSTED],
      [kind === 'issuer' && value !== '', 'value', 'must be left out for kind issuer'],
      [kind !== 'issuer' && value === '', 'value', 'is required'],
      [!id.ok, 'agent_name', id.ok ? '' : id.reason],
      [mode === 'block' && wanted.at !== undefined, 'at', 'is not for mode block'],
      [at !== undefined && at > now + tolerance, 'at', 'must not be in the future'],
      [
        wanted.expires === undefined && expires !== undefined && expires <= now,
        'at',
        'is so long ago that every token issued before then has expired',
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
      ...made,
    })
  }
  return problems.length > 0 ? refuse(c, invalid, { problems }) : stored
}

const QUERY = strict({
  kind: v.exactOptional(FIELDS.kind),
  issuer: v.exactOptional(queryText),
  value: v.exactOptional(queryText),
  agent_name: v.exactOptional(queryText),
  created_by: v.exactOptional(text(3 * LIMITS.revocationValue + 2)),
  reach: v.exactOptional(oneOf(REACHES)),
  limit: v.exactOptional(queryLimit),
  cursor: v.exactOptional(queryNumber(/^\d{1,15}$/, BAD_CURSOR)),
})

/** Reads the query of a GET or DELETE. */
export function readRevocationQuery(
  c: Admin,
  invalid: Denial,
  given?: Parameters<typeof readQuery>[3],
): RevocationQuery & { readonly agent_name?: string } {
  const query = readQuery(c, QUERY, invalid, given)
  const { created_by: createdBy, reach, limit = 100, ...rest } = query
  return {
    ...rest,
    limit,
    ...(createdBy !== undefined && { createdBy }),
    ...(reach !== undefined && { own: reach === 'own' }),
  }
}
