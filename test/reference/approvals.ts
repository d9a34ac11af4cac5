/** Approvals: a person's agreement to exactly one call (docs/approvals.md). */
import type { Asked } from './asked.ts'
import { checkCondition, evaluate, type Variables } from './conditions.ts'
import { isAlike, textsOf } from './exact-call.ts'
import { checkUseConditions, usesOf } from './mcp-access.ts'
import { readsArguments } from './mcp-arguments.ts'
import type { ApprovalTable } from './mcp-types.ts'
import { checkPossession } from './proof.ts'
import type { Route } from './route.ts'
import { readWhen } from './rule.ts'
import { checkStanding, names } from './standing.ts'
import { type Approval, type Decided, type Revocation, refuse, type World } from './types.ts'
import { presentSecond, seconds } from './values.ts'
import type { Verified } from './verification.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** docs/approvals.md, "Bounds". */
const MOST = { anHour: 60, aDay: 2_000, ofAgent: 20, ofIssuer: 200, ofAll: 500 }
const MOST_STANDING = { ofAgent: 20, ofAll: 200 }

/** The stage `approval_need`: the approval that the request needs, if it needs one. */
export function approvalNeeded(
  { operation }: Asked,
  { rule }: Route,
  variables: Variables,
): ApprovalTable | undefined {
  const ofRule = rule.approval === undefined ? [] : [{ approval: rule.approval, args: undefined }]
  const ofEntries = (operation && rule.mcp ? usesOf(operation, rule.mcp) : []).flatMap(
    ({ use, need }) =>
      need.approval === undefined ? [] : [{ approval: need.approval, args: use.arguments }],
  )
  const needed = [...ofRule, ...ofEntries].filter(({ approval: { unless }, args }) => {
    if (unless === undefined) return true
    const { condition } = readWhen(unless)
    const read = args ?? (readsArguments(condition) ? {} : undefined)
    return evaluate(condition, { ...variables, ...(read && { arguments: read }) }) !== true
  })
  const isAlone = needed.length === 1 && (operation?.messages.length ?? 0) <= 1
  if (needed.length > 0 && !isAlone) refuse('approval_not_alone')
  return needed[0]?.approval
}

/** The state of an approval at a moment. */
function stateOf({ state, expires }: Approval, now: number): Approval['state'] | 'expired' {
  const isOpen = state === 'waiting' || state === 'granted'
  return isOpen && now >= expires ? 'expired' : state
}

/** The stage `approval`: asks, holds, and returns the approval that was granted. */
export function askPerson(
  asked: Asked,
  { rule }: Route,
  caller: Verified,
  table: ApprovalTable,
  variables: Variables,
): Approval {
  const { request, world, operation } = asked
  if (!isAlike(request, rule.mcp !== undefined, table)) refuse('approval_invalid')
  if (world.unavailable.approvals) refuse('approval_unavailable')
  const texts = textsOf(asked, rule, caller, table)
  asked.call = texts.call
  const approval = attached(world, texts, request.now) ?? ask(asked, caller, table, texts)
  if (stateOf(approval, request.now) === 'waiting' && hold(asked, approval, table)) {
    // What was true before the wait must be true still. No key changes while a request is held here.
    const { credential, identity } = caller
    const { exp } = identity.claims
    checkPossession(asked, rule, identity.issuer, credential, identity.claims)
    const later = { ...variables, now: asked.request.now }
    if (rule.when !== undefined) checkCondition(rule.when.condition, later)
    if (operation && rule.mcp) checkUseConditions(operation, rule.mcp, later)
    if ((exp as number) + asked.policy.gate.clockTolerance <= presentSecond(asked.request)) {
      refuse('token_expired_during_request')
    }
    checkStanding(asked, rule, caller)
  }
  const state = stateOf(approval, asked.request.now)
  if (state === 'waiting') refuse('approval_required')
  if (state === 'refused') refuse('approval_refused')
  if (state !== 'granted') refuse('approval_over')
  return approval
}

type Texts = Pick<Approval, 'call' | 'alike'>

/** The approval to which a call is attached: its own that is decided, a standing one, or its own that waits. */
function attached(world: World, { call, alike }: Texts, now: number): Approval | undefined {
  const own = world.approvals.findLast((one) => one.call === call)
  const state = own && now < own.expires ? own.state : undefined
  if (state === 'granted' || state === 'refused') return own
  const standing = world.approvals.find((one) => one.alike === alike && isStanding(one, now))
  return standing ?? (state === 'waiting' ? own : undefined)
}

