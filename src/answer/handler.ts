import { chainDenials } from '../base/chain.ts'
import { fail, type Result } from '../base/result.ts'
import type { Decision } from '../guard.ts'
import { deciderOf } from './deciders.ts'
import { fitted } from './deliver.ts'
import { type ForwardFault, isBodiless } from './forward.ts'
import { setMcpHeaders } from './mcp/request.ts'

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
  return new Request(url, {
    method,
    headers,
    signal,
    ...(!isBodiless(method) && { body: held.bytes }),
    ...(cf !== undefined && { cf }),
  })
}

/**
 * The answer of a handler for an MCP server as the caller gets it, as if it had come from an origin: the session
 * sealed, without what the caller may not use, and cut when the token ends; a denial where that cannot be
 * done. On rules without `mcp` the answer itself.
 */
export const fromHandler = async (
  answer: Response,
  request: Request,
  decision: Decision,
): Promise<Result<Response, ForwardFault>> => {
  const ports = deciderOf(decision)
  if (!ports) return fail({ denial: chainDenials('unavailable') })
  const changeable = new Response(answer.body, answer)
  return fitted(changeable, request, { decision, ports, isMortal: true, isRaw: true })
}
