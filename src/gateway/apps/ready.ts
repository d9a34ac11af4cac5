import type { Context, Handler } from 'hono'
import { ADMIN_SCOPE_PREFIX } from '../../core/model/scope.ts'
import type { GateEnv } from './context.ts'
import { isReached } from './reach.ts'

const DETAILS = `${ADMIN_SCOPE_PREFIX}read`

/**
 * Whether anything the gate needs is known to be missing: policy, keys or revocations. Never
 * fetches, so keys nobody has asked for yet do not count against it. Details per issuer only for a
 * caller whose token was read and has the scope `edgewarden:read`, and only of issuers within its
 * reach; a good token without it is told what everybody is.
 */
export const ready: Handler<GateEnv> = async (c) => {
  const { keys, revocations, issuers } = await c.get('ports').readiness()
  const ready = keys && revocations
  return c.json(
    {
      ready,
      checks: { policy: true, keys, revocations },
      ...(seesDetails(c) && { issuers: issuers.filter(({ issuer }) => isReached(c, issuer)) }),
    },
    ready ? 200 : 503,
    { 'Cache-Control': 'no-store' },
  )
}

const seesDetails = (c: Context<GateEnv>): boolean => {
  if (c.get('decision').outcome !== 'passed') return false
  const { scopes } = c.get('access')
  return c
    .get('policy')
    .includedBy(DETAILS)
    .some((scope) => scopes.includes(scope))
}
