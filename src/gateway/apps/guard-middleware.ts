import type { Context, MiddlewareHandler, Next } from 'hono'
import { cors } from 'hono/cors'
import type { Denial } from '../../core/denial.ts'
import { type Decision, type Guard, refusalOf } from '../../core/guard.ts'
import { perObject } from '../../core/memo.ts'
import type { Connection } from '../../core/model/connection.ts'
import type { CorsRule } from '../../core/model/route.ts'
import type { AccessToken, AgentIdentity } from '../../core/model/token.ts'
import { isPreflight } from '../../core/request.ts'
import { metadataAnswer } from '../answer/metadata.ts'
import { answerRefusal } from '../answer/respond.ts'
import { limitHeaders } from '../relay/limit-headers.ts'
import { createApp } from './app.ts'

/** What handlers behind `agentGuard` read with `c.get`. */
export interface AgentVariables {
  /** What the line decided, and everything it established. */
  decision: Decision
  /**
   * Who is calling. `undefined` where no token was read: on a public route, on an optional one
   * without a token, and in shadow mode for a request that would be denied.
   */
  agent: AgentIdentity | undefined
  /** What its token says; there whenever `agent` is. */
  access: AccessToken | undefined
}

/** What `agentGuard` does otherwise than by default. */
export interface AgentGuardOptions<E extends { Variables: AgentVariables }> {
  /** Answers a denial; by default with problem details. */
  readonly refuse?: (denial: Denial, c: Context<E>) => Response
  /**
   * The caller's address, from where callers cannot write it: whose tokens name unknown keys is
   * counted by it. By default nobody is told apart.
   */
  readonly clientIp?: (c: Context<E>) => string | undefined
  /** What the platform knows of how the request came, for conditions; never from its headers. */
  readonly connection?: (c: Context<E>) => Connection | undefined
}

/** Lets a request go on that may; `refuse` answers it where that fails. */
type Hand = (
  c: Context,
  decision: Decision,
  next: () => Promise<void>,
  refuse: (denial: Denial) => Response,
) => Promise<void>

/**
 * The line as Hono middleware, before whatever answers what it lets pass: denied requests are answered here,
 * and `hand` lets the others go on. CORS headers as the rule has it.
 */
export function guarding<E extends { Variables: AgentVariables }>(
  guard: Guard,
  {
    refuse = (denial, c) => answerRefusal(c.req.raw, denial, c.get('decision')),
    clientIp,
    connection,
  }: AgentGuardOptions<E>,
  hand: Hand = (_c, _decision, next) => next(),
): MiddlewareHandler<E> {
  return async (context, next) => {
    // Hono's types do not give the known part of an environment that is not known whole.
    const c = context as unknown as Context<{ Variables: AgentVariables }>
    const decision = await guard(c.req.raw, {
      caller: clientIp?.(context),
      connection: connection?.(context),
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
      await hand(c, decision, next, (denial) => refuse(denial, context))
      tellLimit(context, decision)
    }
    const rule = corsFor(c.req.raw, decision)
    return rule ? corsOf(rule)(c, answer) : answer()
  }
}

/** Tells what is left of the rule's limit, on answers that do not say it yet. */
const tellLimit = (c: Context, { known }: Decision): void => {
  const told = limitHeaders(known.limited)
  if (told.every(([name, value]) => c.res.headers.get(name) === value)) return
  // Through Hono, since the answer of a handler may be one that cannot be changed.
  for (const [name, value] of told) c.header(name, value)
}

/** The rule for other origins that an answer falls under. Hono's cors answers every OPTIONS as a preflight that is allowed. */
const corsFor = (request: Request, { outcome, known }: Decision): CorsRule | undefined =>
  request.method !== 'OPTIONS' || (outcome === 'ended' && isPreflight(request))
    ? known.route?.cors
    : undefined

/** An answer with the CORS headers of its rule, if it has any; a preflight that may pass is answered without asking. */
export async function withCors(
  request: Request,
  decision: Decision,
  answer: () => Promise<Response>,
): Promise<Response> {
  const rule = corsFor(request, decision)
  return rule ? corsApp(rule).fetch(request, { answer }) : answer()
}

const corsApp = perObject((rule: CorsRule) => {
  const app = createApp<{ Bindings: { readonly answer: () => Promise<Response> } }>()
  app.use(corsOf(rule))
  app.all('*', (c) => c.env.answer())
  app.onError((error) => {
    throw error
  })
  return app
})

const corsOf = perObject((rule: CorsRule): MiddlewareHandler => {
  const handler = cors({
    origin: rule.origins.includes('*') ? '*' : [...rule.origins],
    allowMethods: [...rule.methods],
    allowHeaders: [...rule.headers],
    exposeHeaders: [...rule.expose],
    credentials: rule.credentials,
    ...(rule.maxAge !== undefined && { maxAge: rule.maxAge }),
  })
  if (rule.headers.length > 0) return handler
  // Hono allows whatever is asked for where the list is empty, and lays what it has set over the answer.
  return async (c, next) => {
    const preflight = await handler(c, next)
    if (!preflight) return
    for (const { headers } of [preflight, c.res]) headers.delete('Access-Control-Allow-Headers')
    return preflight
  }
})

/**
 * Serves a protected resource's metadata (RFC 9728) behind the guard; other requests go on, and so do all that
 * no guard has decided on.
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
