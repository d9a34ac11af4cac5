import * as v from 'valibot'
import { createApp } from '../../gate/app/app.ts'
import {
  type Admin,
  answer,
  called,
  type GateEnv,
  isReached,
  ownIssuer,
  refuse,
} from '../../gate/app/context.ts'
import { mustHaveNames, readAgent, readIssuer } from '../../gate/app/names.ts'
import {
  queriesOf,
  queryLimit,
  queryText,
  readAdminBody,
  readId,
  readQuery,
  readValue,
  strict,
} from '../../gate/app/request.ts'
import { denials } from '../../gate/base/denial.ts'
import { dateTime } from '../../gate/base/duration.ts'
import { type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import type { AgentKey } from '../../gate/model/agents.ts'
import {
  type AuditReads,
  DECISION_FILTERS,
  type DecisionPage,
  type DecisionQuery,
  type Dropped,
  RECORD_KINDS,
  USAGE_BY,
  type UsageQuery,
} from '../../gate/model/audit.ts'
import { controlOf } from './ports.ts'
import { ruleIn, todayOf } from './today.ts'

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
export const INVALID = deny('decision_query_invalid')

/** The id of a record: a UUID. */
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

const ANY = strict({
  ...v.entriesFromList(DECISION_FILTERS, v.optional(queryText)),
  agent_name: v.optional(queryText),
  kind: v.optional(v.picklist(RECORD_KINDS, `must be ${RECORD_KINDS.join(' or ')}`)),
  own: v.optional(v.picklist(['true', 'false'], 'must be true or false')),
  on_agent: v.optional(queryText),
  on_agent_name: v.optional(queryText),
  on_issuer: v.optional(queryText),
  from: v.optional(moment),
  until: v.optional(moment),
  by: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text.split(',').map((name) => name.trim())),
      v.array(v.picklist(USAGE_BY, `must be of ${USAGE_BY.join(', ')}, comma-separated`)),
    ),
  ),
  every: v.optional(v.picklist(['minute', 'hour', 'day'], 'must be minute, hour or day')),
  limit: v.optional(queryLimit),
  cursor: v.optional(v.string()),
})
const LIST = v.omit(ANY, ['by', 'every'])
const ON = ['on_agent', 'on_agent_name', 'on_issuer'] as const
export const LIVE = v.omit(LIST, ['until', 'limit', 'cursor', ...ON])
export const USAGE = v.omit(ANY, ['limit', 'cursor', ...ON])

const ERASURE = strict({ subject: queryText, issuer: queryText, cursor: v.optional(v.string()) })

/**
 * `GET /decisions` and `GET /decisions/:id`: stored records of the caller's issuers. `POST /audit/erase` removes a
 * subject's values from them. The guard has checked token and scope; only the issuer is checked here.
 */
