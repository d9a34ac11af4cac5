import type { Handler } from 'hono'
import type { GateEnv } from './context.ts'
import { isReached } from './reach.ts'

/**
 * Whether anything the gate needs is known to be missing: policy, keys or revocations. Never
 * fetches, so keys nobody has asked for yet do not count against it. Details per issuer only for a
 * caller whose token was read (scope `edgewarden:read`), and only of issuers within its reach.
 */
export const ready: Handler<GateEnv> = async (c) => {
  const { keys, revocations, issuers } = await c.get('ports').readiness()
  const ready = keys && revocations
  return c.json(
    {
      ready,
      checks: { policy: true, keys, revocations },
      ...(c.get('decision').outcome === 'passed' && {
        issuers: issuers.filter(({ issuer }) => isReached(c, issuer)),
      }),
    },
    ready ? 200 : 503,
    { 'Cache-Control': 'no-store' },
  )
}
