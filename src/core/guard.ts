import { signing } from '../assertion/stage.ts'
import { limit } from '../limit/stage.ts'
import { mcpAccess } from '../mcp/access.ts'
import { replay } from '../replay/stage.ts'
import { holding, revocationPrecheck } from '../revocation/precheck.ts'
import { revocation } from '../revocation/stage.ts'
import { holdsAt } from './admission.ts'
import { chain, type Step } from './chain.ts'
import type { Denial } from './denial.ts'
import { LIMITS } from './limits.ts'
import type { Connection } from './model/connection.ts'
import type { Sessions } from './model/mcp.ts'
import type { Policy } from './model/policy.ts'
import type {
  Clock,
  KeySource,
  Limits,
  ReplayStore,
  Revocations,
  SigningKeys,
  TokenMemory,
} from './model/ports.ts'
import type { RequestHead } from './request.ts'
import type { Room, Rooms } from './room.ts'
import { address } from './stages/address.ts'
import { agent, workflow } from './stages/agent.ts'
import { authentication } from './stages/authentication.ts'
import { authorizationDetails } from './stages/authorization-details.ts'
import { claims } from './stages/claims.ts'
import { condition, useCondition } from './stages/condition.ts'
import { credential } from './stages/credential.ts'
import { delegation } from './stages/delegation.ts'
import { issuer } from './stages/issuer.ts'
import { operation } from './stages/operation.ts'
import { possession } from './stages/possession.ts'
import { route } from './stages/route.ts'
import { scope, useScope } from './stages/scope.ts'
import { signature } from './stages/signature.ts'

/** What the line is given. */
export interface Given {
  readonly request: RequestHead
  readonly policy: Policy
  /** The address of who sent the request, where it is known. Nothing is allowed because of it. */
  readonly caller?: string | undefined
  /** What the platform knows of how it came. */
  readonly connection?: Connection | undefined
  /** Opens the room that its body is held in. */
  readonly hold: (owner: string) => Room
}

/** The line every request walks: local before remote, pure before stateful, the body after the head, spending last. */
export const GUARD = chain<Given>()
  .and(route)
  .and(address)
  .and(credential)
  .and(issuer)
  .and(signature)
  .by('policy', 'route', 'deciding', 'credential', 'issuer', 'token')
  .once(claims)
  .and(possession)
  .once(delegation)
  .once(agent)
  .and(workflow)
  .once(scope)
  .once(authorizationDetails)
  .once(authentication)
  .admitted()
  .and(condition)
  .and(holding)
  .and(operation)
  .and(mcpAccess)
  .and(useScope)
  .and(useCondition)
  .and(signing)
  .and(revocationPrecheck)
  .and(replay)
  .and(limit)
  .and(revocation)

/** What the stages of the line reach the world through. */
export interface GuardPorts {
  readonly clock: Clock
  readonly keys: KeySource
  readonly tokens: TokenMemory
  readonly revocations: Revocations
  readonly limits: Limits
  readonly replays: ReplayStore
  readonly signingKeys: Pick<SigningKeys, 'signing'>
  readonly sessions: Sessions
  /** What bodies are held in, by the issuer and id of the agent. */
  readonly bodies: Rooms
  /** Told of an error that a stage did not expect; the request is denied. Must not throw. */
  readonly onError: (stage: string, error: unknown) => void
}

type LineRun = Awaited<ReturnType<typeof GUARD.run>>

/**
 * What the line decided, with everything it established. `passed`: an agent may go on. `ended`:
 * the request goes on without an identity (public route, preflight). `denied`: it does not, but
 * see {@link refusalOf}.
 */
export type Decision = LineRun & {
  /** Every step, under a policy with `errors = "detailed"`. */
  readonly steps?: readonly Step[]
  /** What the answer to the request is given out with. */
  readonly ports: AnswerPorts
  /** The session of an MCP server that was sealed for its answer. */
  sealed?: string
}
/** What whoever answers reaches the world through. */
export type AnswerPorts = Pick<GuardPorts, 'clock' | 'revocations' | 'bodies' | 'sessions'>
export type Passed = Extract<Decision, { readonly outcome: 'passed' }>
export type Facts = Passed['known']
/** The facts that are the same for every request of an admission. How a token is proven follows from the token. */
export type Admitted = Facts['admission']['facts'] & Pick<Facts, 'possession'>

