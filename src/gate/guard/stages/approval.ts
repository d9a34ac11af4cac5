import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, type Denial, type DenialTable, denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import type { Room } from '../../base/room.ts'
import { urlAt } from '../../base/url.ts'
import {
  APPROVAL_ROOMS,
  type Approval,
  type Approvals,
  mayAsk,
  type NoRoom,
} from '../../model/approval.ts'
import type { ApprovalRule } from '../../model/approval-rule.ts'
import type { LineFacts } from '../../model/facts.ts'
import { subjectKey } from '../../model/revocation.ts'
import type { StandingPorts } from '../checks/check.ts'
import { approvalDigests } from '../operation/approval-digest.ts'
import { ownerOf } from '../operation/body.ts'
import type { ProofFacts, ProofPorts } from '../possession/method.ts'
import { isShowable, type Needed, type NeededFact } from './approval-need.ts'
import { condition, forgetArguments, useCondition } from './condition.ts'
import type { Uses } from './mcp-access.ts'
import type { OperationFacts } from './operation.ts'
import { possession } from './possession.ts'
import { checkStanding, type Needs as Standing } from './revocation.ts'
import { signature } from './signature.ts'

/** The denials of approvals, also for the endpoint that tells of one. */
export const approvalDenials = denials({
  approval_required: [
    'forbidden',
    'A person must approve this call first',
    'Tell the person that an approval waits. Send the same call again later: once it is approved, it goes through once',
  ],
  approval_refused: [
    'forbidden',
    'A person has refused this call',
    'Do not send the same call again; ask the person what may be done instead',
  ],
  approval_over: [
    'conflict',
    'The approval of this call has ended, or a copy of the call has used it',
    'This request was not forwarded. Send the call again if it is still wanted; a person is then asked anew',
  ],
  approval_invalid: [
    'badRequest',
    'The body of a call that needs an approval cannot be shown, or can be read in more than one way',
    'Send I-JSON (RFC 7493): numbers that a double keeps exactly, no names twice, whole characters, no compression. Where the rule shows members of the body: a JSON object, as application/json',
  ],
  approvals_full: [
    'tooMany',
    'Too many calls wait for an approval',
    'Wait until some of them are decided, then send the call again',
  ],
  approvals_exhausted: [
    'tooMany',
    'Approvals were asked for too often',
    'Wait as long as Retry-After says, and ask for fewer approvals',
  ],
  approval_unavailable: [
    'unavailable',
    'The gate cannot ask for approvals at the moment',
    'Send the same call again after Retry-After; an approval that was given is still there',
  ],
})

const deny = approvalDenials

export interface ApprovalPorts {
  /** Absent where nobody can be asked: then calls that need an approval are refused. */
  readonly approvals?: Approvals | undefined
}

/** An approval that was granted for exactly this call or stands for calls like it, and the digest of the call. */
export interface Granted {
  readonly approval: Approval
  readonly digest: string
}

export interface GrantedFact {
  readonly granted: Granted | undefined
}

/** What is known of a request that begins to wait for a person. */
export type Waiting = Pick<LineFacts, 'route'> & OperationFacts

type AskFacts = NeededFact &
  OperationFacts &
  ProofFacts &
  Parameters<typeof signature.run>[0] &
  Parameters<typeof useCondition.run>[0] &
  Standing & {
    readonly request: { readonly signal?: AbortSignal }
    readonly hold: (owner: string, ms?: number) => Room
    readonly onWait: ((waiting: Waiting) => void) | undefined
  }
type AskPorts = ApprovalPorts & ProofPorts & StandingPorts & Parameters<typeof signature.run>[1]

type Refusal<Judged> = Extract<Awaited<Judged>, { readonly ok: false }>
type Code = CodeOf<typeof deny> | Refusal<ReturnType<typeof rejudged>>['reason']['code']
type Asked = Outcome<GrantedFact, Code>

