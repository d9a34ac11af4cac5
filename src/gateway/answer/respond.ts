import type { Denial } from '../../core/denial.ts'
import { type Decision, refusalOf } from '../../core/guard.ts'
import type { RequestHead } from '../../core/request.ts'
import { refusal } from '../../mcp/refusal.ts'

/**
 * The answer to a refusal: problem details (RFC 9457), of one request to an MCP server an error of JSON-RPC,
 * with the challenge where one is due.
 */
export function answerRefusal(
  request: RequestHead,
  denial: Denial,
  { known, steps }: Decision,
): Response {
  const { method } = request
  const { route, operation, limited } = known
  const requestId = requestIdOf(request)
  return refusal(denial, { requestId, method, route, operation, steps, limited })
}

/**
 * The answer to a request that must not go on; `undefined` for one that may. Adds no CORS headers.
 */
export function respond(request: RequestHead, decision: Decision): Response | undefined {
  const denial = refusalOf(decision)
  return denial && answerRefusal(request, denial, decision)
}

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/

/** The caller's `X-Request-Id` where it is one that can be passed on, else a new one. */
export function requestIdOf({ headers }: RequestHead, fresh: string = crypto.randomUUID()): string {
  const inbound = headers.get('x-request-id')
  return inbound !== null && REQUEST_ID.test(inbound) ? inbound : fresh
}