export const decisionsApp = createApp<GateEnv>()
  .get('/decisions', async (c) => {
    const page = await readBy(c, LIST, async (audit, query) => {
      const list = await audit.list(query)
      if (list.decisions.length + (list.cursor ?? query.cursor ?? '').length === 0) {
        mustHaveNames(c, query.filters, INVALID)
        mustHaveNames(c, { issuer: query.on?.issuer }, INVALID, 'on_')
      }
      return list
    })
    return c.req.header('accept')?.includes(NDJSON) ? lines(c, page) : json(c, page)
  })
  .get('/decisions/:id', async (c) => {
    const found = await findDecision(c)
    const decision = objectOf(JSON.parse(found?.decision ?? '{}'))
    // The same denial for unknown records and for records of other issuers.
    if (!found || (ownIssuer(c) !== undefined && !isReached(c, own(decision, 'issuer')))) {
      return refuse(c, deny('decision_unknown'))
    }
    const then = ownIssuer(c) === undefined ? objectOf(JSON.parse(found.policy ?? '{}')) : {}
    const rule = ruleIn(then, own(decision, 'route'))
    const isWhole = queriesOf(c).policy?.[0] === 'true' && own(then, 'routes') !== undefined
    const today = await todayOf(c, decision)
    const { before } = found
    const policies = isWhole && { policy: then, ...(before && { before: JSON.parse(before) }) }
    return answer(c, { decision, ...(rule && { rule }), ...policies, today })
  })
  .post('/audit/erase', async (c) => {
    const issuer = ownIssuer(c)
    const given = { ...(issuer !== undefined && { issuer }), ...(await readAdminBody(c)) }
    const { cursor, ...named } = readValue(c, ERASURE, given, deny('erasure_invalid'))
    const person = { ...named, issuer: readIssuer(c, named.issuer, deny('erasure_invalid')) }
    if (!isReached(c, person.issuer)) refuse(c, deny('decision_reach'))
    const act = c.get('act')?.()
    const whose = { ...person, isOwn: issuer !== undefined }
    const call = async (audit: AuditReads) => {
      if (!act) throw new Error('no audit')
      return audit.erase(whose, act, cursor)
    }
    const { stoppedUntil, ...erased } = await ask(c, call, 'erasure_invalid')
    if (erased.records === 0 && !erased.cursor && stoppedUntil === undefined) {
      const filters = { issuer: person.issuer }
      const { decisions, cursor: more } = await ask(c, (audit) => audit.list({ filters, limit: 1 }))
      if (decisions.length === 0 && !more) mustHaveNames(c, filters, deny('erasure_invalid'))
    }
    const stopped = stoppedUntil !== undefined && {
      stopped_until: new Date(stoppedUntil).toISOString(),
    }
    return answer(c, { ...erased, ...stopped })
  })

/** The record that the path names by its id. Does not check the caller's reach. */
export async function findDecision(c: Admin) {
  const id = c.req.param('id') ?? ''
  c.set('read', ['id'])
  return ID.test(id) ? ask(c, (audit) => audit.get(id)) : undefined
}

type Query = DecisionQuery & UsageQuery

/** Reads the audit by the query of a request, within the caller's reach. If that fails, the request is refused. */
export async function readBy<Value>(
  c: Admin,
  schema: typeof LIST | typeof LIVE | typeof USAGE,
  call: (audit: AuditReads, query: Query) => Promise<Value>,
): Promise<Value> {
  const query = queryOf(c, schema)
  c.set('read', Object.keys(queriesOf(c)))
  return ask(c, async (audit) => call(audit, await query(audit)))
}

/**
 * Reads the query, within the caller's reach. Administrators of one issuer only ever get its decisions. An agent without
 * an issuer is asked for in the audit.
 */
const queryOf = (c: Admin, schema: typeof LIST | typeof LIVE | typeof USAGE) => {
  const {
    from,
    until,
    limit = 100,
    cursor,
    by = ['agent'],
    every,
    own: isOwn,
    agent: id,
    agent_name: name,
    on_agent: onId,
    on_agent_name: onName,
    on_issuer: onTable,
    ...filters
  }: v.InferOutput<typeof ANY> = readQuery(c, schema, INVALID)
  const issuer = readIssuer(c, filters.issuer, INVALID) ?? ownIssuer(c)
  if (ownIssuer(c) !== undefined && !isReached(c, issuer)) refuse(c, deny('decision_reach'))
  const onIssuer = readIssuer(c, onTable, INVALID, 'on_issuer')
  const on = { issuer: onIssuer, id: onId, name: onName }
  const isOnName = onName !== undefined && onIssuer === undefined && onId === undefined
  const onAgent = isOnName ? undefined : readId(c, on, INVALID, 'on_')
  if (!isOnName && (onAgent === undefined) !== (onIssuer === undefined)) {
    const path = onAgent === undefined ? 'on_agent' : 'on_issuer'
    const message = 'is missing: on_agent and on_issuer name an agent together'
    refuse(c, INVALID, { problems: [{ path, message }] })
  }
  const isNameless = issuer === undefined && (id === undefined) !== (name === undefined)
  const agent = isNameless ? undefined : readId(c, { issuer, id, name }, INVALID)
  const found =
    (audit: AuditReads, asked: (one: AgentKey) => Pick<Query, 'filters' | 'on'>) =>
    async (one: AgentKey) => {
      const { decisions, cursor: more } = await audit.list({ ...asked(one), limit: 1 })
      return decisions.length > 0 || more !== undefined
    }
  return async (audit: AuditReads) => {
    const isThere = found(audit, (one) => ({ filters: { ...one } }))
    const isHit = found(audit, (one) => ({ filters: {}, on: one }))
    return {
      filters: {
        ...filters,
        ...(issuer !== undefined && { issuer }),
        ...(agent !== undefined && { agent }),
        ...(isNameless && (await readAgent(c, { id, name }, INVALID, isThere, schema === LIVE))),
      },
      limit,
      by,
      ...(onAgent !== undefined && { on: { agent: onAgent, issuer: onIssuer } }),
      ...(isOnName && { on: await readAgent(c, { name: onName }, INVALID, isHit, false, 'on_') }),
      ...(isOwn === 'false' && { withoutOwn: c.get('policy').gate.prefix }),
      ...(every !== undefined && { every: SPANS[every] }),
      ...(from !== undefined && { from }),
      ...(until !== undefined && { until }),
      ...(cursor !== undefined && { cursor }),
    } as Query
  }
}