const NOT_GRANTED: GrantedFact = { granted: undefined }

/**
 * Asks for the approval that the request needs, or attaches to the one that the same call has. Keeps the request open
 * for `hold` while the person decides; then key, proof, conditions, expiry and revocations are judged again. Takes nothing.
 * The last stage that reads the arguments of calls.
 */
export const approval = stage({
  name: 'approval',
  establishes:
    'if the request needs an approval: a person has granted it, for exactly this call or for calls like it',
  without: ({ route }: Pick<LineFacts, 'route'>) => (mayAsk(route) ? undefined : NOT_GRANTED),
  found: ({ granted }) => (granted ? { approval: granted.approval.id } : {}),
  done({ uses }: Uses) {
    forgetArguments(uses)
  },
  // The stages that judge again declare their own codes.
  denials: [deny as DenialTable<Code>],
  run(facts: AskFacts, ports: AskPorts): Asked | Promise<Asked> {
    const { needed } = facts
    return needed ? asked(needed, facts, ports) : ok(NOT_GRANTED)
  },
})

/**
 * Key, proof, conditions, expiry and revocations once more, after a wait: a revoked agent must not use up what was
 * granted. A condition may read the time.
 */
const rejudged = async (facts: AskFacts, ports: AskPorts) => {
  const signed = await signature.run(facts, ports)
  if (!signed.ok) return signed
  const proved = await possession.run(facts, ports)
  if (!proved.ok) return proved
  for (const one of [condition, useCondition]) {
    const met = await one.run(facts, ports)
    if (!met.ok) return met
  }
  return checkStanding(facts, ports, facts.route.revocation)
}

const unavailable = (error: unknown) =>
  fail(deny('approval_unavailable', { error: String(error) }, { ofCall: true }))

const asked = async (
  { rule, shown, values }: Needed,
  facts: AskFacts,
  ports: AskPorts,
): Promise<Asked> => {
  const { policy, agent, held, subjects } = facts
  const { console } = policy.gate
  const { approvals } = ports
  if (!approvals) return unavailable('nobody can be asked')
  const hash = await approvals.policyHash()
  const digests = await approvalDigests({
    ...facts,
    body: held?.bytes ?? new Uint8Array(),
    headers: rule.headers ?? [],
    policy: hash,
    values,
  })
  if (!digests.ok || !isShowable(rule, facts))
    return fail(deny('approval_invalid', undefined, { ofCall: true }))
  const { exact: digest, alike } = digests.value
  const { issuer, id } = agent
  const share = Math.max(1, Math.floor(APPROVAL_ROOMS.asksADay / Math.max(1, policy.issuers.size)))
  try {
    const first = await approvals.ask(
      {
        ...{ digest, alike, policy: hash },
        ...{ issuer, agent: id, subjects: subjects.map(subjectKey), shown },
      },
      {
        within: rule.within,
        anHour: APPROVAL_ROOMS.asksAnHour,
        aDay: share,
        waiting: APPROVAL_ROOMS.waiting,
        ...(console && { pages: pagesAt(console.host, policy.gate.resource) }),
      },
    )
    if (!first.ok) return fail(fullness(first.reason))
    if (first.value.state !== 'waiting') return decided(first.value, digest, facts)
    const last = await heldOpen(first.value, rule, facts, approvals)
    if (last.state === 'waiting') return decided(last, digest, facts)
    const again = await rejudged(facts, ports)
    return again.ok ? decided(last, digest, facts) : fail(again.reason)
  } catch (error) {
    return unavailable(error)
  }
}

/** Where the console has its pages of approvals. Scheme and port are the resource's, not those of an agent's request. */
const pagesAt = (host: string, resource: string): string => {
  const { protocol, host: authority } = new URL(resource)
  return urlAt(host, { scheme: protocol.slice(0, -1), authority }, '/approvals/')
}

