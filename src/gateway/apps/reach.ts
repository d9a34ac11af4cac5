import type { Context } from 'hono'
import type { GateEnv } from './context.ts'

const reachOf = (c: Context<GateEnv>) =>
  c.get('policy').issuers.get(c.get('access').issuer)?.admin ?? false

/**
 * Whether the caller may administer what belongs to an issuer. Does not judge whether there is such
 * an issuer, nor the caller's scopes.
 */
export function isReached(c: Context<GateEnv>, issuer: unknown): boolean {
  return reachOf(c) === 'all' || (reachOf(c) === 'own' && issuer === c.get('access').issuer)
}

/** The issuer a list is limited to where the caller names none; `undefined` is every issuer. */
export function ownIssuer(c: Context<GateEnv>): string | undefined {
  return reachOf(c) === 'all' ? undefined : c.get('access').issuer
}
