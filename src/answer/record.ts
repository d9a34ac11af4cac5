import type { Denial } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import { type Decision, refusalOf } from '../guard.ts'
import { type McpMessage, writtenName } from '../model/mcp.ts'
import type { Gate } from '../model/policy.ts'
import type { Operation } from '../model/token.ts'
import { requiredBy } from './required.ts'

/** What a journal line says beside the decision. */
export interface RecordContext {
  /** The gate's own id of the decision. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly requestId: string
  readonly version?: string | undefined
  readonly colo?: string | undefined
  /** A denial after the line: forwarding failed, or an endpoint of the gate refused. */
  readonly denial?: Denial | undefined
  readonly originStatus?: number | undefined
  /** Ids of the revocations that were made or lifted. */
  readonly revocations?: readonly string[] | undefined
}

/** What a route in shadow mode let through. */
const shadowedDenial = (decision: Decision): Denial | undefined =>
  decision.outcome === 'denied' && !refusalOf(decision) ? decision.denial : undefined

/** Whether a decision is written: every denial, also one that shadow mode let through; of the rest a share. */
export const isRecorded = (
  decision: Decision,
  denial: Denial | undefined,
  { allowed }: Gate['journal'] = { allowed: 1 },
  random: () => number = Math.random,
): boolean =>
  denial !== undefined || decision.outcome === 'denied' || allowed === 1 || random() < allowed

/**
 * One journal line. What an unverified token claims is written as a claim, cut short, and only
 * until the signature is verified; of an encrypted one it is not written at all. Never a token, a query or a body.
 */
export const recordOf = (
  decision: Decision,
  { id, time, requestId, version, colo, denial, originStatus, revocations }: RecordContext,
): Readonly<Record<string, unknown>> => {
  const { known, waits } = decision
  const { token, access, agent, credential, operation } = known
  const refused = refusalOf(decision) ?? denial
  const shadowed = shadowedDenial(decision)
  const claims = token || credential?.opened ? undefined : credential
  const reason = refused ?? shadowed
  return {
    v: 1,
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
    route: known.route?.name,
    decision: refused ? 'denied' : 'allowed',
    code: reason?.code,
    detail: reason && detailOf(reason),
    would_deny: shadowed ? true : undefined,
    mode: known.route?.mode ?? 'enforce',
    version,
    colo,
    claimed_issuer: claimed(claims?.claimedIssuer),
    claimed_kid: claimed(claims?.kid),
    issuer: token?.issuer.issuer,
    kid: token?.key.kid,
    agent: agent?.id,
    client: agent?.clientId,
    jti: access?.id,
    subject: access?.subject,
    workflow: agent?.workflowId,
    grant: known.grant,
    actors: agent && agent.actors.length > 0 ? agent.actors : undefined,
    mcp: operation && mcpOf(operation),
    ms: waits,
    origin_status: originStatus,
    revocations,
  }
}

/** What was asked of an MCP server: by whom is known, since a body is read of a verified agent only. */
const mcpOf = (operation: Operation) => {
  if (operation.kind !== 'mcp') return undefined
  const { messages, isBatch, revision } = operation
  const [first] = messages
  if (isBatch || messages.length > 1) return { revision, batch: messages.map(askedBy) }
  if (!first?.method && revision === undefined) return undefined
  return { ...(first && askedBy(first)), revision }
}

const askedBy = ({ method, use, more }: McpMessage) => ({
  method: claimed(method),
  name: claimed(use && writtenName(use)),
  more: more?.map((one) => claimed(writtenName(one))),
})

const detailOf = (denial: Denial) => {
  const detail = { ...requiredBy(denial), ...denial.detail }
  return Object.keys(detail).length > 0 ? short(detail) : undefined
}

/** Details may come from a stranger or a large claim: each is a number or a bounded text. */
const short = (detail: NonNullable<Denial['detail']>) =>
  Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'string' || typeof value === 'object'
        ? (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, LIMITS.claimedLength)
        : value,
    ]),
  )

/** What a stranger says of itself, cut short. */
const claimed = (text: string | undefined) => text?.slice(0, LIMITS.claimedLength)
