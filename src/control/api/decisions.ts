import * as v from 'valibot'
import { createApp } from '../../gate/app/app.ts'
import {
  type Admin,
  answer,
  type GateEnv,
  isReached,
  ownIssuer,
  refuse,
} from '../../gate/app/context.ts'
import { mustHaveNames, readIssuer } from '../../gate/app/names.ts'
import { queriesOf, queryText, readAdminBody, readValue, strict } from '../../gate/app/request.ts'
import { type JsonObject, objectOf, own } from '../../gate/base/json.ts'
import type { AuditReads, DecisionPage, Dropped } from '../../gate/model/audit.ts'
import { askAudit, decisionDenials as deny, INVALID, LIST, readBy } from './decision-query.ts'
import { ruleIn, todayOf } from './today.ts'

/** The id of a record: a UUID. */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const NDJSON = 'application/x-ndjson'

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
    const { stoppedUntil, ...erased } = await askAudit(c, call, 'erasure_invalid')
    if (erased.records === 0 && !erased.cursor && stoppedUntil === undefined) {
      const filters = { issuer: person.issuer }
      const { decisions, cursor: more } = await askAudit(c, (audit) =>
        audit.list({ filters, limit: 1 }),
      )
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
  return ID.test(id) ? askAudit(c, (audit) => audit.get(id)) : undefined
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
