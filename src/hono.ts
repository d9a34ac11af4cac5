import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import type { GateEnv } from './apps/context.ts'
import { guard } from './guard.ts'
import type { CorsRule } from './model/route.ts'

/**
 * The line as Hono middleware: allowed requests go on with `c.get('decision')` (and `agent` and
 * `access` where a token was read), denied ones are answered here. On a route with `cors` the
 * answer carries CORS headers whatever was decided, and a preflight is answered without a token.
 */
export const agentGuard = createMiddleware<GateEnv>(async (c, next) => {
  const decision = await guard(c.req.raw, c.get('policy'), c.get('ports'))
  c.set('decision', decision)
  const answer = async () => {
    if (decision.outcome === 'denied') {
      c.res = c.get('deny')(decision.denial)
      return
    }
    if (decision.outcome === 'passed') {
      c.set('agent', decision.known.agent)
      c.set('access', decision.known.access)
    }
    await next()
  }
  const rule = decision.known.route?.cors
  if (!rule || isPlainOptions(c.req.raw)) return answer()
  return corsOf(rule)(c, answer)
})

/** An OPTIONS request that is no preflight; Hono's cors would answer it as one. */
const isPlainOptions = (request: Request): boolean =>
  request.method === 'OPTIONS' &&
  !(request.headers.has('origin') && request.headers.has('access-control-request-method'))

const compiled = new WeakMap<CorsRule, ReturnType<typeof cors>>()

const corsOf = (rule: CorsRule): ReturnType<typeof cors> => {
  let middleware = compiled.get(rule)
  if (!middleware) {
    middleware = cors({
      origin: rule.origins.includes('*') ? '*' : [...rule.origins],
      allowMethods: [...rule.methods],
      allowHeaders: [...rule.headers],
      exposeHeaders: [...rule.expose],
      credentials: rule.credentials,
      ...(rule.maxAge !== undefined && { maxAge: rule.maxAge }),
    })
    compiled.set(rule, middleware)
  }
  return middleware
}
