import type { Env } from './adapters/env.ts'
import { openGate, refreshKeys } from './adapters/open.ts'
import { gateway } from './apps/gateway.ts'

export { AssertionKeeper } from './adapters/assertion-keeper.ts'
export { KeyKeeper } from './adapters/key-keeper.ts'
export { RateLimiter } from './adapters/rate-limiter.ts'
export { ReplayShard } from './adapters/replay-shard.ts'
export { RevocationShard } from './adapters/revocations/shard.ts'

/**
 * The Worker: one request, its environment opened, through the gateway; and keys renewed on time, so
 * that requests find them.
 */
export default {
  fetch: (request, env) => gateway(request, openGate(request, env)),
  scheduled: (_, env) => refreshKeys(env),
} satisfies ExportedHandler<Env>
