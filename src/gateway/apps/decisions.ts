import * as v from 'valibot'
import { utf8Decode } from '../../core/bytes.ts'
import { type Denial, denials } from '../../core/denial.ts'
import { dateTime } from '../../core/duration.ts'
import { isObject, type JsonObject, listOf, own, parseJsonObject } from '../../core/json.ts'
import {
  type Audit,
  DECISION_FILTERS,
  type DecisionPage,
  type DecisionQuery,
  type Dropped,
  USAGE_BY,
  type UsageQuery,
} from '../../core/model/audit.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { createApp } from './app.ts'
import { readAdminBody } from './body.ts'
import { type Admin, type GateEnv, isReached, ownIssuer } from './context.ts'
import {
  namedValue,
  type Problem,
  problemsOf,
  queryLimit,
  queryText,
  readQuery,
  unknownKeys,
} from './revocation-request.ts'
import { todayOf } from './today.ts'

/** The denials of the audit's endpoints. */
export const decisionDenials = denials({
  decision_query_invalid: [
    'badRequest',
    'The request does not describe a list of decisions',
    'Correct what `problems` names',
  ],
  erasure_invalid: [
    'badRequest',
    'The request does not describe whose values to erase',
    'Correct what `problems` names; nothing was changed',
  ],
  decision_reach: [
    'forbidden',
    "This token may not read that issuer's decisions, erase values of its subjects, or read metrics",
    'Use a token of that issuer, or of one that may administer every issuer',
  ],
  decision_unknown: [
    'notFound',
    'There is no such decision, or this token may not see it',
    'The decision may be older than the audit keeps, or not stored yet: storing takes about two seconds',
  ],
  audit_unavailable: [
    'unavailable',
    'The records of decisions cannot be read at the moment',
    'Try again after Retry-After; the gate still decides requests',
  ],
})

const deny = decisionDenials

/** Of a record's own id: a UUID. */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const NDJSON = 'application/x-ndjson'
const NO_TIME = 'must be seconds since the epoch, or a date and time with its zone'

/** Milliseconds of a moment: seconds since the epoch, or RFC 3339 §5.6. */
const moment = v.pipe(
  v.string(),
  v.transform((text) =>
    /^\d{1,11}(?:\.\d{1,3})?$/.test(text) ? Number(text) * 1000 : dateTime(text),
  ),
  v.number(NO_TIME),
)

/** Milliseconds of the spans of usage. */
const SPANS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

const ANY = v.strictObject(
  {
    ...v.entriesFromList(DECISION_FILTERS, v.optional(queryText)),
    kind: v.optional(v.literal('act', 'must be act')),
    from: v.optional(moment),
    until: v.optional(moment),
    by: v.optional(
      v.pipe(
        v.string(),
        v.transform((text) => text.split(',')),
        v.array(v.picklist(USAGE_BY, `must be of ${USAGE_BY.join(', ')}, comma-separated`)),
      ),
    ),
    every: v.optional(v.picklist(['minute', 'hour', 'day'], 'must be minute, hour or day')),
    limit: v.optional(queryLimit),
    cursor: v.optional(v.string()),
  },
  unknownKeys,
)
const LIST = v.omit(ANY, ['by', 'every'])
export const LIVE = v.omit(LIST, ['until', 'limit', 'cursor'])
export const USAGE = v.omit(ANY, ['limit', 'cursor'])

const ERASURE = v.strictObject(
  { subject: queryText, issuer: queryText, cursor: v.optional(v.string()) },
  unknownKeys,
)

/**
 * `GET /decisions` and `GET /decisions/:id`: stored records of the caller's issuers. `POST /audit/erase` removes a
 * subject's values from them. The guard has checked token and scope; only the issuer is checked here.
 */
export const decisionsApp = createApp<GateEnv>()
  .get('/decisions', async (c) => {
    const page = await readBy(c, LIST, (audit, query) => audit.list(query))
    if (!page.ok) return page.reason
    return c.req.header('accept')?.includes(NDJSON) ? lines(c, page.value) : json(c, page.value)
  })
  .get('/decisions/:id', async (c) => {
    const id = c.req.param('id')
    c.set('read', ['id'])
    const found = ID.test(id) ? await ask(c, (audit) => audit.get(id)) : ok(undefined)
    if (!found.ok) return c.get('deny')(found.reason)
    const decision = found.value && read(found.value.decision)
    // The same denial for unknown records and those of other issuers.
    if (!decision || (ownIssuer(c) !== undefined && !isReached(c, own(decision, 'issuer')))) {
      return c.get('deny')(deny('decision_unknown'))
    }
    const then = ownIssuer(c) === undefined ? read(found.value?.policy ?? '{}') : {}
    const rule = ruleOf(decision, then)
    const isWhole = c.req.query('policy') === 'true' && own(then, 'routes') !== undefined
    const today = await todayOf(c, decision)
    const told = { decision, ...(rule && { rule }), ...(isWhole && { policy: then }), today }
    return c.json(told, 200, { 'cache-control': 'no-store' })
  })
  .post('/audit/erase', async (c) => {
    const body = await readAdminBody(c)
    if (!body.ok) return c.get('deny')(body.reason)
    const given = parseJsonObject(utf8Decode(body.value) ?? '') ?? {}
    const issuer = ownIssuer(c)
    const parsed = v.safeParse(ERASURE, { ...(issuer !== undefined && { issuer }), ...given })
    if (!parsed.success) {
      return c.get('deny')(deny('erasure_invalid'), { problems: problemsOf(parsed.issues) })
    }
    const { cursor, ...person } = parsed.output
    if (!isReached(c, person.issuer)) return c.get('deny')(deny('decision_reach'))
    const act = c.get('act')?.()
    const whose = { ...person, isOwn: issuer !== undefined }
    const call = async (audit: Audit) => {
      if (!act) throw new Error('no audit')
      return audit.erase(whose, act, cursor)
    }
    const erased = await ask(c, call, 'erasure_invalid')
    if (!erased.ok) return c.get('deny')(erased.reason)
    const { stoppedUntil, ...told } = erased.value
    const stopped = stoppedUntil !== undefined && {
      stopped_until: new Date(stoppedUntil).toISOString(),
    }
    return c.json({ ...told, ...stopped }, 200, { 'cache-control': 'no-store' })
  })

