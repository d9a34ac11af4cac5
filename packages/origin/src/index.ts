import type { VerifiedAgent } from './claims.ts'
import { AgentError } from './errors.ts'
import { createGateKeys, type GateKeys } from './keys.ts'
import { type Settings, settingsOf, type VerifyOptions } from './options.ts'
import type { AgentRequest } from './request.ts'
import { type RequestExtras, verify } from './verify.ts'

export type { AssertionBinding } from '../../../src/gate/model/assertion.ts'
export type { VerifiedAgent } from './claims.ts'
export { AgentError, type AgentErrorCode, type Problem, problemOf, refusal } from './errors.ts'
export type { KeyFetch, KeyRequestInit } from './keys.ts'
export type { VerifyOptions } from './options.ts'
export { createProcessReplays, type Replays } from './replays.ts'
export type { AgentHeaders, AgentRequest } from './request.ts'
export type { RequestExtras } from './verify.ts'

/** Verifies requests. Rejects only with an {@link AgentError}. */
export type AgentVerifier = (
  request: AgentRequest,
  extras?: RequestExtras,
) => Promise<VerifiedAgent>

/**
 * Creates a verifier with its own key cache, for all requests; see {@link verifyAgent}. Throws a
 * `TypeError` for invalid options.
 * @example
 * ```ts
 * import { createAgentVerifier, refusal } from 'edgewarden-origin'
 *
 * const verify = createAgentVerifier({
 *   gate: 'https://api.example.com',
 *   audience: 'https://origin.example.com',
 * })
 * export const handle = (request: Request) =>
 *   verify(request).then((agent) => Response.json({ by: agent.id }), refusal)
 * ```
 */
export function createAgentVerifier(options: VerifyOptions): AgentVerifier {
  const settings = settingsOf(options)
  const keys = createGateKeys(settings.jwksUri, settings.algorithms)
  return (request, extras = {}) => verify(request, settings, keys, extras)
}

/**
 * Verifies the gate's signed assertion and returns the agent. Checks signature, gate, audience,
 * time, route, host and binding. Refuses requests whose plain identity headers name another agent.
 * Does not check scopes, nor, for an `identity` assertion, that the gate sent this very request.
 * Rejects with an {@link AgentError}, or a `TypeError` for invalid options. Keys are cached per
 * address, for the whole process.
 * @example
 * ```ts
 * import { verifyAgent } from 'edgewarden-origin'
 *
 * const options = { gate: 'https://api.example.com', audience: 'https://origin.example.com' }
 * export async function handle(request: Request) {
 *   const agent = await verifyAgent(request, options)
 *   return Response.json({ by: agent.id, scopes: agent.scopes })
 * }
 * ```
 */
export async function verifyAgent(
  request: AgentRequest,
  options: VerifyOptions & RequestExtras,
): Promise<VerifiedAgent> {
  const settings = settingsOf(options)
  return verify(request, settings, sharedKeys(settings), options)
}

/** The most key sets kept; an origin usually has one or two gates. */
const MOST_GATES = 16

const shared = new Map<string, GateKeys>()

const sharedKeys = ({ jwksUri, algorithms }: Settings): GateKeys => {
  const name = JSON.stringify([jwksUri, algorithms])
  const keys = shared.get(name) ?? createGateKeys(jwksUri, algorithms)
  // Inserted again, so that the least recently used one is evicted.
  shared.delete(name)
  shared.set(name, keys)
  const oldest = shared.size > MOST_GATES ? shared.keys().next().value : undefined
  if (oldest !== undefined) shared.delete(oldest)
  return keys
}

/**
 * Throws `scope_missing` (403) unless the token has all these scopes, whether or not the gate's
 * rule required them. Scopes are compared exactly; none includes another.
 * @example
 * ```ts
 * import { requireScope, type VerifiedAgent } from 'edgewarden-origin'
 *
 * export function readNote(agent: VerifiedAgent) {
 *   requireScope(agent, 'notes:read')
 *   return { text: 'a note' }
 * }
 * ```
 */
export function requireScope(
  { scopes }: VerifiedAgent,
  ...needed: readonly [string, ...string[]]
): void {
  const missing = needed.filter((scope) => !scopes.includes(scope))
  if (missing.length > 0) throw new AgentError('scope_missing', { detail: missing.join(' ') })
}
