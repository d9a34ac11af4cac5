import type { Context, MiddlewareHandler, Next } from 'hono'
import { corsFor, preflightAnswer, withCors } from '../answer/cors.ts'
import { limitHeaders } from '../answer/limit-headers.ts'
import { metadataAnswer } from '../answer/metadata.ts'
import { answerRefusal } from '../answer/respond.ts'
import type { Denial } from '../base/denial.ts'
import { type Decision, type Guard, refusalOf } from '../guard/guard.ts'
import type { Connection } from '../model/connection.ts'
import type { AccessToken, AgentIdentity } from '../model/token.ts'

/** Variables for handlers behind `agentGuard`, read with `c.get`. */
export interface AgentVariables {
  /** The guard's decision and the facts it established. */
  decision: Decision
  /**
   * The caller. `undefined` without a verified token: on a public route, on an optional one without
   * a token, and in shadow mode for a denied request.
   */
  agent: AgentIdentity | undefined
  /** The token's claims; present whenever `agent` is. */
  access: AccessToken | undefined
}

export interface AgentGuardOptions<E extends { Variables: AgentVariables }> {
  /** Answers a denial; by default with problem details. */
  readonly refuse?: (denial: Denial, c: Context<E>) => Response
  /**
   * The caller's address, from a source callers cannot write. Tokens with unknown keys are counted
   * by it; by default all callers count together.
   */
  readonly clientIp?: (c: Context<E>) => string | undefined
  /** The platform's facts for conditions; never from request headers. */
  readonly connection?: (c: Context<E>) => Connection | undefined
}

/** Runs the next handler; calls `refuse` if that fails. */
type Handle = (
  c: Context,
  decision: Decision,
  next: () => Promise<void>,
  refuse: (denial: Denial) => Response,
) => Promise<void>

/**
 * The guard as Hono middleware: answers denied requests, and passes the others to `handle`. Adds the
 * rule's CORS headers.
 */
export function guarding<E extends { Variables: AgentVariables }>(
  guard: Guard,
  {
    refuse = (denial, c) => answerRefusal(c.req.raw, denial, c.get('decision')),
    clientIp,
    connection,
  }: AgentGuardOptions<E>,
  handle: Handle = (_c, _decision, next) => next(),
): MiddlewareHandler<E> {
  return async (context, next) => {
    // Hono's types cannot narrow the variables of a generic environment.
    const c = context as unknown as Context<{ Variables: AgentVariables }>
    const decision = await guard(c.req.raw, {
      caller: clientIp?.(context),
      connection: connection?.(context),
      isFollowed: true,
    })
    c.set('decision', decision)
    const answer = async () => {
      const denial = refusalOf(decision)
      if (denial) {
        c.res = refuse(denial, context)
        return
      }
      if (decision.outcome === 'passed') {
        c.set('agent', decision.known.agent)
        c.set('access', decision.known.access)
      }
      await handle(c, decision, next, (denial) => refuse(denial, context))
      addHeaders(context, decision)
    }
    const { raw } = c.req
    const rule = corsFor(raw, decision)
    try {
      if (rule && raw.method === 'OPTIONS') {
        c.res = preflightAnswer(raw, rule)
        return
      }
      await answer()
      if (!rule) return
      const told = withCors(raw, rule, c.res)
      // Hono would copy the old answer's headers onto the new one.
      c.res = undefined
      c.res = told
    } finally {
      if (!decision.isOpen) decision.leave?.()
    }
  }
}

/** Adds the rate limit headers and the next nonce to answers without them. */
const addHeaders = (c: Context, { known: { limited, nonce } }: Decision): void => {
  const fields = [
    ...limitHeaders(limited),
    // RFC 9449 §8.2.
    ...Object.entries(
      nonce === undefined ? {} : { 'DPoP-Nonce': nonce, 'Cache-Control': 'no-store' },
    ),
  ]
  if (fields.every(([name, value]) => c.res.headers.get(name) === value)) return
  // Through Hono: headers of a handler's answer may be immutable.
  for (const [name, value] of fields) c.header(name, value)
}

/**
 * Serves a protected resource's metadata (RFC 9728) behind the guard. Other requests, and requests
 * without a guard's decision, go to `next`.
 */
export async function resourceMetadata<E extends { Variables: AgentVariables }>(
  c: Context<E>,
  next: Next,
): Promise<Response | undefined> {
  const { req, var: variables } = c as unknown as Context<{
    Variables: Partial<AgentVariables>
  }>
  const { decision } = variables
  const answer = decision && metadataAnswer(req.raw, decision)
  if (!answer) await next()
  return answer
}
