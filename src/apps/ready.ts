import type { Handler } from 'hono'
import type { GateEnv } from './context.ts'

/**
 * Whether the gate can decide now: policy, keys and revocations at hand. Never fetches. Details
 * per issuer only for a caller whose token was read (scope `edgewarden:read`).
 */
export const ready: Handler<GateEnv> = async (c) => {
  const { keys, revocations, issuers } = await c.get('ports').readiness()
  const ready = keys && revocations
  return c.json(
    {
      ready,
      checks: { policy: true, keys, revocations },
      ...(c.get('decision').outcome === 'passed' && { issuers }),
    },
    ready ? 200 : 503,
    { 'Cache-Control': 'no-store' },
  )
}
