import { Hono } from 'hono'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { createGuard, createMemoryRevocations, parsePolicy, revocationId } from '../src/index.ts'

const RESOURCE = 'https://api.example.com'
const ISSUER = 'https://auth.example.com'

const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256' }
const parsed = parsePolicy({
  GATE: {
    resource: RESOURCE,
    origin: 'https://origin.example.com',
    revocation: { consistency: 'bounded', max_staleness: '1s' },
  },
  ISSUERS: { acme: { issuer: ISSUER, jwks: { keys: [jwk] } } },
  ROUTES: [
    {
      match: 'GET,POST,DELETE /mcp',
      scopes: ['mcp'],
      mcp: { tools: { a: [] } },
      on_revocation: 'end-all',
    },
  ],
})
if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
const revocations = createMemoryRevocations({ clock: { now: () => Date.now() } })
const guard = createGuard(parsed.value.policy, { revocations })

const tokenOf = (id: string) =>
  new SignJWT({ client_id: 'planner', scope: 'mcp' })
    .setProtectedHeader({ alg: 'ES256', kid: 'key-1', typ: 'at+jwt' })
    .setIssuer(ISSUER)
    .setAudience(RESOURCE)
    .setSubject('planner')
    .setJti(id)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
const token = await tokenOf('token-1')

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

/** Calls a tool of a server that answers with this. */
const callWith = async (answer: Response, bearer = token) => {
  const server = new Hono<{ Variables: AgentVariables }>()
    .use(agentGuard(guard))
    .all('/mcp', () => answer)
  return server.request(`${RESOURCE}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a' } }),
  })
}

const SIZE = 200_000

it.each<[string, () => TransformStream<Uint8Array, Uint8Array>, object]>([
  ['an identity stream', () => new IdentityTransformStream(), {}],
  ['a stream of a length', () => new FixedLengthStream(SIZE), {}],
  ['one whose length is told', () => new FixedLengthStream(SIZE), { 'content-length': `${SIZE}` }],
])('%s of a handler arrives whole', async (_, make, headers) => {
  const { readable, writable } = make()
  const writing = (async () => {
    const writer = writable.getWriter()
    for (let i = 0; i < 4; i++) await writer.write(new Uint8Array(SIZE / 4))
    await writer.close()
  })()
  const type = { 'content-type': 'application/octet-stream', ...headers }
  const answer = await callWith(new Response(readable, { headers: type }))
  expect((await answer.arrayBuffer()).byteLength).toBe(SIZE)
  await writing
})

it.each([{}, { 'content-length': `${SIZE}` }])(
  'a body that a handler makes is cut when its token is revoked: %j',
  async (headers) => {
    const id = `token-${JSON.stringify(headers)}`
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(100)),
      cancel: () => {
        isCancelled = true
      },
    })
    const type = { 'content-type': 'application/octet-stream', ...headers }
    const answer = await callWith(new Response(body, { headers: type }), await tokenOf(id))
    const subject = { kind: 'token', issuer: ISSUER, value: id } as const
    const entry = { ...subject, id: await revocationId(subject, 'block'), mode: 'block' } as const
    await revocations.add([{ ...entry, created: Math.floor(Date.now() / 1000), createdBy: 'test' }])
    await expect(answer.arrayBuffer()).rejects.toThrow()
    expect(isCancelled).toBe(true)
  },
)
