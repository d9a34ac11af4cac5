import { chainDenials } from '../base/chain.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Decision } from '../guard.ts'
import { deciderOf, isDelivered } from './deciders.ts'
import { fitted } from './deliver.ts'
import { type ForwardFault, isBodiless } from './forward.ts'
import { setMcpHeaders } from './mcp/request.ts'

/** By the request that a handler has: the one it came with. */
const originals = new WeakMap<Request, Request>()

/** What its caller has sent, where a request is that of {@link toHandler}; any other as it is. */
export const originalOf = (request: Request): Request => originals.get(request) ?? request

/**
 * The request as a handler in the same process gets it: with its body once more where that has been read,
 * and for an MCP server with the session id and the mirrored headers that are its own. Any other is the same.
 */
export const toHandler = (request: Request, decision: Decision): Request => {
  const { held, operation } = decision.known
  if (decision.outcome !== 'passed' || !held) return request
  const { url, method, signal, cf } = request as Request & { readonly cf?: unknown }
  const headers = new Headers(request.headers)
  if (operation) setMcpHeaders(headers, operation)
  const handed = new Request(url, {
    method,
    headers,
    signal,
    ...(!isBodiless(method) && { body: held.bytes }),
    ...(cf !== undefined && { cf }),
  })
  originals.set(handed, request)
  return handed
}

/**
 * The answer of a handler for an MCP server as the caller gets it, as if it had come from an origin: the session
 * sealed, without what the caller may not use, and cut when the token ends; a denial where that cannot be
 * done. On rules without `mcp`, and where it did come from an origin, the answer itself.
 */
export const fromHandler = async (
  answer: Response,
  request: Request,
  decision: Decision,
): Promise<Result<Response, ForwardFault>> => {
  if (isDelivered(decision)) return ok(answer)
  const ports = deciderOf(decision)
  if (!ports) return fail({ denial: chainDenials('unavailable') })
  const changeable = new Response(answer.body, answer)
  return fitted(changeable, request, { decision, ports, isMortal: true, isRaw: true })
}
