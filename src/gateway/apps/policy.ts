import type { Handler } from 'hono'
import { showPolicy } from '../../policy/show.ts'
import type { GateEnv } from './context.ts'
import { ownIssuer } from './reach.ts'

/**
 * `GET /policy`: the policy that this isolate decides by, without secrets, within the caller's
 * reach. Relies on the line before it for who calls and with which scope.
 */
export const policyInForce: Handler<GateEnv> = (c) =>
  c.json(showPolicy(c.get('policy'), ownIssuer(c)), 200, { 'Cache-Control': 'no-store' })
