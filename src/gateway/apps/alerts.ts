import * as v from 'valibot'
import { denials } from '../../core/denial.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Alert, Verdict } from '../../core/model/watch.ts'
import { isOfCaller } from './agent-request.ts'
import { agentDenials, askAgents } from './agents.ts'
import { createApp } from './app.ts'
import { type Admin, callerName, type GateEnv, isReached, ownIssuer } from './context.ts'
import { prefixOf, queryLimit, queryText, readQuery, unknownKeys } from './revocation-request.ts'
import { revocationDenials, shardsOf } from './revocations.ts'

/** The denials of the endpoints of alerts. */
export const alertDenials = denials({
  alert_unknown: [
    'notFound',
    'There is no such alert, or this token may not see it',
    'The alert may be older than the gate keeps; list the alerts to see which there are',
  ],
})

const NUMBER = /^[1-9]\d{0,14}$/
const QUERY = v.strictObject(
  {
    issuer: v.exactOptional(queryText),
    open: v.exactOptional(
      v.pipe(
        v.picklist(['true', 'false'], 'must be true or false'),
        v.transform((text) => text === 'true'),
      ),
    ),
    limit: v.exactOptional(queryLimit),
    cursor: v.exactOptional(
      v.pipe(
        v.string(),
        v.regex(NUMBER, 'must be the cursor of an earlier page'),
        v.transform(Number),
      ),
    ),
  },
  unknownKeys,
)

const NO_STORE = { 'cache-control': 'no-store' }

/**
 * Alerts of the watch: lists and shows those of the caller's issuers, and records what a person decides on one. The
 * guard has checked token and scope; only the issuer is checked here.
 */
export const alertsApp = createApp<GateEnv>()
  .get('/alerts', async (c) => {
    const query = readQuery(QUERY, c.req.queries())
    if (!query.ok) return c.get('deny')(agentDenials('agent_invalid'), { problems: query.reason })
    const { issuer = ownIssuer(c), limit = 100, ...rest } = query.value
    if (issuer !== undefined && !isReached(c, issuer)) {
      return c.get('deny')(revocationDenials('admin_reach'))
    }
    const asked = { ...rest, limit, ...(issuer !== undefined && { issuer }) }
    const page = await askAgents(c, (agents) => agents.alerts(asked))
    if (!page.ok) return page.reason
    const { alerts, cursor } = page.value
    const shown = alerts.map((alert) => presented(c, alert))
    const next = cursor !== undefined && { cursor: String(cursor) }
    return c.json({ alerts: shown, ...next }, 200, NO_STORE)
  })
  .get('/alerts/:id', async (c) => {
    const id = c.req.param('id')
    const found = await askAgents(c, async (agents) =>
      NUMBER.test(id) ? agents.alert(Number(id)) : undefined,
    )
    return found.ok ? answer(c, found.value) : found.reason
  })
  .on('POST', ['/alerts/:id/dismiss', '/alerts/:id/release', '/alerts/:id/suspend'], async (c) => {
    const [id = '', verdict] = c.req.path.split('/').slice(-2)
    const issuer = ownIssuer(c)
    const judgement = {
      id: Number(id),
      verdict: verdict as Verdict,
      by: callerName(c),
      ...(issuer !== undefined && { issuer }),
    }
    if (verdict === 'suspend' && NUMBER.test(id)) {
      const known = await askAgents(c, (agents) => agents.alert(judgement.id))
      if (!known.ok) return known.reason
      if (known.value && isOfCaller(c, known.value)) {
        return c.get('deny')(revocationDenials('would_lock_out'))
      }
    }
    const act = c.get('act')?.()
    const judged = await askAgents(c, async (agents) =>
      NUMBER.test(id) ? agents.judge(judgement, act) : undefined,
    )
    if (!judged.ok) return judged.reason
    if (judged.value && 'refused' in judged.value) {
      return c.get('deny')(agentDenials(judged.value.refused))
    }
    const { alert, entry, shards } = judged.value ?? {}
    return answer(c, alert, entry && shardsOf(shards))
  })

/** The same denial for unknown alerts and those of other issuers. */
const answer = (
  c: Admin,
  alert: Alert | undefined,
  more: ReturnType<typeof shardsOf> = {},
): Response =>
  alert && isReached(c, alert.issuer)
    ? c.json({ alert: presented(c, alert), ...more }, more.pending ? 202 : 200, NO_STORE)
    : c.get('deny')(alertDenials('alert_unknown'))

const iso = (time: number): string => new Date(time).toISOString()

const presented = (c: Admin, alert: Alert): JsonObject => {
  const { at, name: _, quarantine, verdict, ...rest } = alert
  const prefix = prefixOf(c.get('policy'), alert.issuer)
  return {
    ...rest,
    at: iso(at),
    ...(prefix !== '' && { agent_name: prefix + alert.agent }),
    ...(quarantine && { quarantine: { ...quarantine, until: iso(quarantine.until) } }),
    ...(verdict && { verdict: verdict.is, judged: iso(verdict.at), judged_by: verdict.by }),
  }
}
