import type { Denial } from '../base/denial.ts'
import { fail, type Result } from '../base/result.ts'
import type { Decision } from '../guard/guard.ts'
import { isBodiless, refusedAnswer } from './forward.ts'
import { handlerHeaders } from './origin-headers.ts'
import { finished } from './relay.ts'

/** The caller's request, by the request that {@link toHandler} made of it. */
const originals = new WeakMap<Request, Request>()

/** The caller's request behind one of {@link toHandler}; any other request unchanged. */
export function originalOf(request: Request): Request {
  return originals.get(request) ?? request
}

/**
 * The request for a handler in the same process. A body that the gate has read is attached again.
 * An MCP server gets the headers that an origin would get. A request without a read body is
 * unchanged.
 */
export function toHandler(request: Request, decision: Decision): Request {
  if (decision.outcome !== 'passed' || !decision.known.held) return request
  const { route, held } = decision.known
  const { url, method, signal, redirect, cf } = request as Request & { readonly cf?: unknown }
  const handed = new Request(url, {
    method,
    redirect,
    signal,
    headers: route.mcp ? handlerHeaders(request.headers, decision.known) : request.headers,
    ...(!isBodiless(method) && { body: held.bytes }),
    ...(cf !== undefined && { cf }),
  })
  originals.set(handed, request)
  return handed
}

/**
 * Prepares an MCP handler's answer for the caller, like an origin's: seals the session, filters
 * lists, and cuts the stream when the token ends. Returns a denial if that fails.
 */
export async function fromHandler(
  answer: Response,
  request: Request,
  decision: Decision,
): Promise<Result<Response, Denial>> {
  const { route } = decision.known
  const refused = route && refusedAnswer(answer, route)
  if (!refused) return finished(answer, request, { decision, isFetched: false })
  await answer.body?.cancel().catch(() => {})
  return fail(refused)
}
