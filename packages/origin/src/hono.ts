import type { Context, MiddlewareHandler } from 'hono'
import {
  AgentError,
  createAgentVerifier,
  refusal,
  type VerifiedAgent,
  type VerifyOptions,
} from './index.ts'

/** Variables for handlers behind {@link honoAgent}, read with `c.get`. */
export interface VerifiedVariables {
  agent: VerifiedAgent
}

/** Options of {@link honoAgent}. */
export interface HonoAgentOptions extends VerifyOptions {
  /** Answers a refused request; by default with problem details. */
  readonly refuse?: (error: AgentError, c: Context) => Response | Promise<Response>
}

/**
 * `verifyAgent` as Hono middleware: sets `c.get('agent')`, and answers refused requests. Errors of
 * handlers, also of `requireScope`, go to `app.onError`; Hono's default answers an `AgentError`
 * with problem details. Throws a `TypeError` for invalid options.
 * @example
 * ```ts
 * import { honoAgent } from 'edgewarden-origin/hono'
 * import { Hono } from 'hono'
 *
 * const agents = honoAgent({ gate: 'https://api.example.com', audience: 'https://origin.example.com' })
 * export const app = new Hono().use(agents).get('/v1/notes', (c) => c.json({ by: c.get('agent').id }))
 * ```
 */
export function honoAgent({
  refuse = refusal,
  ...options
}: HonoAgentOptions): MiddlewareHandler<{ Variables: VerifiedVariables }> {
  const verify = createAgentVerifier(options)
  return async (c, next) => {
    try {
      c.set('agent', await verify(c.req.raw, { waitUntil: waitUntilOf(c) }))
    } catch (error) {
      if (error instanceof AgentError) return refuse(error, c)
      throw error
    }
    return next()
  }
}

/** Hono throws on runtimes without an execution context. */
const waitUntilOf = (c: Context) => {
  try {
    const { executionCtx } = c
    return (promise: Promise<unknown>) => executionCtx.waitUntil(promise)
  } catch {
    return undefined
  }
}
