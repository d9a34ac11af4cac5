import type { Decision } from '../../core/guard.ts'
import { fail, type Result } from '../../core/result.ts'
import { type ForwardFault, isBodiless, refusedAnswer } from '../relay/forward.ts'
import { handlerHeaders } from '../relay/origin-headers.ts'
import { finished } from '../relay/relay.ts'

/** By the request that a handler has: the one it came with. */
const originals = new WeakMap<Request, Request>()

/** What its caller has sent, where a request is that of {@link toHandler}; any other as it is. */
export function originalOf(request: Request): Request {
  return originals.get(request) ?? request
}

/**
 * The request as a handler in the same process gets it: with its body once more where that has been read,
 * and for an MCP server with the headers that one behind the gate gets. Any other is the same.
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
 * The answer of a handler for an MCP server as the caller gets it, as if it had come from an origin: the session
 * sealed, without what the caller may not use, and cut when the token ends; a denial where that cannot be
 * done.
 */
export async function fromHandler(
  answer: Response,
  request: Request,
  decision: Decision,
): Promise<Result<Response, ForwardFault>> {
  const { route } = decision.known
  const refused = route && refusedAnswer(answer, route)
  if (!refused) return finished(answer, request, { decision, isFetched: false })
  await answer.body?.cancel().catch(() => {})
  return fail({ denial: refused })
}
