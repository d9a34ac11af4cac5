import type { Context, MiddlewareHandler, Next } from 'hono'
import {
  type AgentGuardOptions,
  type AgentVariables,
  guarding,
  resourceMetadata as serveMetadata,
} from './gate/app/guard-middleware.ts'
import type { Denial } from './gate/base/denial.ts'
import type { Decision, Guard } from './gate/guard/guard.ts'
import { fromHandler, toHandler } from './gate/relay/handler.ts'

export type { AgentGuardOptions, AgentVariables } from './gate/app/guard-middleware.ts'

/**
 * The guard as Hono middleware. Allowed requests go to `next` with {@link AgentVariables}; denied ones get problem
 * details, or the answer of `refuse`. Answers of MCP handlers are treated like an origin's: sessions are sealed, lists
 * filtered, and streams cut when the token ends. With `cors`, answers have CORS headers and allowed preflights are
 * answered without a token. Answers to denied preflights and to other OPTIONS requests have no CORS headers. The policy
 * alone selects the rule, whatever path the middleware is mounted on.
 * @example
 * ```ts
 * import type { Guard } from 'edgewarden'
 * import { agentGuard, resourceMetadata } from 'edgewarden/hono'
 * import { Hono } from 'hono'
 *
 * export const appOf = (guard: Guard) =>
 *   new Hono()
 *     .use(agentGuard(guard))
 *     .use('/.well-known/oauth-protected-resource/*', resourceMetadata)
 *     .post('/v1/notes', (c) => c.json({ by: c.get('agent')?.name }))
 * ```
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

/** The last decided request and its guard: a guard mounted twice decides once. */
interface Judged {
  judged: { readonly guard: Guard; readonly request: Request } | undefined
}

const judgedOf = (c: Context) => c as Context<{ Variables: Judged }>

/** Treats the answers of MCP handlers like an origin's. */
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
  // Hono copies the old answer's headers onto the new one.
  const headers = new Headers([...c.res.headers].filter(([name]) => isOfCors(name)))
  c.res = undefined
  if (!told.ok) c.res = new Response(null, { headers })
  c.res = told.ok ? told.value : refuse(told.reason)
}

const isOfCors = (name: string): boolean => name.startsWith('access-control-') || name === 'vary'

type Guarded = { Variables: AgentVariables }

/**
 * Middleware that serves a protected resource's metadata (RFC 9728). The guard decides first, as in
 * {@link agentGuard}: denied requests are refused, others go to `next`.
 * @example
 * ```ts
 * import type { Guard } from 'edgewarden'
 * import { agentGuard, resourceMetadata } from 'edgewarden/hono'
 * import { Hono } from 'hono'
 *
 * export const appOf = (guard: Guard) =>
 *   new Hono()
 *     .use('/.well-known/oauth-protected-resource/*', resourceMetadata(guard))
 *     .post('/v1/notes', agentGuard(guard), (c) => c.json({ by: c.get('agent')?.name }))
 * ```
 */
export function resourceMetadata<E extends Guarded>(
  guard: Guard,
  options?: AgentGuardOptions<E>,
): MiddlewareHandler<E>
/**
 * Serves a protected resource's metadata by the decision of an earlier {@link agentGuard}. Other
 * requests, and all without a decision, go to `next`.
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
