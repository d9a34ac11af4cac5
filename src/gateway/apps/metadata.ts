import type { Context, Next } from 'hono'
import { metadataAnswer } from '../answer/metadata.ts'
import type { AgentVariables } from './guard-middleware.ts'

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