/** Whether it is a standing approval that is not over. */
const isStanding = (one: Approval, now: number) =>
  one.left !== undefined && stateOf(one, now) === 'granted'

/** Asks for an approval, within the bounds. */
function ask(
  { policy, request: { now }, world }: Asked,
  caller: Verified,
  table: ApprovalTable,
  texts: Texts,
): Approval {
  const { issuer, id: agent } = caller.identity
  const count = (test: (one: Approval) => boolean) => world.approvals.filter(test).length
  const isOwn = (one: Approval) => one.issuer === issuer.issuer
  const isAgents = (one: Approval) => isOwn(one) && one.agent === agent
  const waits = (one: Approval) => stateOf(one, now) === 'waiting'
  const share = Math.floor(MOST.aDay / Object.keys(policy.issuers).length)
  const today = Math.floor(now / DAY) * DAY
  if (count((one) => isAgents(one) && one.asked > now - HOUR) >= MOST.anHour) {
    refuse('approvals_exhausted')
  }
  if (count((one) => isOwn(one) && one.asked >= today) >= share) refuse('approvals_exhausted')
  if (count((one) => isAgents(one) && waits(one)) >= MOST.ofAgent) refuse('approvals_full')
  if (count((one) => isOwn(one) && waits(one)) >= MOST.ofIssuer) refuse('approvals_full')
  if (count(waits) >= MOST.ofAll) refuse('approvals_full')
  const within = (seconds(table.within) ?? 600) * 1000
  const approval: Approval = {
    ...{ ...texts, issuer: issuer.issuer, agent, state: 'waiting', within },
    ...{ isNamed: (entry: Revocation) => names(entry, caller), asked: now, expires: now + within },
  }
  world.approvals.push(approval)
  return approval
}

/** Keeps the request open until the person decides, or the time is over. Whether the approval waits no longer. */
function hold(asked: Asked, approval: Approval, table: ApprovalTable): boolean {
  const { request, world } = asked
  const { person } = request
  const most = Math.min((seconds(table.hold) ?? 0) * 1000, approval.expires - request.now)
  if (most <= 0) return false
  const waited = Math.min(most, person?.after ?? most)
  asked.request = { ...request, now: request.now + waited }
  world.now = asked.request.now
  if (person && waited < most) decide(world, approval, person.does, world.now)
  return stateOf(approval, world.now) !== 'waiting'
}

/** What becomes of an approval that waits: a person decides, or a copy of the call takes what was granted. */
export function decide(world: World, approval: Approval, to: Decided, now: number): void {
  if (stateOf(approval, now) !== 'waiting') return
  if (typeof to === 'string') {
    approval.state = to
    if (to === 'refused') approval.expires = now + approval.within
    return
  }
  const { issuer, agent } = approval
  const all = world.approvals.filter((one) => isStanding(one, now))
  const ofAgent = all.filter((one) => one.issuer === issuer && one.agent === agent)
  if (all.length >= MOST_STANDING.ofAll || ofAgent.length >= MOST_STANDING.ofAgent) return
  Object.assign(approval, { state: 'granted', left: to.uses, expires: now + to.ms })
}

/** The stage `approval_take`: uses up an approval, or one use of a standing one; then the call itself waits no longer. */
export function take({ world, request, call }: Asked, approval: Approval): void {
  const own = world.approvals.findLast((one) => one.call === call)
  if (own && stateOf(own, request.now) === 'waiting') own.state = 'taken'
  if (approval.left !== undefined) approval.left--
  if (!approval.left) approval.state = 'taken'
}

/** A person ends an approval that was granted. */
export function withdraw(approval: Approval, now: number): void {
  if (stateOf(approval, now) === 'granted') approval.state = 'ended'
}

/** Ends all approvals of calls that a revocation or a suspension is about; also one of tokens that were issued before. */
export function endApprovals(world: World, entry: Revocation, now: number): void {
  for (const approval of world.approvals) {
    const isOpen = ['waiting', 'granted'].includes(stateOf(approval, now))
    if (isOpen && approval.isNamed(entry)) approval.state = 'ended'
  }
}
