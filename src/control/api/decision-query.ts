import * as v from 'valibot'
import { type Admin, called, isReached, ownIssuer, refuse } from '../../gate/app/context.ts'
import { readAgent, readIssuer } from '../../gate/app/names.ts'
import {
  queriesOf,
  queryLimit,
  queryText,
  readId,
  readQuery,
  strict,
} from '../../gate/app/request.ts'
import { denials } from '../../gate/base/denial.ts'
import { dateTime } from '../../gate/base/duration.ts'
import type { AgentKey } from '../../gate/model/agents.ts'
import {
  type AuditReads,
  DECISION_FILTERS,
  type DecisionQuery,
  RECORD_KINDS,
  USAGE_BY,
  type UsageQuery,
} from '../../gate/model/audit.ts'
import { controlOf } from './ports.ts'

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
export const LIST = v.omit(ANY, ['by', 'every'])
const ON = ['on_agent', 'on_agent_name', 'on_issuer'] as const
export const LIVE = v.omit(LIST, ['until', 'limit', 'cursor', ...ON])
export const USAGE = v.omit(ANY, ['limit', 'cursor', ...ON])

type Query = DecisionQuery & UsageQuery

/** Reads the audit by the query of a request, within the caller's reach. If that fails, the request is refused. */
export async function readBy<Value>(
  c: Admin,
  schema: typeof LIST | typeof LIVE | typeof USAGE,
  call: (audit: AuditReads, query: Query) => Promise<Value>,
): Promise<Value> {
  const query = queryOf(c, schema)
  c.set('read', Object.keys(queriesOf(c)))
  return askAudit(c, async (audit) => call(audit, await query(audit)))
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
export function askAudit<Value>(
  c: Admin,
  call: (audit: AuditReads) => Promise<Value>,
  invalid: keyof typeof deny.rows = 'decision_query_invalid',
): Promise<Value> {
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
