import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { DENIED } from './apis.ts'
import { METADATA, MODELS, PEOPLE, SCOPES, TOOLS, WRITE } from './places.ts'
import type { Judge } from './proxy.ts'

/** What MCP asks of a server by itself: metadata, a 401 without a good token, a 403 for a scope that is missing. */
export function bearerJudge(base: string, [agents, people]: readonly [string, string]): Judge {
  const jwks = (issuer: string) => createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const keys = { [agents]: jwks(agents), [people]: jwks(people) }
  return async (req, body) => {
    const [path = ''] = (req.url ?? '').split('?')
    const issuer = path.includes(PEOPLE) ? people : agents
    const json = (status: number, value: object, headers = {}) => ({
      ...{ status, headers: { 'content-type': 'application/json', ...headers } },
      body: JSON.stringify(value),
    })
    if (path.startsWith(METADATA)) {
      const resource = base + path.slice(METADATA.length)
      return json(200, { resource, authorization_servers: [issuer], scopes_supported: SCOPES })
    }
    const refuse = (status: number, error: string, scope: string) =>
      json(
        status,
        { error },
        {
          'www-authenticate': `Bearer error="${error}", scope="${scope}", resource_metadata="${base}${METADATA}${path}"`,
        },
      )
    const token = /^Bearer (.+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? ''
    const audience = base + (path.startsWith(MODELS) ? MODELS : path)
    const claims = await jwtVerify(token, keys[issuer] as JWTVerifyGetKey, {
      issuer,
      audience,
    }).then(
      ({ payload }) => payload,
      () => undefined,
    )
    if (claims === undefined) return refuse(401, 'invalid_token', 'mcp:connect')
    if (DENIED.includes(`${req.method} ${path}`)) return refuse(403, 'insufficient_scope', 'admin')
    if (path.startsWith(MODELS)) return undefined
    const { id, method, params } = body === '' ? ({} as never) : JSON.parse(body)
    if (method !== 'tools/call') return undefined
    if (!Object.hasOwn(TOOLS, params.name)) {
      const error = { code: -32003, message: 'This tool is not allowed' }
      return json(200, { jsonrpc: '2.0', id, error })
    }
    const scopes = String(claims.scope).split(' ')
    if (params.name !== WRITE || scopes.includes('files:write')) return undefined
    return refuse(403, 'insufficient_scope', SCOPES.join(' '))
  }
}
