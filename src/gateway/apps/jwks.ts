import type { Handler } from 'hono'
import { signingDenials } from '../../assertion/stage.ts'
import type { GateEnv } from './context.ts'

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
