import { chainDenials } from '../base/chain.ts'
import type { Denial } from '../base/denial.ts'
import { type RequestParts, SentHeaders } from '../base/request.ts'
import { fail, ok, onceKnown, type Result } from '../base/result.ts'
import type { Decision } from '../guard/guard.ts'
import { type ForwardContext, forward } from './forward.ts'
import { mcpAnswer } from './mcp/answer.ts'
import { toAgent } from './response.ts'
import { limitedToToken, type StreamContext } from './streams/streams.ts'
import { withoutSecrets } from './streams/without-secrets.ts'

type RelayOptions = Pick<ForwardContext, 'send' | 'requestId' | 'clientIp'> &
  Pick<StreamContext, 'isFetched'>

/** The result of a relayed request: the answer for the caller, or a denial. */
export interface Relayed {
  readonly answer: Result<Response, Denial>
  /** The origin's status and request id, if it has answered. */
  readonly origin?: { readonly status: number; readonly requestId?: string | undefined } | undefined
}

/**
 * Forwards an allowed request and prepares the answer. In order: request headers, `fetch`, answer
 * headers, secrets, MCP filters, token expiry. Unchanged parts are the origin's own. Decides
 * nothing; adds no CORS headers. The request counts as in progress until its answer begins, or ends if
 * the gate watches it.
 */
export async function relay(
  request: RequestParts,
  decision: Decision,
  options: RelayOptions,
): Promise<Relayed> {
  try {
    return await relayed(request, decision, options)
  } finally {
    if (!decision.isOpen) decision.leave?.()
  }
}

const relayed = async (
  request: RequestParts,
  decision: Decision,
  { isFetched, send, requestId, clientIp }: RelayOptions,
): Promise<Relayed> => {
  const { route, address, policy, limited, nonce } = decision.known
  if (!route || !address || !policy || route.endpoint) {
    return { answer: fail(chainDenials('unavailable')) }
  }
  const context = { policy, route, address, decision, send, requestId, clientIp }
  const sent = await forward(request, context)
  if (!sent.ok) {
    const { denial, status } = sent.reason
    return { answer: fail(denial), ...(status !== undefined && { origin: { status } }) }
  }
  const response = sent.value
  const { status } = response
  const { method } = request
  const tellsId = policy.gate.requestId === 'always'
  const about = {
    route,
    address,
    requestId,
    method,
    tellsId,
    // In shadow mode the origin answers a denied preflight.
    keepsCors: method === 'OPTIONS' && decision.outcome === 'denied',
    limited,
    nonce,
  }
  const read = new SentHeaders(response.headers)
  const searched = withoutSecrets(toAgent(response, about, read), route)
  const headers = searched === response ? read : searched.headers
  // Read from the masked answer, since the id may contain a secret.
  const id = headers.get(tellsId ? 'x-origin-request-id' : 'x-request-id')
  const origin = { status, requestId: id ?? undefined }
  const finishing = finished(searched, request, { decision, isFetched, headers })
  return { answer: finishing instanceof Promise ? await finishing : finishing, origin }
}

/**
 * Filters an MCP answer, and ends the answer when its token ends. Returns a denial if it cannot be
 * read.
 */
export function finished(
  answer: Response,
  request: RequestParts,
  context: StreamContext,
): Result<Response, Denial> | Promise<Result<Response, Denial>> {
  return context.decision.known.route?.mcp
    ? finishedMcp(answer, request, context)
    : onceKnown(limitedToToken(answer, request, context), ok)
}

const finishedMcp = async (
  answer: Response,
  request: RequestParts,
  { decision, isFetched }: StreamContext,
): Promise<Result<Response, Denial>> => {
  const filtered = await mcpAnswer(answer, request, decision)
  if (!filtered.ok) return filtered
  const { response, body, openRequests } = filtered.value
  if (body === 'whole') return ok(response)
  const context = { decision, isFetched: isFetched && body === 'own', openRequests }
  return ok(await limitedToToken(response, request, context))
}