/** What a guard may be told beside the request. */
export interface GuardContext {
  /** The address of who sent it, so that one caller's unknown keys are held against that one. */
  readonly caller?: string | undefined
  /** What the platform knows of how it came, for the conditions of rules; never from its headers. */
  readonly connection?: Connection | undefined
  /** Told of each step. */
  readonly trace?: ((step: Step) => void) | undefined
}

/** Decides requests under one policy. */
export interface Guard {
  /**
   * Decides one request. Its body is read only where the origin is told its digest or an MCP server stands
   * behind the rule, and is then in `known.held`; an MCP server must be sent that and nothing else.
   */
  (request: RequestHead, around?: GuardContext): Promise<Decision>
  readonly policy: Policy
}

const NOTHING: GuardContext = {}

/** A guard over a policy and its ports. Forwards nothing and writes nothing but token memory. */
export function createGuard(policy: Policy, ports: GuardPorts): Guard {
  const { onError } = ports
  const now = () => ports.clock.now()
  const recall = recalling(ports)
  const decide = async (
    request: RequestHead,
    { caller, connection, trace: asked }: GuardContext = NOTHING,
  ): Promise<Decision> => {
    const steps: Step[] | undefined = policy.gate.errors === 'detailed' ? [] : undefined
    const trace = (step: Step) => {
      steps?.push(step)
      asked?.(step)
    }
    let room: Room | undefined
    const hold = (owner: string) => {
      room = ports.bodies.open(owner, LIMITS.bodyReadMs + LIMITS.heldSlackMs)
      return room
    }
    const isTraced = steps !== undefined || asked !== undefined
    const watch = { now, onError, trace: isTraced ? trace : undefined }
    const given = { request, policy, caller, connection, hold }
    const decision = await GUARD.run(given, ports, watch, isTraced ? undefined : recall)
    // A caller that forwards the body opens a room of its own.
    room?.leave()
    if (decision.outcome === 'passed') remember(decision.known, ports)
    return steps
      ? { ...decision, ports, steps: redactSteps(decision, steps) }
      : Object.assign(decision, { ports })
  }
  return Object.assign(decide, { policy })
}

/**
 * The steps of a decision as they may be told to whoever sent or holds the token: of an encrypted
 * one, which they may not be able to read, without what was found in it.
 */
export function redactSteps(
  { known }: Pick<Decision, 'known'>,
  steps: readonly Step[],
): readonly Step[] {
  return known.credential?.opened ? steps.map((step) => ({ ...step, detail: {} })) : steps
}

/** The admission that is remembered for a token, where its key and the policy are still the same. */
const recalling =
  ({ clock }: GuardPorts) =>
  ({ policy, route, deciding, token, remembered }: Partial<Facts>) => {
    if (!route || !deciding) return undefined
    const admission = remembered?.admissions.get(route)?.get(valuesOf(deciding))
    if (!admission || !holdsAt(admission, clock.now())) return undefined
    const known = admission as Facts['admission']
    return known.facts.policy === policy && known.facts.token === token ? known : undefined
  }

/** The values as one key. Those of a canonical path have no line break. */
const valuesOf = (deciding: Facts['deciding']): string =>
  deciding.size === 0 ? '' : [...deciding.values()].join('\n')

/** Remembers a token that passed the whole line. A token that failed takes no place. */
const remember = (facts: Facts, { tokens, keys }: GuardPorts): void => {
  const { credential, token, access, issuer, caller, route, deciding, admission, remembered } =
    facts
  // For each request, since many callers may send one token.
  keys.recordSuccess?.(issuer, caller)
  const values = valuesOf(deciding)
  if (remembered?.admissions.get(route)?.get(values) === admission) return
  // `Bearer` and its spaces can be written in 1,024 ways, and each would take a place of its own.
  if (credential.authorization !== `${credential.scheme} ${credential.token}`) return
  tokens.keep({ credential, token, route, values, admission }, access.expires)
}

/**
 * Why a request must not go on; `undefined` where it may: because it is allowed, or because its
 * route is in shadow mode, where a request that would be denied goes on without an identity.
 */
export function refusalOf(decision: LineRun): Denial | undefined {
  return decision.outcome === 'denied' && decision.known.route?.mode !== 'shadow'
    ? decision.denial
    : undefined
}
