import type { Context, MiddlewareHandler } from 'hono'
import {
  AgentError,
  createAgentVerifier,
  refusal,
  type VerifiedAgent,
  type VerifyOptions,
} from './index.ts'

/** What handlers behind {@link honoAgent} read with `c.get`. */
export interface VerifiedVariables {
  agent: VerifiedAgent
}

/** What {@link honoAgent} verifies, and how it answers. */
export interface HonoAgentOptions extends VerifyOptions {
  /** Answers a refused request; by default with problem details. */
  readonly refuse?: (error: AgentError, c: Context) => Response | Promise<Response>
}

/**
 * `verifyAgent` as Hono middleware: handlers behind it have `c.get('agent')`, and a request that is
 * refused never reaches them. What a handler throws, `requireScope`'s error too, is the matter of
 * `app.onError`; Hono's own answers an `AgentError` with problem details. Throws a `TypeError` for
 * options that make no sense.
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

/** Hono throws where the runtime has no such thing. */
const waitUntilOf = (c: Context) => {
  try {
    const { executionCtx } = c
    return (promise: Promise<unknown>) => executionCtx.waitUntil(promise)
  } catch {
    return undefined
  }
}
