import { gateway } from './gateway/apps/gateway.ts'
import type { Env } from './gateway/platform/env.ts'
import { flushAudit, onceLoaded, openGate, refreshKeys } from './gateway/platform/open.ts'
import { STOP } from './platform/system.ts'

export { AgentRegistry } from './agents/object.ts'
export { AssertionKeeper } from './assertion/object.ts'
export { AuditLog } from './audit/object.ts'
export { KeyKeeper } from './keys/object.ts'
export { RateLimiter } from './limit/object.ts'
export { ReplayShard } from './replay/object.ts'
export { RevocationShard } from './revocation/object.ts'

/** The Worker: `fetch` runs the gateway, `scheduled` renews keys ahead of requests. */
export default {
  fetch: (request, env) => onceLoaded(env, () => gateway(request, openGate(request, env))),
  scheduled: ({ cron }, env) =>
    cron === STOP ? flushAudit() : onceLoaded(env, () => refreshKeys(env)),
} satisfies ExportedHandler<Env>
