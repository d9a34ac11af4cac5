import type { Context, MiddlewareHandler, Next } from 'hono'
import type { Denial } from './core/denial.ts'
import type { Decision, Guard } from './core/guard.ts'
import { fromHandler, toHandler } from './gateway/answer/handler.ts'
import {
  type AgentGuardOptions,
  type AgentVariables,
  guarding,
  resourceMetadata as serveMetadata,
} from './gateway/apps/guard-middleware.ts'

export type { AgentGuardOptions, AgentVariables } from './gateway/apps/guard-middleware.ts'

/**
 * The line as Hono middleware: allowed requests go on with {@link AgentVariables}, denied ones are
 * answered here with problem details, or by `refuse`. What handlers of an MCP server answer is given out
 * as if it came from an origin: sessions sealed, lists filtered, streams cut when the token ends. On a
 * route with `cors` answers carry CORS headers, and a preflight that the line lets pass is answered
 * without a token; a refused one, and any other OPTIONS, carries none. Which rule a request falls under
 * is the policy's matter, not that of the path the middleware is mounted on.
 */
export function agentGuard<E extends { Variables: AgentVariables } = { Variables: AgentVariables }>(
  guard: Guard,
  options: AgentGuardOptions<E> = {},
): MiddlewareHandler<E> {
  const judge = guarding(guard, options, (c, decision, next, refuse) => {
    const { raw } = c.req
    c.req.raw = toHandler(raw, decision)
    judgedOf(c).set('judged', { guard, request: c.req.raw })
    return decision.known.route?.mcp ? giveOut(c, raw, decision, next, refuse) : next()
  })
  return (c, next) => {
    const last = judgedOf(c).get('judged')
    return last?.guard === guard && last.request === c.req.raw ? next() : judge(c, next)
  }
}

/** What was let go on last, by whom: mounted twice in one chain, a guard decides once. */
interface Judged {
  judged: { readonly guard: Guard; readonly request: Request } | undefined
}

const judgedOf = (c: Context) => c as Context<{ Variables: Judged }>

/** Gives out what handlers answer as if it had come from an origin. */
const giveOut = async (
  c: Context,
  asked: Request,
  decision: Decision,
  next: () => Promise<void>,
  refuse: (denial: Denial) => Response,
): Promise<void> => {
  await next()
  c.req.raw = asked
  const told = await fromHandler(c.res, asked, decision)
  // Hono lays the headers of the answer that is there over the one that takes its place.
  const headers = new Headers([...c.res.headers].filter(([name]) => isOfCors(name)))
  c.res = undefined
  if (!told.ok) c.res = new Response(null, { headers })
  c.res = told.ok ? told.value : refuse(told.reason.denial)
}

const isOfCors = (name: string): boolean => name.startsWith('access-control-') || name === 'vary'

type Guarded = { Variables: AgentVariables }

/**
 * Middleware that serves a protected resource's metadata (RFC 9728). The guard decides on what comes, as
 * in {@link agentGuard}, preflights included: what it denies is refused, other requests go on.
 */
export function resourceMetadata<E extends Guarded>(
  guard: Guard,
  options?: AgentGuardOptions<E>,
): MiddlewareHandler<E>
/**
 * Serves a protected resource's metadata by the decision of an {@link agentGuard} before it. Other requests go
 * on; without an {@link agentGuard} all do, and nothing is served.
 */
export function resourceMetadata<E extends Guarded>(
  c: Context<E>,
  next: Next,
): Promise<Response | undefined>
export function resourceMetadata<E extends Guarded>(
  first: Guard | Context<E>,
  second?: AgentGuardOptions<E> | Next,
) {
  return typeof first === 'function'
    ? metadataBy(first, second as AgentGuardOptions<E>)
    : serveMetadata(first, second as Next)
}

const metadataBy = <E extends Guarded>(
  guard: Guard,
  options?: AgentGuardOptions<E>,
): MiddlewareHandler<E> => {
  const guarded = agentGuard(guard, options)
  return (c, next) =>
    guarded(c, async () => {
      const answer = await serveMetadata(c, next)
      if (answer) c.res = answer
    })
}
