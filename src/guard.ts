import { chain } from './base/chain.ts'
import type { Policy } from './model/policy.ts'
import type { Clock, KeySource, Revocations } from './model/ports.ts'
import { agent } from './stages/agent.ts'
import { claims } from './stages/claims.ts'
import { credential } from './stages/credential.ts'
import { delegation } from './stages/delegation.ts'
import { issuer } from './stages/issuer.ts'
import { operation } from './stages/operation.ts'
import { possession } from './stages/possession.ts'
import { route } from './stages/route.ts'
import { scope } from './stages/scope.ts'
import { signature } from './stages/signature.ts'
import { standing } from './stages/standing.ts'

/** The line every request walks: local before remote, pure before stateful, spending last. */
export const GUARD = chain<{ readonly request: Request; readonly policy: Policy }>()
  .and(route)
  .and(credential)
  .and(issuer)
  .and(signature)
  .and(claims)
  .and(possession)
  .and(delegation)
  .and(agent)
  .and(operation)
  .and(scope)
  .and(standing)

/** What the stages of the line reach the world through. */
export interface GuardPorts {
  readonly clock: Clock
  readonly keys: KeySource
  readonly revocations: Revocations
  /** Told of an error that a stage did not expect; the request is denied. Must not throw. */
  readonly onError: (stage: string, error: unknown) => void
}

/**
 * What the line decided, with everything it established and a step per stage. `passed`: an agent
 * may go on. `ended`: the request goes on without an identity (public route, preflight). `denied`:
 * it does not.
 */
export type Decision = Awaited<ReturnType<typeof GUARD.run>>
export type Passed = Extract<Decision, { outcome: 'passed' }>
export type Facts = Passed['known']

/** Decides one request under a policy. Forwards nothing and writes nothing. */
export const guard = (request: Request, policy: Policy, ports: GuardPorts): Promise<Decision> =>
  GUARD.run({ request, policy }, ports, { now: () => ports.clock.now(), onError: ports.onError })
