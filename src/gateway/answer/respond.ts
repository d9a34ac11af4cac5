import type { Denial } from '../../core/denial.ts'
import { type Decision, refusalOf } from '../../core/guard.ts'
import type { RequestHead } from '../../core/request.ts'
import { refusal } from '../../mcp/refusal.ts'

/**
 * The answer to a refusal: problem details (RFC 9457) with the challenge, or a JSON-RPC error for a
 * request to an MCP server.
 */
export function answerRefusal(
  request: RequestHead,
  denial: Denial,
  { known, steps }: Decision,
): Response {
  const { method } = request
  const { policy, route, operation, limited } = known
  const requestId = requestIdOf(request)
  const docs = policy?.gate.denialDocs
  return refusal(denial, { requestId, method, route, operation, docs, steps, limited })
}

/** The answer to a request the gate refuses; `undefined` for any other. Adds no CORS headers. */
export function respond(request: RequestHead, decision: Decision): Response | undefined {
  const denial = refusalOf(decision)
  return denial && answerRefusal(request, denial, decision)
}

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/

/** The caller's `X-Request-Id` if well-formed, else a new one. */
export function requestIdOf({ headers }: RequestHead, fresh: string = crypto.randomUUID()): string {
  const inbound = headers.get('x-request-id')
  return inbound !== null && REQUEST_ID.test(inbound) ? inbound : fresh
}
