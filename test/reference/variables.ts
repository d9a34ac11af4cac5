/** What a condition may read (docs/configuration/conditions.md, "Variables"). */
import type { Variables } from './conditions.ts'
import { callerOf } from './headers.ts'
import type { Identity } from './identity.ts'
import type { Parameters } from './parameters.ts'
import type { Policy } from './policy.ts'
import type { Request } from './types.ts'

/** The parts of a request that a condition may read. */
export interface Readable {
  request: Request
  host: string
  path: string
  params: Record<string, string>
  parameters: Parameters
  identity: Identity
  step: string | undefined
}

/** The variables of a condition. What is not known is left out. */
export function variablesOf(policy: Policy, readable: Readable): Variables {
  const { request, host, path, params, parameters, identity, step } = readable
  const [actor] = identity.actors
  const ip = callerOf(policy, request)
  return {
    token: identity.claims,
    agent: {
      id: identity.id,
      name: identity.name,
      issuer: identity.issuer.issuer,
      ...(identity.subject !== undefined && { subject: identity.subject }),
      ...(identity.client !== undefined && { client_id: identity.client }),
      ...(identity.type !== undefined && { type: identity.type }),
      types: identity.types,
      ...(identity.workflow !== undefined && { workflow_id: identity.workflow }),
      ...(step !== undefined && { step }),
      ...(actor !== undefined && { actor: { sub: actor.sub, issuer: actor.issuer } }),
      depth: identity.actors.length,
      scopes: identity.scopes,
    },
    request: {
      method: request.method,
      host,
      path,
      params,
      headers: parameters.headers,
      query: parameters.query,
      ...(ip !== undefined && { ip }),
      ...(request.country !== undefined && { country: request.country }),
      ...(request.asn !== undefined && { asn: request.asn }),
      ...(request.colo !== undefined && { colo: request.colo }),
      ...(request.tls !== undefined && { tls: request.tls }),
      ...(request.botScore !== undefined && { bot_score: request.botScore }),
    },
    now: request.now,
  }
}
