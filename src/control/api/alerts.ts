import * as v from 'valibot'
import { createApp } from '../../gate/app/app.ts'
import {
  type Admin,
  answer,
  callerName,
  type GateEnv,
  isReached,
  ownIssuer,
  refuse,
} from '../../gate/app/context.ts'
import { mustHaveNames, readIssuer } from '../../gate/app/names.ts'
import {
  BAD_CURSOR,
  queryLimit,
  queryNumber,
  queryText,
  readQuery,
  strict,
  withName,
} from '../../gate/app/request.ts'
import { mustReach, shardsOf } from '../../gate/app/revocations.ts'
import { denials } from '../../gate/base/denial.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import type { Alert, Verdict } from '../../gate/model/watch.ts'
import { agentDenials, askAgents, mustNotBeCaller } from './agents.ts'

export const alertDenials = denials({
  alert_unknown: [
    'notFound',
    'There is no such alert, or this token may not see it',
    'The alert may be older than the gate keeps; list the alerts to see which there are',
  ],
})

const NUMBER = /^[1-9]\d{0,14}$/
const QUERY = strict({
  issuer: v.exactOptional(queryText),
  open: v.exactOptional(
    v.pipe(
      v.picklist(['true', 'false'], 'must be true or false'),
      v.transform((text) => text === 'true'),
    ),
  ),
  limit: v.exactOptional(queryLimit),
  cursor: v.exactOptional(queryNumber(NUMBER, BAD_CURSOR)),
})

/**
 * Alerts of the watch: lists and shows those of the caller's issuers, and records what a person decides on one. The
 * guard has checked token and scope; only the issuer is checked here.
 */
export const alertsApp = createApp<GateEnv>()
  .get('/alerts', async (c) => {
    const invalid = agentDenials('agent_invalid')
    const { issuer: named, limit = 100, ...rest } = readQuery(c, QUERY, invalid)
    const issuer = readIssuer(c, named, invalid) ?? ownIssuer(c)
    mustReach(c, issuer)
    const asked = { ...rest, limit, ...(issuer !== undefined && { issuer }) }
    const { alerts, cursor } = await askAgents(c, (agents) => agents.alerts(asked))
    if (alerts.length === 0 && rest.cursor === undefined) mustHaveNames(c, { issuer }, invalid)
    const shown = alerts.map((alert) => presented(c, alert))
    return answer(c, { alerts: shown, ...(cursor !== undefined && { cursor: String(cursor) }) })
  })
  .get('/alerts/:id', async (c) => answerAlert(c, await find(c, c.req.param('id'))))
  .on('POST', ['/alerts/:id/dismiss', '/alerts/:id/release', '/alerts/:id/suspend'], async (c) => {
    const [id = '', verdict] = c.req.path.split('/').slice(-2)
    const issuer = ownIssuer(c)
    const judgement = {
      id: Number(id),
      verdict: verdict as Verdict,
      by: callerName(c),
      ...(issuer !== undefined && { issuer }),
    }
    const known = verdict === 'suspend' ? await find(c, id) : undefined
    if (known) mustNotBeCaller(c, known)
    const act = c.get('act')?.()
    const judged = await askAgents(c, async (agents) =>
      NUMBER.test(id) ? agents.judge(judgement, act) : undefined,
    )
    if (judged && 'refused' in judged) return refuse(c, agentDenials(judged.refused))
    const { alert, entry, shards } = judged ?? {}
    return answerAlert(c, alert, entry && shardsOf(shards))
  })

const find = (c: Admin, id: string): Promise<Alert | undefined> =>
  askAgents(c, async (agents) => (NUMBER.test(id) ? agents.alert(Number(id)) : undefined))

/** The same denial for unknown alerts and for alerts of other issuers. */
const answerAlert = (
  c: Admin,
  alert: Alert | undefined,
  more: ReturnType<typeof shardsOf> = {},
): Response =>
  alert && isReached(c, alert.issuer)
    ? answer(c, { alert: presented(c, alert), ...more }, more.pending ? 202 : 200)
    : refuse(c, alertDenials('alert_unknown'))

const iso = (time: number): string => new Date(time).toISOString()

const presented = (c: Admin, alert: Alert): JsonObject => {
  const { at, name: _, quarantine, verdict, ...rest } = alert
  return {
    ...withName(c.get('policy'), rest),
    at: iso(at),
    ...(quarantine && { quarantine: { ...quarantine, until: iso(quarantine.until) } }),
    ...(verdict && { verdict: verdict.is, judged: iso(verdict.at), judged_by: verdict.by }),
  }
}
