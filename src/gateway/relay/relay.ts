import { chainDenials } from '../../core/chain.ts'
import type { Denial } from '../../core/denial.ts'
import type { Decision } from '../../core/guard.ts'
import { fail, ok, onceKnown, type Result } from '../../core/result.ts'
import { mcpAnswer } from '../../mcp/answer/answer.ts'
import { type ForwardFault, forward, type Send } from './forward.ts'
import { toAgent } from './response.ts'
import { limitedToToken, type StreamContext } from './streams.ts'
import { withoutSecrets } from './without-secrets.ts'

/** What a request is relayed with. */
export interface RelayOptions {
  readonly send: Send
  readonly requestId: string
  /** The caller's address, where it is known. */
  readonly clientIp?: string | undefined
  /** As of `StreamContext`. */
  readonly isFetched: boolean
}

/** What came of a relayed request: the origin's answer as its caller gets it, or why there is none. */
export interface Relayed {
  readonly answer: Result<Response, Denial>
  /** What the origin has answered, where it has. */
  readonly origin?: { readonly status: number; readonly requestId?: string | undefined } | undefined
}

/**
 * Sends a request that may go on to its origin, and makes the answer its caller's. In this order: the request's
 * headers, `fetch`, the answer's headers, secrets, what an MCP caller may not use, the end of its token. Whatever
 * has not to be changed is the origin's own. Decides nothing; adds no CORS headers.
 */
export async function relay(
  request: Request,
  decision: Decision,
  { send, requestId, clientIp, isFetched }: RelayOptions,
): Promise<Relayed> {
  const { route, address, policy, limited } = decision.known
  if (!route || !address || !policy || route.endpoint) {
    return { answer: fail(chainDenials('unavailable')) }
  }
  const sent = await forward(request, {
    policy,
    route,
    address,
    decision,
    requestId,
    clientIp,
    send,
  })
  if (!sent.ok) {
    const { denial, status } = sent.reason
    return { answer: fail(denial), ...(status !== undefined && { origin: { status } }) }
  }
  const { status } = sent.value
  const { method } = request
  const tellsId = policy.gate.requestId === 'always'
  const about = {
    route,
    address,
    requestId,
    method,
    tellsId,
    // A preflight that shadow mode let through is the origin's to answer.
    keepsCors: method === 'OPTIONS' && decision.outcome === 'denied',
    limited,
  }
  const searched = withoutSecrets(toAgent(sent.value, about), route)
  // Read from the masked answer: an origin may repeat a secret in it.
  const id = searched.headers.get(tellsId ? 'x-origin-request-id' : 'x-request-id')
  const origin = { status, requestId: id ?? undefined }
  const finishing = finished(searched, request, { decision, isFetched })
  const told = finishing instanceof Promise ? await finishing : finishing
  return { answer: told.ok ? told : fail(told.reason.denial), origin }
}

/**
 * An answer without what an MCP caller may not use, and with an end when its token ends. A denial where it cannot
 * be read though it must.
 */
export function finished(
  answer: Response,
  request: Request,
  context: StreamContext,
): Result<Response, ForwardFault> | Promise<Result<Response, ForwardFault>> {
  return context.decision.known.route?.mcp
    ? finishedMcp(answer, request, context)
    : onceKnown(limitedToToken(answer, request, context), ok)
}

const finishedMcp = async (
  answer: Response,
  request: Request,
  { decision, isFetched }: StreamContext,
): Promise<Result<Response, ForwardFault>> => {
  const filtered = await mcpAnswer(answer, request, decision)
  if (!filtered.ok) return filtered
  const { response, body } = filtered.value
  if (body === 'whole') return ok(response)
  const context = { decision, isFetched: isFetched && body === 'own' }
  return ok(await limitedToToken(response, request, context))
}