/** The approval once it no longer waits, or as it was: `hold` is over, there is no room, or the client has gone. */
const heldOpen = async (
  waiting: Approval,
  { hold: ms }: ApprovalRule,
  facts: AskFacts,
  approvals: Approvals,
): Promise<Approval> => {
  const { agent, held, hold, request } = facts
  if (ms === 0) return waiting
  const room = hold(ownerOf(agent), ms)
  if (held && !room.take(held.bytes.length)) return waiting
  facts.onWait?.(facts)
  const signal = request.signal ?? new AbortController().signal
  const last = await approvals.hold(waiting, { ms, rooms: APPROVAL_ROOMS.held, signal })
  return last.ok && !signal.aborted ? last.value : waiting
}

type Told = Pick<AskFacts, 'request' | 'policy' | 'needed'>

const decided = (approval: Approval, digest: string, facts: Told): Asked =>
  approval.state === 'granted'
    ? ok({ granted: { approval, digest } })
    : fail(refusalOf(approval, facts))

/** The denial of a call whose approval was not granted, or cannot be taken. */
const refusalOf = (approval: Approval, facts: Told): Denial<Code> => {
  const { id, state } = approval
  const params = { ofCall: true, approval: toldOf(approval, facts) } as const
  if (state === 'refused') return deny('approval_refused', { approval: id }, params)
  if (state !== 'waiting') return deny('approval_over', { approval: id, state }, params)
  const retryAfter = facts.needed?.rule.hold ? 1 : RETRY_SECONDS
  return deny('approval_required', { approval: id }, { ...params, retryAfter })
}

/** Seconds until an agent that is not held should ask again. */
const RETRY_SECONDS = 15

/** What the agent is told of its approval. */
const toldOf = (
  { id, expires, decision }: Approval,
  { request, policy }: Pick<AskFacts, 'request' | 'policy'>,
) => ({
  id,
  url: new URL(`${policy.gate.prefix}/approvals/${id}`, request.url).href,
  expires: new Date(expires).toISOString(),
  ...(decision?.reason !== undefined && { reason: decision.reason }),
})

const fullness = (room: NoRoom): Denial<Code> =>
  room === 'hour_full' || room === 'day_full'
    ? deny('approvals_exhausted', { room }, { ofCall: true, retryAfter: 3_600 })
    : deny('approvals_full', { room }, { ofCall: true, retryAfter: 60 })

/** The approval that was taken for the request; `undefined` where none is needed. */
export interface ApprovedFact {
  readonly approved: Approval | undefined
}

const NOT_TAKEN: ApprovedFact = { approved: undefined }

/**
 * Takes the approval, as the last stage that uses something up: of all copies of a call only the first gets it. What is
 * refused later, or fails at the origin, has taken it all the same.
 */
export const approvalTake = stage({
  name: 'approval_take',
  establishes:
    'if the request needs an approval: no other request has used it, or a standing one has a use left',
  without: ({ route }: Pick<LineFacts, 'route'>) => (mayAsk(route) ? undefined : NOT_TAKEN),
  found: ({ approved }) => (approved ? { approved_by: approved.decision?.by } : {}),
  // The stage `approval` declares these codes.
  denials: [],
  async run(
    facts: GrantedFact & Told,
    { approvals }: ApprovalPorts,
  ): Promise<Outcome<ApprovedFact, Code>> {
    const { granted, request } = facts
    if (!granted) return ok(NOT_TAKEN)
    if (!approvals || request.signal?.aborted) return unavailable('the client has gone')
    try {
      const { approval, digest } = granted
      const standing = approval.used === undefined ? undefined : approval.id
      const taken = await approvals.take(digest, standing)
      if (taken.ok) return ok({ approved: taken.value })
      const last = taken.reason ?? approval
      return fail(refusalOf(last.state === 'granted' ? { ...last, state: 'ended' } : last, facts))
    } catch (error) {
      return unavailable(error)
    }
  },
})
