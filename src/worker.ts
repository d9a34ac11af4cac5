import type { Env } from './adapters/env.ts'
import { openGate } from './adapters/open.ts'
import { gateway } from './apps/gateway.ts'

export { RevocationShard } from './adapters/revocation-shard.ts'

/** The Worker: one request, its environment opened, through the gateway. */
export default {
  fetch: (request, env, ctx) => gateway.fetch(request, openGate(request, env), ctx),
} satisfies ExportedHandler<Env>
