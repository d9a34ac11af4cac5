import { pollEvents } from './control/events/poll.ts'
import { type ControlEnv, controlPorts } from './control/ports.ts'
import { gateway } from './gate/app/gateway.ts'
import {
  flushAudit,
  onceLoaded,
  openAhead,
  openGate,
  refreshKeys,
} from './gate/app/workerd/open.ts'
import { STOP } from './gate/platform/system.ts'

export { AgentRegistry } from './control/agents/object.ts'
export { AuditLog } from './control/audit/object.ts'
export { ApprovalStore } from './gate/approvals/object/object.ts'
export { AssertionKeyService } from './gate/assertion/object.ts'
export { KeyService } from './gate/keys/object.ts'
export { RateLimiter } from './gate/limit/object.ts'
export { ReplayShard } from './gate/replay/object.ts'
export { RevocationShard } from './gate/revocation/object/object.ts'

/** What the cron trigger does. One part does not wait for another. */
const ahead = async (env: ControlEnv): Promise<void> => {
  const { policy, ports } = openAhead(env, controlPorts)
  const report = controlPorts(env, policy).audit?.report
  const polled = policy && pollEvents(policy, { ...ports, ...(report && { report }) })
  await Promise.all([refreshKeys(env), polled])
}

/** The Worker: `fetch` runs the gateway, `scheduled` renews keys ahead of requests and polls for security events. */
export default {
  fetch: (request, env) =>
    onceLoaded(env, () => gateway(request, openGate(request, env, controlPorts))),
  scheduled: ({ cron }, env) => (cron === STOP ? flushAudit() : onceLoaded(env, () => ahead(env))),
} satisfies ExportedHandler<ControlEnv>
