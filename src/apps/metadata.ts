import type { Handler } from 'hono'
import type { GateEnv } from './context.ts'

/**
 * RFC 9728 §3.2: what a client needs to know to get a token for one resource, from the same table
 * as the rules. Empty lists are left out.
 */
export const metadata: Handler<GateEnv> = (c, next) => {
  const { route } = c.get('decision').known
  if (route?.endpoint !== 'metadata') return next()
  if (c.req.raw.method === 'OPTIONS') {
    return c.body(null, 204, { Allow: 'GET, HEAD, OPTIONS', 'Access-Control-Allow-Origin': '*' })
  }
  const info = c.get('policy').resources.get(route.resource)
  const list = (name: string, values: readonly string[] = []) =>
    values.length > 0 ? { [name]: values } : {}
  return c.json(
    {
      resource: route.resource,
      ...list('authorization_servers', info?.authorizationServers),
      ...list('scopes_supported', info?.scopes),
      bearer_methods_supported: ['header'],
    },
    200,
    { 'Cache-Control': 'public, max-age=300' },
  )
}
