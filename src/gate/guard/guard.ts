import { holdsAt } from '../base/admission.ts'
import { chain, type Step } from '../base/chain.ts'
import type { Denial } from '../base/denial.ts'
import type { InFlight } from '../base/in-flight.ts'
import { LIMITS } from '../base/limits.ts'
import type { RequestHead } from '../base/request.ts'
import type { Room, Rooms } from '../base/room.ts'
import type { LineFacts } from '../model/facts.ts'
import type { Sessions } from '../model/mcp.ts'
import type { Policy } from '../model/policy.ts'
import type {
  Clock,
  KeySource,
  Limits,
  Nonces,
  ReplayStore,
  Revocations,
  SigningKeys,
  TokenMemory,
} from '../model/ports.ts'
import { credentialText } from '../model/token.ts'
import type { Renew } from './checks/renewal.ts'
import { address } from './stages/address.ts'
import { agent, workflow } from './stages/agent.ts'
import { agenticJwt } from './stages/agentic-jwt.ts'
import { type ApprovalPorts, approval, approvalTake, type Waiting } from './stages/approval.ts'
import { approvalNeed } from './stages/approval-need.ts'
import { signing } from './stages/assertion.ts'
import { authentication } from './stages/authentication.ts'
import { authorizationDetails } from './stages/authorization-details.ts'
import { claims } from './stages/claims.ts'
import { condition, useCondition } from './stages/condition.ts'
import { credential } from './stages/credential.ts'
import { delegation } from './stages/delegation.ts'
import { inFlight } from './stages/in-flight.ts'
import { issuer } from './stages/issuer.ts'
import { limit, limitPrecheck } from './stages/limit.ts'
import { mcpAccess } from './stages/mcp-access.ts'
import { operation } from './stages/operation.ts'
import { possession } from './stages/possession.ts'
import { holding, revocationPrecheck } from './stages/precheck.ts'
import { replay } from './stages/replay.ts'
import { revocation } from './stages/revocation.ts'
import { route } from './stages/route.ts'
import { scope, useScope } from './stages/scope.ts'
import { signature } from './stages/signature.ts'

/** The facts that the line of stages starts with. */
export interface Given extends Pick<LineFacts, 'request' | 'policy' | 'caller' | 'connection'> {
  /** Opens the room that counts the buffered body, and leaves the one before. `ms`: for how long it counts at most. */
  readonly hold: (owner: string, ms?: number) => Room
  /** Counts the request among those in progress; absent where its end is not followed. */
  readonly counts: InFlight | undefined
  /** Called when the request begins to wait for a person. */
  readonly onWait: ((waiting: Waiting) => void) | undefined
}

/** The line of every request: local before remote, pure before stateful, head before body; spending comes last. */
export const GUARD = chain<Given>()
  .and(route)
  .and(address)
  .and(credential)
  .and(issuer)
  .and(signature)
  .by('policy', 'route', 'deciding', 'credential', 'issuer', 'token')
  .once(claims)
  .once(agenticJwt)
  .and(possession)
  .once(delegation)
  .once(agent)
  .and(workflow)
  .once(scope)
  .once(authorizationDetails)
  .once(authentication)
  .admitted()
  .and(limitPrecheck)
  .and(inFlight)
  .and(condition)
  .and(holding)
  .and(operation)
  .and(mcpAccess)
  .and(useScope)
  .and(useCondition)
  .and(approvalNeed)
  .and(signing)
  .and(revocationPrecheck)
  .and(approval)
  .and(replay)
  .and(limit)
  .and(approvalTake)
  .and(revocation)

type LineRun = Awaited<ReturnType<typeof GUARD.run>>

/** The ports of all stages. */
export interface GuardPorts {
  readonly clock: Clock
  readonly keys: KeySource
  readonly tokens: TokenMemory
  readonly revocations: Revocations
  readonly limits: Limits
  readonly replays: ReplayStore
  /** Absent where nobody can be asked: then calls that need an approval are refused. */
  readonly approvals?: ApprovalPorts['approvals']
  readonly signingKeys: Pick<SigningKeys, 'signing'>
  readonly sessions: Sessions
  /** Nonces of DPoP proofs; only for `dpop_nonce`. */
  readonly nonces?: Nonces
  /** Rooms for buffered bodies, by the issuer and id of the agent. */
  readonly bodies: Rooms
  /** Requests in progress, by the issuer and id of the agent; absent where they are not counted. */
  readonly inFlight?: InFlight
  /** Called with an unexpected error of a stage; the request is denied. Must not throw. */
  readonly onError: (stage: string, error: unknown) => void
}

/**
 * The decision of the line, with all established facts. `passed`: the agent is allowed. `ended`: allowed without an
 * identity (public route, preflight). `denied`: refused, except in shadow mode: see {@link refusalOf}.
 */
