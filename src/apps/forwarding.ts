import { fetchOrigin } from '../adapters/fetch-origin.ts'
import { createMemoryRevocations } from '../adapters/revocations/memory.ts'
import { createSessions } from '../adapters/sessions.ts'
import { system } from '../adapters/system.ts'
import { deciderOf } from '../answer/deciders.ts'
import { deliver } from '../answer/deliver.ts'
import { type Send, forward as send } from '../answer/forward.ts'
import { originalOf } from '../answer/handler.ts'
import type { McpPorts } from '../answer/mcp/answer.ts'
import { metadataAnswer } from '../answer/metadata.ts'
import { requestIdOf } from '../answer/request-id.ts'
import { answerRefusal, respond } from '../answer/respond.ts'
import { isPreflight } from '../base/request.ts'
import { createRooms } from '../base/room.ts'
import type { Decision } from '../guard.ts'
import { routeDenials } from '../stages/route.ts'

const { clock } = system

/** Of a decision that was made by another guard: its token expires, and what it revokes is not known. */
const ELSEWHERE: McpPorts = {
  clock,
  revocations: createMemoryRevocations({ clock }),
  sessions: createSessions({ keys: { signing: () => undefined }, clock }),
  bodies: createRooms(clock),
}

/** How {@link forward} sends a request on. */
export interface ForwardOptions {
  /** By default `fetch`. */
  readonly send?: Send
  /** By default the caller's `X-Request-Id`, or a new one. */
  readonly requestId?: string
  /** The caller's address, for `X-Forwarded-For`. */
  readonly clientIp?: string
}

/**
 * Sends a request that may go on to its origin, with the verified identity, and gives back what the
 * agent gets: the origin's answer, or a problem where there is none. A request that must not go on
 * is refused here as well. Serves the resource's metadata. Adds no CORS headers: a preflight, which
 * needs no token, is answered without any and never sent on. A body that somebody has read before is refused,
 * never sent as an empty one.
 */
export const forward = async (
  asked: Request,
  decision: Decision,
  { send: sendBy = fetchOrigin, ...given }: ForwardOptions = {},
): Promise<Response> => {
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
  const ports = deciderOf(decision)
  const sent = await send(request, {
    policy,
    route,
    address,
    decision,
    requestId,
    clientIp,
    ports: ports ?? ELSEWHERE,
    send: sendBy,
  })
  if (!sent.ok) return answerRefusal(request, sent.reason.denial, decision)
  const { limited } = decision.known
  const delivered = await deliver(sent.value, request, {
    route,
    address,
    requestId,
    limited,
    decision,
    ports: ports ?? ELSEWHERE,
    isMortal: ports !== undefined,
    isFetched: sendBy === fetchOrigin,
  })
  return delivered.ok ? delivered.value : answerRefusal(request, delivered.reason.denial, decision)
}
