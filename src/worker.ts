import { type ControlEnv, controlPorts } from './control/ports.ts'
import { gateway } from './gate/app/gateway.ts'
import { flushAudit, onceLoaded, openGate, refreshKeys } from './gate/app/workerd/open.ts'
import { STOP } from './gate/platform/system.ts'

export { AgentRegistry } from './control/agents/object.ts'
export { AuditLog } from './control/audit/object.ts'
export { ApprovalStore } from './gate/approvals/object/object.ts'
export { AssertionKeyService } from './gate/assertion/object.ts'
export { KeyService } from './gate/keys/object.ts'
export { RateLimiter } from './gate/limit/object.ts'
export { ReplayShard } from './gate/replay/object.ts'
export { RevocationShard } from './gate/revocation/object/object.ts'

/** The Worker: `fetch` runs the gateway, `scheduled` renews keys ahead of requests. */
export default {
  fetch: (request, env) =>
    onceLoaded(env, () => gateway(request, openGate(request, env, controlPorts))),
  scheduled: ({ cron }, env) =>
    cron === STOP ? flushAudit() : onceLoaded(env, () => refreshKeys(env)),
} satisfies ExportedHandler<ControlEnv>