type Query = DecisionQuery & UsageQuery

/** Reads the audit by the query of a request, within the caller's reach. On failure the result is the answer. */
export async function readBy<Value>(
  c: Admin,
  schema: typeof LIST | typeof LIVE | typeof USAGE,
  call: (audit: Audit, query: Query) => Promise<Value>,
): Promise<Result<Value, Response>> {
  const given = c.req.queries()
  const query = decode(c, schema, given)
  if (!query.ok) {
    return fail(c.get('deny')(deny('decision_query_invalid'), { problems: query.reason }))
  }
  const { issuer } = query.value.filters
  if (ownIssuer(c) !== undefined && issuer !== undefined && !isReached(c, issuer)) {
    return fail(c.get('deny')(deny('decision_reach')))
  }
  c.set('read', Object.keys(given))
  const found = await ask(c, (audit) => call(audit, query.value))
  return found.ok ? found : fail(c.get('deny')(found.reason))
}

/** Reads the query. Administrators of one issuer only ever get its decisions. */
const decode = (
  c: Admin,
  schema: typeof LIST | typeof LIVE | typeof USAGE,
  given: Readonly<Record<string, readonly string[]>>,
): Result<Query, readonly Problem[]> => {
  const parsed = readQuery(schema, given)
  if (!parsed.ok) return parsed
  const {
    from,
    until,
    limit = 100,
    cursor,
    by = ['agent'],
    every,
    ...filters
  }: v.InferOutput<typeof ANY> = parsed.value
  const { agent, issuer = ownIssuer(c) } = filters
  const name = { kind: 'agent', issuer } as const
  return ok({
    filters: {
      ...filters,
      ...(issuer !== undefined && { issuer }),
      ...(agent !== undefined && { agent: namedValue(c.get('policy'), { ...name, value: agent }) }),
    },
    limit,
    by,
    ...(every !== undefined && { every: SPANS[every] }),
    ...(from !== undefined && { from }),
    ...(until !== undefined && { until }),
    ...(cursor !== undefined && { cursor }),
  } as Query)
}

const ask = async <Value>(
  c: Admin,
  call: (audit: Audit) => Promise<Value>,
  invalid: keyof typeof deny.rows = 'decision_query_invalid',
): Promise<Result<Value, Denial>> => {
  const { audit } = c.get('ports')
  try {
    if (!audit) throw new Error('AUDIT_LOG is not bound')
    return ok(await call(audit))
  } catch (error) {
    const isCursor = error instanceof RangeError
    return fail(isCursor ? deny(invalid) : deny('audit_unavailable', { error: String(error) }))
  }
}

const read = (text: string): JsonObject => {
  const value: unknown = JSON.parse(text)
  return isObject(value) ? value : {}
}

/** The rule as it was then, of the policy that decided. */
const ruleOf = (decision: JsonObject, policy: JsonObject): JsonObject | undefined => {
  const name = own(decision, 'route')
  return listOf(own(policy, 'routes'))
    .filter(isObject)
    .find((route) => own(route, 'match') === name)
}

/** What was not stored, for the caller. */
export function gapsOf(c: Admin, dropped: readonly Dropped[]): readonly JsonObject[] {
  const isAll = ownIssuer(c) === undefined
  return dropped.map(({ reason, since, until, records }) => ({
    reason,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    // Of all issuers together.
    ...(isAll && { records }),
  }))
}

const json = (c: Admin, { decisions, dropped, cursor }: DecisionPage): Response => {
  const gaps = gapsOf(c, dropped)
  const more = JSON.stringify({ ...(gaps.length > 0 && { dropped: gaps }), cursor })
  // Records are JSON already.
  return c.body(
    `{"decisions":[${decisions.join(',')}]${more === '{}' ? '' : `,${more.slice(1, -1)}`}}`,
    200,
    { 'cache-control': 'no-store', 'content-type': 'application/json' },
  )
}

/** One record a line, then what was not stored. The address of the next page is in `Link` (RFC 8288). */
const lines = (c: Admin, { decisions, dropped, cursor }: DecisionPage): Response => {
  const query = new URLSearchParams(c.req.query())
  if (cursor !== undefined) query.set('cursor', cursor)
  const path = `${c.get('policy').gate.prefix}/decisions?${query}`
  const gaps = gapsOf(c, dropped).map((gap) => JSON.stringify({ kind: 'dropped', ...gap }))
  return c.body([...decisions, ...gaps].map((one) => `${one}\n`).join(''), 200, {
    'cache-control': 'no-store',
    'content-type': NDJSON,
    ...(cursor !== undefined && { link: `<${path}>; rel="next"` }),
  })
}
