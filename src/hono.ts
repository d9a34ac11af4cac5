import type { Context, MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { fromHandler, toHandler } from './answer/handler.ts'
import { limitHeaders } from './answer/limit-headers.ts'
import { answerRefusal } from './answer/respond.ts'
import type { Denial } from './base/denial.ts'
import { perObject } from './base/memo.ts'
import { isPreflight } from './base/request.ts'
import { type Decision, type Guard, refusalOf } from './guard.ts'
import type { Connection } from './model/connection.ts'
import type { CorsRule } from './model/route.ts'
import type { AccessToken, AgentIdentity } from './model/token.ts'

export { resourceMetadata } from './apps/metadata.ts'

/** What handlers behind {@link agentGuard} read with `c.get`. */
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

/** What {@link agentGuard} does otherwise than by default. */
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

/**
 * The line as Hono middleware: allowed requests go on with {@link AgentVariables}, denied ones are
 * answered here with problem details, or by `refuse`. What handlers of an MCP server answer is given out
 * as if it came from an origin: sessions sealed, lists filtered, streams cut when the token ends. On a route with `cors` answers carry CORS
 * headers, and a preflight that the line lets pass is answered without a token; a refused one, and
 * any other OPTIONS, carries none. Which rule a request falls under is the policy's matter, not that
 * of the path the middleware is mounted on.
 */
export const agentGuard =
  <E extends { Variables: AgentVariables } = { Variables: AgentVariables }>(
    guard: Guard,
    {
      refuse = (denial, c) => answerRefusal(c.req.raw, denial, c.get('decision')),
      clientIp,
      connection,
    }: AgentGuardOptions<E> = {},
  ): MiddlewareHandler<E> =>
  async (context, next) => {
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
      await handle(c, decision, next, (denial) => refuse(denial, context))
      tellLimit(context, decision)
    }
    const rule = decision.known.route?.cors
    // Hono's cors answers every OPTIONS as a preflight that is allowed.
    const isItsOwn = decision.outcome === 'ended' && isPreflight(c.req.raw)
    if (!rule || (c.req.raw.method === 'OPTIONS' && !isItsOwn)) return answer()
    return corsOf(rule)(c, answer)
  }

/** Lets handlers have the request, and gives out what they answer as if it had come from an origin. */
const handle = async (
  c: Context,
  decision: Decision,
  next: () => Promise<void>,
  refuse: (denial: Denial) => Response,
): Promise<void> => {
  const { raw } = c.req
  c.req.raw = toHandler(raw, decision)
  if (!decision.known.route?.mcp) return next()
  const headers = new Headers(c.res.headers)
  await next()
  const told = await fromHandler(c.res, raw, decision)
  // Hono lays the headers of the answer that is there over the one that takes its place.
  c.res = undefined
  if (!told.ok) c.res = new Response(null, { headers })
  c.res = told.ok ? told.value : refuse(told.reason.denial)
}

/** Tells what is left of the rule's limit, on answers that do not say it yet. */
const tellLimit = (c: Context, { known }: Decision): void => {
  const told = limitHeaders(known.limited)
  if (told.every(([name, value]) => c.res.headers.get(name) === value)) return
  // Through Hono, since the answer of a handler may be one that cannot be changed.
  for (const [name, value] of told) c.header(name, value)
}

const corsOf = perObject((rule: CorsRule) =>
  cors({
    origin: rule.origins.includes('*') ? '*' : [...rule.origins],
    allowMethods: [...rule.methods],
    allowHeaders: [...rule.headers],
    exposeHeaders: [...rule.expose],
    credentials: rule.credentials,
    ...(rule.maxAge !== undefined && { maxAge: rule.maxAge }),
  }),
)
