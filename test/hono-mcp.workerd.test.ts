import { Hono } from 'hono'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { createGuard, parsePolicy } from '../src/index.ts'

const RESOURCE = 'https://api.example.com'
const ISSUER = 'https://auth.example.com'

const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256' }
const parsed = parsePolicy({
  GATE: { resource: RESOURCE, origin: 'https://origin.example.com' },
  ISSUERS: { acme: { issuer: ISSUER, jwks: { keys: [jwk] } } },
  ROUTES: [{ match: 'GET,POST,DELETE /mcp', scopes: ['mcp'], mcp: { tools: { a: [] } } }],
})
if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
const guard = createGuard(parsed.value.policy)

const token = await new SignJWT({ client_id: 'planner', scope: 'mcp' })
  .setProtectedHeader({ alg: 'ES256', kid: 'key-1', typ: 'at+jwt' })
  .setIssuer(ISSUER)
  .setAudience(RESOURCE)
  .setSubject('planner')
  .setJti('token-1')
  .setIssuedAt()
  .setExpirationTime('5m')
  .sign(privateKey)

/** A server that names its session, and answers with what it was asked and with a list. */
const app = new Hono<{ Variables: AgentVariables }>()
  .use(agentGuard(guard))
  .all('/mcp', async (c) => {
    const asked = { session: c.req.header('mcp-session-id'), body: await c.req.json() }
    c.header('Mcp-Session-Id', 'own-1')
    const tools = ['a', 'b'].map((name) => ({ name, inputSchema: {} }))
    return c.json({ jsonrpc: '2.0', id: 1, result: { tools, _meta: { asked } } })
  })

const ask = async (session?: string) => {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const answer = await app.request(`${RESOURCE}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-11-25',
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify(message),
  })
  return { message, session: answer.headers.get('mcp-session-id'), told: await answer.json() }
}

it('an MCP server in a Worker of its own gets what it is asked, and is heard as far as it may be', async () => {
  const first = await ask()
  expect(first.told).toMatchObject({
    result: { tools: [{ name: 'a' }], _meta: { asked: { body: first.message } } },
  })
  expect(first.session).not.toContain('own-1')
  const second = await ask(first.session ?? '')
  expect(second.told).toMatchObject({ result: { _meta: { asked: { session: 'own-1' } } } })
  expect(second.session).toBe(first.session)
})
