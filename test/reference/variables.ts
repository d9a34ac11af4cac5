/** What a condition may read (docs/configuration/conditions.md, "Variables"). */
import type { Asked } from './asked.ts'
import type { Variables } from './conditions.ts'
import { callerOf } from './headers.ts'
import type { Parameters } from './parameters.ts'
import type { Route } from './route.ts'
import type { Verified } from './verification.ts'

/** The variables of a condition. What is not known is left out. */
export function variablesOf(
  { policy, request, host }: Asked,
  { path, params }: Route,
  parameters: Parameters,
  { identity, step }: Verified,
): Variables {
  const [actor] = identity.actors
  const ip = callerOf(policy, request)
  return {
    token: identity.claims,
    agent: {
      id: identity.id,
      name: identity.name,
      issuer: identity.issuer.issuer,
      subject: identity.subject,
      client_id: identity.client,
      type: identity.type,
      types: identity.types,
      workflow_id: identity.workflow,
      step,
      actor,
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
      ip,
      country: request.country,
      asn: request.asn,
      colo: request.colo,
      tls: request.tls,
      bot_score: request.botScore,
    },
    now: request.now,
  }
}