/** Asks the audit. If that fails, the request is refused; with the code `invalid`, if its cursor is wrong. */
const ask = <Value>(
  c: Admin,
  call: (audit: AuditReads) => Promise<Value>,
  invalid: keyof typeof deny.rows = 'decision_query_invalid',
): Promise<Value> => {
  const { audit } = controlOf(c)
  return called(
    c,
    async () => {
      if (!audit) throw new Error('AUDIT_LOG is not bound')
      return call(audit)
    },
    (error) =>
      error instanceof RangeError
        ? deny(invalid)
        : deny('audit_unavailable', { error: String(error) }),
  )
}

/** The records that were not stored, as the caller may see them. */
export function gapsOf(c: Admin, dropped: readonly Dropped[]): readonly JsonObject[] {
  const mine = ownIssuer(c)
  return dropped.flatMap(({ reason, share, issuer, since, until, records }) => {
    const isSeen = share === 'issuers' && (issuer === undefined || issuer === mine)
    if (mine !== undefined && !isSeen) return []
    const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() }
    // A count without an issuer is of all issuers together.
    const isCounted = mine === undefined || issuer === mine
    return { reason, share, issuer, ...times, ...(isCounted && { records }) }
  })
}

const json = (c: Admin, { decisions, dropped, cursor }: DecisionPage): Response => {
  const gaps = gapsOf(c, dropped)
  const more = JSON.stringify({ ...(gaps.length > 0 && { dropped: gaps }), cursor })
  // The records are already JSON text.
  return c.body(
    `{"decisions":[${decisions.join(',')}]${more === '{}' ? '' : `,${more.slice(1, -1)}`}}`,
    200,
    { 'cache-control': 'no-store', 'content-type': 'application/json' },
  )
}

/** One record a line, then one line for each gap. The address of the next page is in `Link` (RFC 8288). */
const lines = (c: Admin, { decisions, dropped, cursor }: DecisionPage): Response => {
  const query = new URLSearchParams()
  for (const [name, [value = '']] of Object.entries(queriesOf(c))) query.set(name, value)
  if (cursor !== undefined) query.set('cursor', cursor)
  const path = `${c.get('policy').gate.prefix}/decisions?${query}`
  const gaps = gapsOf(c, dropped).map((gap) => JSON.stringify({ kind: 'dropped', ...gap }))
  return c.body([...decisions, ...gaps].map((one) => `${one}\n`).join(''), 200, {
    'cache-control': 'no-store',
    'content-type': NDJSON,
    ...(cursor !== undefined && { link: `<${path}>; rel="next"` }),
  })
}
