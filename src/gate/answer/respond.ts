import type { Denial } from '../base/denial.ts'
import type { RequestHead } from '../base/request.ts'
import { type Decision, type Facts, refusalOf } from '../guard/guard.ts'
import type { Policy } from '../model/policy.ts'
import { refusalFor } from './dialects.ts'
import { eventForm } from './event-form.ts'
import { mcpRefusal } from './mcp-refusal.ts'
import { oauthForm } from './oauth.ts'
import { problem } from './problem.ts'

/**
 * The answer to a refusal: problem details (RFC 9457) with the challenge, a JSON-RPC error for a
 * request to an MCP server, or the form of another dialect. `extra`: see {@link problem}.
 */
export function answerRefusal(
  request: RequestHead,
  denial: Denial,
  decision: Pick<Decision, 'known'> | undefined,
  requestId: string = requestIdOf(request),
  policy: Policy | undefined = decision?.known.policy,
  extra?: Parameters<typeof problem>[2],
): Response {
  const { method } = request
  const { route, operation, limited }: Partial<Facts> = decision?.known ?? {}
  const docs = policy?.gate.denialDocs
  const context = { requestId, method, route, operation, docs, limited }
  if (route?.mcp) return mcpRefusal(problem(denial, context, extra), denial, route.mcp, context)
  const formOf =
    route?.endpoint === 'revoke'
      ? oauthForm(denial)
      : route?.endpoint === 'events'
        ? eventForm(denial)
        : refusalFor(request, denial)
  return problem(denial, { ...context, formOf }, extra)
}

/**
 * The answer to a request the gate refuses; `undefined` for any other. Adds no CORS headers.
 * @example
 * ```ts
 * import { type Guard, respond } from 'edgewarden'
 *
 * export async function handle(guard: Guard, request: Request) {
 *   const decision = await guard(request)
 *   const refused = respond(request, decision)
 *   if (refused) return refused
 *   return Response.json({ by: decision.known.agent?.name })
 * }
 * ```
 */
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
