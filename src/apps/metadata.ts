import type { Context, Next } from 'hono'
import { metadataAnswer } from '../answer/metadata.ts'
import type { AgentVariables } from '../hono.ts'

/** Serves a protected resource's metadata (RFC 9728) behind the guard; other requests go on. */
export const resourceMetadata = async <E extends { Variables: AgentVariables }>(
  c: Context<E>,
  next: Next,
): Promise<Response | undefined> => {
  const { req, var: variables } = c as unknown as Context<{ Variables: AgentVariables }>
  const answer = metadataAnswer(req.raw, variables.decision)
  if (!answer) await next()
  return answer
}
