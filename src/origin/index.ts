import type { VerifiedAgent } from './claims.ts'
import { AgentError } from './errors.ts'
import { createGateKeys, type GateKeys } from './keys.ts'
import { type Settings, settingsOf, type VerifyOptions } from './options.ts'
import type { AgentRequest } from './request.ts'
import { type RequestExtras, verify } from './verify.ts'

export type { AssertionBinding } from '../core/model/assertion.ts'
export type { VerifiedAgent } from './claims.ts'
export { AgentError, type AgentErrorCode, type Problem, problemOf, refusal } from './errors.ts'
export type { KeyFetch, KeyRequestInit } from './key-document.ts'
export type { VerifyOptions } from './options.ts'
export { createProcessReplays, type Replays } from './replays.ts'
export type { AgentHeaders, AgentRequest } from './request.ts'
export type { RequestExtras } from './verify.ts'

/** Verifies one request after the other. Rejects with an {@link AgentError}, and with nothing else. */
export type AgentVerifier = (
  request: AgentRequest,
  extras?: RequestExtras,
) => Promise<VerifiedAgent>

/**
 * A verifier with keys of its own, made once and used for every request; see {@link verifyAgent}.
 * Throws a `TypeError` for options that make no sense.
 */
export function createAgentVerifier(options: VerifyOptions): AgentVerifier {
  const settings = settingsOf(options)
  const keys = createGateKeys(settings.jwksUri, settings.algorithms)
  return (request, extras = {}) => verify(request, settings, keys, extras)
}

/**
 * Who is calling, by the gate's signed assertion: signature, gate, audience and time, method and
 * path against its route, and what it is bound to. The plain identity headers prove nothing and are
 * not read, but where they name another agent the request is refused. Does not check scopes, nor, for
 * an `identity` assertion, that this very request was sent by the gate. Rejects with an
 * {@link AgentError}, or with a `TypeError` for options that make no sense. Keys are kept per
 * address, for all calls of the process.
 */
export async function verifyAgent(
  request: AgentRequest,
  options: VerifyOptions & RequestExtras,
): Promise<VerifiedAgent> {
  const settings = settingsOf(options)
  return verify(request, settings, sharedKeys(settings), options)
}

/** Gates whose keys are kept: an origin has one or two. */
const MOST_GATES = 16

const shared = new Map<string, GateKeys>()

const sharedKeys = ({ jwksUri, algorithms }: Settings): GateKeys => {
  const name = JSON.stringify([jwksUri, algorithms])
  const keys = shared.get(name) ?? createGateKeys(jwksUri, algorithms)
  // In again, so that the one that goes is the one that was not used for longest.
  shared.delete(name)
  shared.set(name, keys)
  const oldest = shared.size > MOST_GATES ? shared.keys().next().value : undefined
  if (oldest !== undefined) shared.delete(oldest)
  return keys
}

/**
 * Throws `scope_missing` (403) unless the agent's token has all of these scopes: those it has, not
 * only those that the gate's rule needed. Compared as they are; nothing includes another.
 */
export function requireScope(
  { scopes }: VerifiedAgent,
  ...needed: readonly [string, ...string[]]
): void {
  const missing = needed.filter((scope) => !scopes.includes(scope))
  if (missing.length > 0) throw new AgentError('scope_missing', { detail: missing.join(' ') })
}
