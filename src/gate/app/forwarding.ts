import { metadataAnswer } from '../answer/metadata.ts'
import { answerRefusal, requestIdOf, respond } from '../answer/respond.ts'
import { isPreflight } from '../base/request.ts'
import type { Decision } from '../guard/guard.ts'
import { routeDenials } from '../guard/stages/route.ts'
import { originalOf } from '../relay/handler.ts'
import type { Send } from '../relay/origin/send.ts'
import { relay } from '../relay/relay.ts'
import { fetchOrigin } from './platform/fetch-origin.ts'

export interface ForwardOptions {
  /** By default `fetch`. */
  readonly send?: Send
  /** By default the caller's `X-Request-Id`, or a new one. */
  readonly requestId?: string
  /** The caller's address, for `X-Forwarded-For`. */
  readonly clientIp?: string
}

/**
 * Forwards an allowed request with the verified identity, and returns the origin's answer or a
 * problem. Refuses a denied request, and one whose body was already read. Serves the resource's
 * metadata. Adds no CORS headers: a preflight gets an empty 204 and is not forwarded.
 * @example
 * ```ts
 * import { forward, type Guard } from 'edgewarden'
 *
 * type App = (request: Request) => Promise<Response>
 * export const inFrontOf = (app: App, guard: Guard) => async (request: Request) =>
 *   forward(request, await guard(request, { isFollowed: true }), {
 *     send: (_, url, init) => app(new Request(url, init)),
 *   })
 * ```
 */
export async function forward(
  asked: Request,
  decision: Decision,
  { send = fetchOrigin, ...given }: ForwardOptions = {},
): Promise<Response> {
  const request = originalOf(asked)
  const early = respond(request, decision) ?? metadataAnswer(request, decision)
  if (early) return early
  const { route, address, policy } = decision.known
  if (route?.cors && decision.outcome === 'ended' && isPreflight(request)) {
    return new Response(null, { status: 204 })
  }
  if (!route || !address || !policy || route.endpoint) {
    return answerRefusal(request, routeDenials('route_unknown'), decision)
  }
  const { requestId = requestIdOf(request), clientIp } = given
  const { answer } = await relay(request, decision, {
    send,
    requestId,
    clientIp,
    isFetched: send === fetchOrigin,
  })
  return answer.ok ? answer.value : answerRefusal(request, answer.reason, decision)
}
