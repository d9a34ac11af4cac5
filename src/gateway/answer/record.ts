import { perAdmission } from '../../core/admission.ts'
import type { Denial } from '../../core/denial.ts'
import {
  type Admitted,
  type Decision,
  type Facts,
  type Passed,
  refusalOf,
} from '../../core/guard.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Gate } from '../../core/model/policy.ts'
import { journalOf } from '../../core/stages/operation.ts'
import { claimed } from '../../core/text.ts'
import type { Relayed } from '../relay/relay.ts'
import { requiredBy } from './problem.ts'

/** The facts of a journal line besides the decision. */
export interface RecordContext {
  /** The gate's own id of the request. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly requestId: string
  readonly version?: string | undefined
  readonly colo?: string | undefined
  /** A denial after the guard: forwarding failed, or an endpoint of the gate refused. */
  readonly denial?: Denial | undefined
  /** The origin's answer, if there is one. */
  readonly origin?: Relayed['origin']
  /** Ids of the revocations the request made or lifted. */
  readonly revocations?: readonly string[] | undefined
}

/** The denial that shadow mode ignored. */
const shadowedDenial = (decision: Decision | Undecided): Denial | undefined =>
  decision.outcome === 'denied' && !refusalOf(decision) ? decision.denial : undefined

/** Whether to write a decision: all denials, also in shadow mode, and a share of the rest. */
export function isRecorded(
  decision: Decision | Undecided,
  denial: Denial | undefined,
  { allowed }: Gate['journal'] = { allowed: 1 },
  random: () => number = Math.random,
): boolean {
  return (
    denial !== undefined || decision.outcome === 'denied' || allowed === 1 || random() < allowed
  )
}

/**
 * One journal line, as JSON; unknown members are left out. Until the signature is verified, issuer
 * and `kid` of the token are written as claims and cut short. Those of an encrypted token are not
 * written. Tokens, queries and bodies are never written.
 */
export function recordOf(decision: Decision | Undecided, context: RecordContext): string {
  const head = JSON.stringify(headOf(decision, context))
  const known: Partial<Facts> = decision.known
  // Serialized once per admission.
  const rest = known.admission ? admittedText(known.admission, known) : textOf(known)
  return `${head.slice(0, -1)},${rest.slice(1)}`
}

/** The line of an answer that goes on after its token has expired; `id` is that of the decision's line. */
export function lateOf({ known }: Passed, { id, time, requestId }: RecordContext): string {
  const head = JSON.stringify({
    event: 'finished_after_expiry',
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
  })
  return `${head.slice(0, -1)},${admittedText(known.admission, known).slice(1)}`
}

/** A request the guard did not decide. */
export type Undecided = Pick<
  Extract<Decision, { readonly outcome: 'ended' }>,
  'outcome' | 'known' | 'waits'
>

const headOf = (
  decision: Decision | Undecided,
  { id, time, requestId, version, colo, denial, origin, revocations }: RecordContext,
) => {
  const known: Partial<Facts> = decision.known
  const { token, credential, operation } = known
  const refused = refusalOf(decision) ?? denial
  const shadowed = shadowedDenial(decision)
  const claims = token || credential?.opened ? undefined : credential
  const reason = refused ?? shadowed
  return {
    v: 1,
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
    decision: refused ? 'denied' : 'allowed',
    code: reason?.code,
    detail: reason && detailOf(reason),
    would_deny: shadowed ? true : undefined,
    version,
    colo,
    claimed_issuer: claimed(claims?.claimedIssuer),
    claimed_kid: claimed(claims?.kid),
    grant: known.grant,
    ...(operation && journalOf(operation)),
    ms: decision.waits,
    origin_status: origin?.status,
    origin_request_id: claimed(origin?.requestId),
    revocations,
  }
}

/** The members that rule and token determine. */
const textOf = ({ route, token, access, agent, possession }: Partial<Admitted>): string =>
  JSON.stringify({
    route: route?.name,
    mode: route?.mode ?? 'enforce',
    issuer: token?.issuer.issuer,
    kid: token?.key.kid,
    agent: agent?.id,
    client: agent?.clientId,
    jti: access?.id,
    subject: access?.subject,
    workflow: agent?.workflowId,
    actors: agent && agent.actors.length > 0 ? agent.actors : undefined,
    possession: possession === 'bearer' ? undefined : possession,
  })

const admittedText = perAdmission(textOf, (text) => 2 * text.length)

const detailOf = (denial: Denial) => {
  const detail = { ...requiredBy(denial), ...denial.detail }
  return Object.keys(detail).length > 0 ? short(detail) : undefined
}

/** Bounds each detail to a number or cut text: a stranger may have written it. */
const short = (detail: NonNullable<Denial['detail']>) =>
  Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'string' || typeof value === 'object'
        ? (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, LIMITS.claimedLength)
        : value,
    ]),
  )