export type Decision = LineRun & {
  /** Ports for writing the answer. */
  readonly ports: AnswerPorts
  /** The sealed session id that the answer of an MCP server contains. */
  sealed?: string
  /** The assertion that the origin was sent. */
  assertion?: string
  /** Whether the request's body has arrived whole; absent where the gate does not follow it. */
  isReceived?: () => boolean
  /** Ends the count of `in_flight`; call it at the end of the answer. Absent where nothing is counted. */
  leave?: (() => void) | undefined
  /** Set where the end of the answer's body calls `leave`. */
  isOpen?: boolean
  /** Called if the answer goes on after the token has expired; perhaps twice. */
  onLate?: () => void
  /** Decides on a new token for a WebSocket that is open; absent where none is taken. */
  renew?: Renew<Facts>
}
/** Ports for writing an answer. */
export type AnswerPorts = Pick<GuardPorts, 'clock' | 'revocations' | 'bodies' | 'sessions'>
export type Passed = Extract<Decision, { readonly outcome: 'passed' }>
export type Facts = Passed['known']
/** The facts that are equal for all requests of an admission. `possession` follows from the token. */
export type Admitted = Facts['admission']['facts'] & Pick<Facts, 'possession'>

/** Optional input of a guard, beside the request. */
export interface GuardContext extends Pick<LineFacts, 'caller' | 'connection'> {
  /**
   * Whether the caller calls `leave` of the decision at the end of the answer; `forward` does. Without it `in_flight` has
   * no effect.
   */
  readonly isFollowed?: boolean | undefined
  /** Called when the request begins to wait for a person who must approve it. */
  readonly onWait?: Given['onWait']
  /** Called with each step. */
  readonly trace?: ((step: Step) => void) | undefined
}

/** Decides requests under one policy. */
export interface Guard {
  /** Decides one request. If it reads the body, the bytes are in `known.held`: send an MCP server exactly these. */
  (request: RequestHead, around?: GuardContext): Promise<Decision>
  readonly policy: Policy
}

/** Creates a guard over a policy and its ports. Forwards nothing; adds allowed tokens to token memory. */
export function createGuard(policy: Policy, ports: GuardPorts): Guard {
  const { onError } = ports
  const now = () => ports.clock.now()
  const recall = recalling(ports)
  const decide = async (
    request: RequestHead,
    { caller, connection, isFollowed, onWait, trace }: GuardContext = {},
  ): Promise<Decision> => {
    let room: Room | undefined
    const hold = (owner: string, ms: number = LIMITS.bodyReadMs) => {
      room?.leave()
      room = ports.bodies.open(owner, ms + LIMITS.heldSlackMs)
      return room
    }
    let leave: (() => void) | undefined
    const { inFlight: all } = ports
    const counts: Given['counts'] =
      isFollowed && all
        ? {
            of: (owner) => all.of(owner),
            enter(owner, most) {
              leave = all.enter(owner, most)
              return leave
            },
          }
        : undefined
    const watch = { now, onError, trace }
    const given = { request, policy, caller, connection, hold, counts, onWait }
    const decision = await GUARD.run(given, ports, watch, trace ? undefined : recall)
    // A caller that forwards the body opens a room of its own.
    room?.leave()
    if (decision.outcome === 'passed') remember(decision.known, ports)
    else leave?.()
    return Object.assign(decision, { ports, leave })
  }
  return Object.assign(decide, { policy })
}

/** Recalls a token's admission, if its time span includes now and policy and verified token are the same objects. */
const recalling =
  ({ clock }: GuardPorts) =>
  ({ policy, route, deciding, token, remembered }: Partial<Facts>) => {
    if (!route || !deciding) return undefined
    const admission = remembered?.admissions.get(route)?.get(valuesOf(deciding))
    if (!admission || !holdsAt(admission, clock.now())) return undefined
    const known = admission as Facts['admission']
    return known.facts.policy === policy && known.facts.token === token ? known : undefined
  }

/** Path values joined to one key. Values of a canonical path contain no line break. */
const valuesOf = (deciding: Facts['deciding']): string =>
  deciding.size === 0 ? '' : [...deciding.values()].join('\n')

/** Remembers a token that passed the whole line. Denied tokens are not remembered. */
const remember = (facts: Facts, { tokens, keys }: GuardPorts): void => {
  const { credential, token, access, issuer, caller, route, deciding, admission, remembered } =
    facts
  // For each request, since several callers may send one token.
  keys.recordSuccess?.(issuer, caller)
  const values = valuesOf(deciding)
  if (remembered?.admissions.get(route)?.get(values) === admission) return
  // `Bearer` and its spaces have 1,024 spellings, and each would take an entry.
  if (credential.authorization !== credentialText(credential)) return
  tokens.keep({ credential, token, route, values, admission }, access.expires)
}

/**
 * The denial of a refused request. In shadow mode no request is refused: it goes on without an identity.
 * @example
 * ```ts
 * import { type Guard, refusalOf } from 'edgewarden'
 *
 * export async function codeOf(guard: Guard, request: Request) {
 *   return refusalOf(await guard(request))?.code
 * }
 * ```
 */
export function refusalOf(decision: LineRun): Denial | undefined {
  return decision.outcome === 'denied' && decision.known.route?.mode !== 'shadow'
    ? decision.denial
    : undefined
}
