import { ok, type Result } from '../base/result.ts'
import type { Decision } from '../guard.ts'
import type { ForwardFault } from './forward.ts'
import { isWhole, type McpPorts, mcpAnswer } from './mcp/answer.ts'
import { isRead } from './origin-headers.ts'
import { type ToAgent, toAgent } from './response.ts'
import { answerWith, mortal } from './streams.ts'

/** What an origin's answer is handed on with. */
export interface Delivery extends Omit<ToAgent, 'changed'> {
  readonly decision: Decision
  readonly ports: McpPorts
  /** Whether it ends when its token does. */
  readonly isMortal: boolean
  /** As of {@link StreamContext}. */
  readonly isFetched: boolean
}

/**
 * An origin's answer as its caller gets it: headers made the agent's, secrets and what an MCP caller may not
 * use taken out, and an end when its token ends. A denial where it cannot be read though it must.
 */
export const deliver = async (
  sent: Response,
  request: Request,
  { decision, ports, isMortal, isFetched, ...about }: Delivery,
): Promise<Result<Response, ForwardFault>> => {
  const context = { decision, ports, isMortal, isFetched }
  if (isRead(about.route)) return fitted(toAgent(sent, about), request, context)
  // Nothing looks into it: one copy of the answer, with the body it is sent with, as its origin describes that.
  const changed = isMortal ? await mortal(sent, request, context) : undefined
  return ok(toAgent(sent, { ...about, changed }))
}

/**
 * An answer, whose headers can be changed, without what an MCP caller may not use, and with an end when its
 * token ends. A denial where it cannot be read though it must.
 */
export const fitted = async (
  answer: Response,
  request: Request,
  {
    decision,
    ports,
    isMortal,
    isFetched,
  }: Pick<Delivery, 'decision' | 'ports' | 'isMortal' | 'isFetched'>,
): Promise<Result<Response, ForwardFault>> => {
  const told = await mcpAnswer(answer, request, decision, ports)
  if (!told.ok || !isMortal || isWhole(told.value)) return told
  const changed = await mortal(told.value, request, { decision, ports, isFetched })
  return ok(changed ? answerWith(told.value, changed) : told.value)
}
