import type { Denial } from '../base/denial.ts'
import { LIMITS } from '../base/limits.ts'
import type { Decision } from '../guard.ts'

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
}

/**
 * One journal line. What an unverified token claims is written as a claim, cut short, and only
 * until the signature is verified. Never a token, a query or a body.
 */
export const recordOf = (
  decision: Decision,
  { id, time, requestId, version, colo, denial, originStatus }: RecordContext,
): Readonly<Record<string, unknown>> => {
  const { known, steps } = decision
  const refused = decision.outcome === 'denied' ? decision.denial : denial
  return {
    v: 1,
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
    route: known.route?.name,
    decision: refused ? 'denied' : 'allowed',
    code: refused?.code,
    detail: refused?.detail && short(refused.detail),
    mode: 'enforce',
    version,
    colo,
    ...identity(decision),
    ms: Object.fromEntries(steps.map(({ stage, ms }) => [stage, ms])),
    origin_status: originStatus,
  }
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

const identity = ({ known }: Decision): Readonly<Record<string, unknown>> => {
  const { token, access, agent, credential, issuer } = known
  if (!token) {
    return {
      claimed_issuer: credential?.claimedIssuer.slice(0, LIMITS.claimedLength),
      claimed_kid: credential?.kid?.slice(0, LIMITS.claimedLength),
    }
  }
  return {
    issuer: issuer?.issuer,
    kid: token.kid,
    agent: agent?.id,
    client: agent?.clientId,
    jti: access?.id,
    actors: agent && agent.actors.length > 0 ? agent.actors : undefined,
  }
}
