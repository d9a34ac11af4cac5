import type { RequestHead } from '../base/request.ts'
import type { Decision } from '../guard/guard.ts'
import { methods } from '../guard/stages/possession.ts'

/**
 * Answers a request for a protected resource's metadata (RFC 9728 §3.2), from the same table as the
 * rules. `undefined` for other requests. Empty lists are left out.
 */
export function metadataAnswer(
  { method }: Pick<RequestHead, 'method'>,
  { known: { route, policy } }: Decision,
): Response | undefined {
  if (route?.endpoint !== 'metadata' || !policy) return undefined
  if (method === 'OPTIONS') {
    return new Response(null, {
      status: 204,
      headers: { Allow: 'GET, HEAD, OPTIONS', 'Access-Control-Allow-Origin': '*' },
    })
  }
  const info = policy.resources.get(route.resource)
  const list = (name: string, values: readonly string[] = []) =>
    values.length > 0 ? { [name]: values } : {}
  const body = {
    resource: route.resource,
    ...list('authorization_servers', info?.authorizationServers),
    ...list('scopes_supported', info?.scopes),
    ...list('authorization_details_types_supported', info?.detailTypes),
    ...Object.assign({}, ...methods.map(({ metadata }) => metadata)),
    // Named only where the gate itself takes tokens of the resource.
    ...(route.resource === policy.gate.resource && {
      edgewarden_revocation_endpoint: `${new URL(route.resource).origin}${policy.gate.prefix}/revoke`,
    }),
    ...(info?.needsPossession && { dpop_bound_access_tokens_required: true }),
  }
  return new Response(method === 'HEAD' ? null : JSON.stringify(body), {
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'public, max-age=300',
      'Access-Control-Allow-Origin': '*',
    },
  })
}
