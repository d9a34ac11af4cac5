import type { Context, Handler } from 'hono'
import { signingDenials } from '../../assertion/stage.ts'
import { ADMIN_SCOPE_PREFIX } from '../../core/model/scope.ts'
import { showPolicy } from '../../policy/show.ts'
import { type GateEnv, isReached, ownIssuer } from './context.ts'

/** Seconds a copy may be kept: a new key is published for an hour before it signs. */
const MAX_AGE = 300

/**
 * `GET /jwks.json`: the public keys that assertions verify by (RFC 7517 §5); none where the gate signs
 * nothing. Anyone may read it.
 */
export const jwks: Handler<GateEnv> = async (c) => {
  const { signingKeys } = c.get('ports')
  try {
    const keys = await signingKeys.published()
    return c.json({ keys }, 200, {
      'Cache-Control': `public, max-age=${MAX_AGE}`,
      'Content-Type': 'application/jwk-set+json',
      'Access-Control-Allow-Origin': '*',
    })
  } catch (error) {
    return c.get('deny')(signingDenials('assertion_unavailable', { error: String(error) }))
  }
}

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

/**
 * `GET /policy`: the policy that this isolate decides by, without secrets, within the caller's
 * reach. Relies on the line before it for who calls and with which scope.
 */
export const policyInForce: Handler<GateEnv> = (c) =>
  c.json(showPolicy(c.get('policy'), ownIssuer(c)), 200, { 'Cache-Control': 'no-store' })
