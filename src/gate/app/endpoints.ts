import { signingDenials } from '../guard/stages/assertion.ts'
import { ADMIN_SCOPE_PREFIX } from '../model/scope.ts'
import { showPolicy } from '../policy/show.ts'
import { type Admin, answer, called, holds, isReached, ownIssuer } from './context.ts'

/** Seconds of caching. A new key is published for an hour before it signs. */
const MAX_AGE = 300

/**
 * `GET /jwks.json`: the public keys of assertions and sent events (RFC 7517 §5); an empty list without either.
 * Public.
 */
export async function jwks(c: Admin): Promise<Response> {
  const keys = await called(
    c,
    async () => {
      const { signingKeys, eventKeys } = c.get('ports')
      // Origins need the keys of assertions also when those of events are not available.
      const ofEvents = async () => (await eventKeys?.published()) ?? []
      return [...(await signingKeys.published()), ...(await ofEvents().catch(() => []))]
    },
    (error) => signingDenials('assertion_unavailable', { error: String(error) }),
  )
  return c.json({ keys }, 200, {
    'Cache-Control': `public, max-age=${MAX_AGE}`,
    'Content-Type': 'application/jwk-set+json',
    'Access-Control-Allow-Origin': '*',
  })
}

const DETAILS = `${ADMIN_SCOPE_PREFIX}read`

/**
 * `GET /ready`: whether policy, keys and revocations are available. Fetches no keys; keys not
 * requested yet do not count as missing. Details per issuer need a verified token with the scope
 * `edgewarden:read`, and cover only issuers the caller may administer.
 */
export async function ready(c: Admin): Promise<Response> {
  const { keys, revocations, issuers } = await c.get('ports').readiness()
  const ready = keys && revocations
  const body = {
    ready,
    checks: { policy: true, keys, revocations },
    ...(seesDetails(c) && { issuers: issuers.filter(({ issuer }) => isReached(c, issuer)) }),
  }
  return answer(c, body, ready ? 200 : 503)
}

const seesDetails = (c: Admin): boolean =>
  c.get('decision').outcome === 'passed' && holds(c, DETAILS)

/**
 * `GET /policy`: the policy in force, without secrets, limited to the caller's issuers. The guard has checked token
 * and scope.
 */
export function policyInForce(c: Admin): Response {
  return answer(c, showPolicy(c.get('policy'), ownIssuer(c)))
}
