import { OWN, type own } from '../../gate/app/gateway.ts'
import { agentsApp } from './agents.ts'
import { alertsApp } from './alerts.ts'
import { approvalsApp } from './approvals.ts'
import { auditReadsApp } from './audit-reads.ts'
import { decisionsApp } from './decisions.ts'
import { receiveEvent } from './events.ts'
import { metrics } from './metrics.ts'

/** Adds the endpoints of audit, registry, alerts and approvals to the gate's own. Call it once, before the first request. */
export function mountControl(app: typeof own): void {
  app.route(OWN, agentsApp)
  app.route(OWN, alertsApp)
  app.route(OWN, approvalsApp)
  app.route(OWN, auditReadsApp)
  app.route(OWN, decisionsApp)
  app.post(`${OWN}/events`, receiveEvent)
  app.get(`${OWN}/metrics`, metrics)
}
