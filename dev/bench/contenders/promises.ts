import { type BenchEnv, refuse } from './env.ts'

/** The claims that the origin and the journal are told. */
export interface Claims {
  readonly sub: string
  readonly client_id: string
  readonly jti: string
  readonly exp: number
  readonly scope: string
  readonly agent_type: string
  readonly workflow_id: string
}

/** Names that are the gate's word, another proxy's, the agent's credential, or end at this hop. */
const REMOVED =
  /^(?:x-(?:agent|forwarded|original|remote|ssl|client-cert|auth-request|http-method)|cf-|client-cert|(?:authorization|dpop|forwarded|via|x-real-ip|true-client-ip|x-rewrite-url|x-method-override|remote-user|x-request-id|proxy-authenticate|proxy-authorization|proxy-connection|connection|keep-alive|te|trailer|transfer-encoding|upgrade)$)/

const ROUTES = [
  { method: 'POST', path: /^\/v1\/chat\/completions$/, scope: 'chat:write' },
  { method: 'GET', path: /^\/v1\/documents\/[^/]+$/, scope: 'documents:read' },
  { method: 'POST', path: /^\/v1\/files$/, scope: 'documents:write' },
] as const

/** Does by hand what the gate promises the origin and the journal, for a token that is verified. */
export const keepPromises = async (
  request: Request,
  env: BenchEnv,
  { claims, kid, possession }: { claims: Claims; kid?: string | undefined; possession: string },
): Promise<Response> => {
  const { method, url } = request
  const { pathname, host, protocol } = new URL(url)
  const route = ROUTES.find((one) => one.method === method && one.path.test(pathname))
  if (!(route && claims.scope.split(' ').includes(route.scope))) return refuse()
  const time = new Date().toISOString()
  const requestId = request.headers.get('x-request-id') ?? crypto.randomUUID()
  const headers = new Headers(request.headers)
  for (const name of request.headers.keys()) if (REMOVED.test(name)) headers.delete(name)
  headers.set('X-Agent-Id', `acme/${claims.client_id}`)
  headers.set('X-Agent-Issuer', env.ISSUER)
  headers.set('X-Agent-Subject', claims.sub)
  headers.set('X-Agent-Client-Id', claims.client_id)
  headers.set('X-Agent-Type', claims.agent_type)
  headers.set('X-Agent-Workflow-Id', claims.workflow_id)
  headers.set('X-Agent-Scope', claims.scope)
  headers.set('X-Agent-Grant', route.scope)
  headers.set('X-Agent-Token-Id', claims.jti)
  headers.set('X-Agent-Token-Expires', String(claims.exp))
  headers.set('X-Agent-Possession', possession)
  headers.set('X-Forwarded-For', request.headers.get('cf-connecting-ip') ?? '')
  headers.set('X-Forwarded-Proto', protocol.slice(0, -1))
  headers.set('X-Forwarded-Host', host)
  headers.set('Via', '1.1 bench')
  headers.set('X-Request-Id', requestId)
  const { body } = request
  const answer = await env.ORIGIN.fetch(url, { method, headers, body, redirect: 'manual' })
  console.log(
    JSON.stringify({
      v: 1,
      id: crypto.randomUUID(),
      time,
      request_id: requestId,
      route: `${method} ${pathname}`,
      decision: 'allowed',
      mode: 'enforce',
      issuer: env.ISSUER,
      kid,
      agent: claims.client_id,
      client: claims.client_id,
      jti: claims.jti,
      subject: claims.sub,
      workflow: claims.workflow_id,
      grant: [route.scope],
      origin_status: answer.status,
    }),
  )
  return answer
}
