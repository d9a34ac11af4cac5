/** Revocations, statuses of agents, approval and throttles (docs/revocation.md, docs/agent-registry.md). */
import { approvedValues } from './agentic.ts'
import type { Asked } from './asked.ts'
import type { Identity } from './identity.ts'
import { isInBucket, takeFromBucket } from './limits.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { issuedAt } from './token.ts'
import { type AgentStanding, agentKey, type Revocation, refuse, type World } from './types.ts'
import { presentSecond } from './values.ts'
import type { Verified } from './verification.ts'

/** A verified token, for whom revocations are looked up. */
type Caller = Pick<Verified, 'identity' | 'kid'>

const MINUTE = 60

/** Refuses a token that is revoked, and an agent that may not call. */
export function checkStanding(asked: Asked, rule: Rule | undefined, caller: Caller): void {
  const { policy, world, request } = asked
  if (world.unavailable.revocations) refuse('revocations_unavailable')
  const covering = coveringEntries(asked, caller)
  if (covering.some(({ mode }) => mode !== 'step-up')) refuse('token_revoked')
  const now = presentSecond(request)
  const { identity } = caller
  const standing = standingOf(policy, world, identity.issuer.issuer, identity.id)
  const actors = identity.actors.map((actor) => standingOf(policy, world, actor.issuer, actor.sub))
  for (const each of [standing, ...actors]) {
    if (each?.status === 'suspended') refuse('agent_suspended')
    if (each?.status === 'retired') refuse('agent_retired')
  }
  const isApproved =
    standing?.status === 'approved' && (standing.expires === undefined || standing.expires > now)
  const needsApproval = [policy.gate, identity.issuer, rule].some(
    (each) => each?.agents === 'approved',
  )
  // The gate's own endpoints accept agents that are not approved.
  if (rule !== undefined && needsApproval && !isApproved) refuse('agent_not_approved')
  if (isApproved) checkApprovedValues(identity, standing)
  if (covering.length > 0) refuse('step_up_required')
}

/** The entries of the set that cover the token. */
export function coveringEntries({ policy, world, request }: Asked, caller: Caller): Revocation[] {
  const now = presentSecond(request)
  return world.revocations.filter((entry) => {
    const isLifted = entry.id !== undefined && policy.gate.lift.includes(entry.id)
    const isOver = entry.expires !== undefined && entry.expires <= now
    return !isLifted && !isOver && names(entry, caller) && isInTime(policy, entry, caller)
  })
}

/** Whether the entry names the token, its agent, or an actor. */
export function names(entry: Revocation, { identity, kid }: Caller): boolean {
  const isOwn = entry.issuer === identity.issuer.issuer
  if (entry.kind === 'agent') {
    const isActor = identity.actors.some(
      (actor) => actor.issuer === entry.issuer && actor.sub === entry.value,
    )
    return isActor || (isOwn && entry.value === identity.id)
  }
  if (!isOwn) return false
  if (entry.kind === 'issuer') return true
  const values = {
    token: identity.claims.jti,
    subject: identity.subject,
    session: identity.session,
    client: identity.client,
    workflow: identity.workflow,
    key: kid,
  }
  return entry.value !== undefined && values[entry.kind] === entry.value
}

/** Modes `before` and `step-up` cover tokens with `iat` up to `at` plus the clock tolerance. */
function isInTime(policy: Policy, entry: Revocation, { identity }: Caller): boolean {
  if (entry.mode === 'block') return true
  const { clockTolerance } = policy.gate
  return issuedAt(identity.claims, identity.issuer) <= (entry.at ?? 0) + clockTolerance
}

/** What the set has about an agent, unless `GATE.lift` names the entry. */
function standingOf(
  policy: Policy,
  world: World,
  issuer: string,
  id: string,
): AgentStanding | undefined {
  const standing = world.agents[agentKey(issuer, id)]
  const isLifted = standing?.id !== undefined && policy.gate.lift.includes(standing.id)
  return isLifted ? undefined : standing
}

/** Compares an Agentic JWT with what was approved (docs/agentic-jwt.md, "Approved code"). */
function checkApprovedValues(identity: Identity, standing: AgentStanding): void {
  const { issuer } = identity
  if (issuer.profileName !== 'agentic-jwt' || !issuer.holdsChanged) return
  const values = approvedValues(identity.claims)
  const isChanged = (approved: string[] | undefined, value: string) =>
    approved !== undefined && !approved.includes(value)
  if (isChanged(standing.checksums, values.checksum)) refuse('agent_checksum_changed')
  if (isChanged(standing.registrations, values.registration)) refuse('agent_registration_changed')
  if (isChanged(standing.keys, values.key)) refuse('agent_key_changed')
}

/** Counts a request of a throttled agent, over all rules, and of throttled actors; in shadow mode it only looks. */
export function checkThrottle(
  { policy, world, request }: Asked,
  { identity }: Caller,
  counts = true,
): void {
  const agents = [{ issuer: identity.issuer.issuer, sub: identity.id }, ...identity.actors]
  for (const { issuer, sub } of agents) {
    const throttle = standingOf(policy, world, issuer, sub)?.throttle
    if (throttle === undefined) continue
    const key = ['throttle', issuer, sub].join('\n')
    const ask = counts ? takeFromBucket : isInBucket
    const isAllowed = !world.unavailable.limits && ask(world, key, throttle, MINUTE, request.now)
    if (!isAllowed) refuse('agent_throttled')
  }
}
