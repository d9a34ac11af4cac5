import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  type ExchangeRequest,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { startOrigin } from '../../examples/demo/origin.ts'

const resource = 'http://127.0.0.1:8787'
// What form encoding has to carry through an Authorization header.
const secret = 'p+ss/w%rd: "#&='
const summarizer = {
  clientId: 'summarizer',
  clientSecret: secret,
  scopes: ['chat:write', 'documents:read'],
  agentType: 'assistant',
  workflowId: 'run-7',
}
const auditor = {
  clientId: 'auditor',
  clientSecret: 'another secret',
  scopes: ['audit:read'],
  tokenLifetime: 120,
}

const auditorAsks = { clientId: auditor.clientId, clientSecret: auditor.clientSecret }

describe('the authorization server', () => {
  let server: AuthorizationServer
  const request = { clientId: 'summarizer', clientSecret: secret, scope: 'chat:write', resource }

  beforeAll(async () => {
    server = await startAuthorizationServer({
      resource,
      furtherResources: [`${resource}/mcp`],
      clients: [summarizer, auditor],
    })
  })
  afterAll(() => server.close())

  it('issues RFC 9068 access tokens that verify against its key set', async () => {
    const token = await server.token({ ...request, scope: 'chat:write documents:read' })
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createRemoteJWKSet(new URL(server.jwksUri)),
      { issuer: server.issuer, audience: resource, typ: 'at+jwt', algorithms: ['ES256'] },
    )
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    expect(payload).toEqual({
      iss: server.issuer,
      sub: 'summarizer',
      client_id: 'summarizer',
      aud: resource,
      iat: expect.any(Number),
      exp: Number(payload.iat) + 300,
      jti: expect.any(String),
      scope: 'chat:write documents:read',
      agent_type: 'assistant',
      workflow_id: 'run-7',
    })
  })

  it('gives each token an id of its own', async () => {
    const tokens = await Promise.all([server.token(request), server.token(request)])
    const [first, second] = tokens.map((token) => decodeJwt(token).jti)
    expect(first).not.toBe(second)
  })

  it('uses lifetime and agent type of the client, and its one resource by default', async () => {
    const claims = decodeJwt(await server.token({ ...auditor, scope: 'audit:read' }))
    expect(claims).toMatchObject({ aud: resource, exp: Number(claims.iat) + 120 })
    expect(claims).not.toHaveProperty('agent_type')
  })

  it('issues a token for one of its resources at a time', async () => {
    const token = await server.token({ ...request, resource: `${resource}/mcp` })
    expect(decodeJwt(token)).toMatchObject({ aud: `${resource}/mcp`, scope: 'chat:write' })
  })

  it.each([
    ['a wrong secret', { clientSecret: 'wrong secret' }, 'invalid_client'],
    ['a client that is not registered', { clientId: 'nobody' }, 'invalid_client'],
    ["another client's scope", { scope: 'audit:read' }, 'invalid_scope'],
    ['a scope that nobody has', { scope: 'chat:write admin' }, 'invalid_scope'],
    ['a malformed scope', { scope: 'chat:write  documents:read' }, 'invalid_scope'],
    ['another resource', { resource: `${resource}/` }, 'invalid_target'],
  ])('refuses %s', async (_name, change, code) => {
    const attempt = { ...request, ...change }
    const error: unknown = await server.token(attempt).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code, message: `no token: ${code}` })
    expect(error).not.toHaveProperty('cause')
  })

  describe('exchanges a token (RFC 8693)', () => {
    const exchange = async (change: Partial<ExchangeRequest> = {}) =>
      server.exchange({
        ...request,
        scope: 'chat:write',
        subjectToken: await server.token({ ...request, scope: 'chat:write documents:read' }),
        actorToken: await server.token({ ...auditor, scope: 'audit:read' }),
        ...change,
      })

    it('for a narrower one by which another agent acts, in the same workflow', async () => {
      const subjectToken = await server.token({ ...request, scope: 'chat:write documents:read' })
      const claims = decodeJwt(await exchange({ subjectToken }))
      expect(claims).toMatchObject({
        sub: 'summarizer',
        client_id: 'summarizer',
        act: { sub: 'auditor' },
        scope: 'chat:write',
        workflow_id: 'run-7',
      })
      expect(claims).not.toHaveProperty('agent_type')
      expect(claims.exp).toBeLessThanOrEqual(Number(decodeJwt(subjectToken).exp))
    })

    it('again, by the agent that acts, and keeps the chain', async () => {
      const once = await exchange()
      const twice = await exchange({
        clientId: auditor.clientId,
        clientSecret: auditor.clientSecret,
        subjectToken: once,
      })
      expect(decodeJwt(twice)).toMatchObject({
        sub: 'summarizer',
        act: { sub: 'auditor', act: { sub: 'auditor' } },
      })
    })

    it.each([
      ['a scope the token does not have', { scope: 'audit:read' }, 'invalid_scope'],
      ['no scope', { scope: '' }, 'invalid_scope'],
      ['another resource', { resource: `${resource}/` }, 'invalid_target'],
      ["another client's token", auditorAsks, 'invalid_request'],
      ['a token that is none', { subjectToken: 'a.b.c' }, 'invalid_request'],
      ['an actor token that is none', { actorToken: 'a.b.c' }, 'invalid_request'],
    ])('but not for %s', async (_name, change, code) => {
      await expect(exchange(change)).rejects.toMatchObject({ code })
    })

    it('but not one that somebody else has signed', async () => {
      const other = await startAuthorizationServer({ resource, clients: [summarizer] })
      const subjectToken = await other.token(request)
      await other.close()
      await expect(exchange({ subjectToken })).rejects.toMatchObject({ code: 'invalid_request' })
    })
  })

  it.each(['openid-configuration', 'oauth-authorization-server'])(
    'describes itself in %s',
    async (document) => {
      const response = await fetch(`${server.issuer}/.well-known/${document}`)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        issuer: server.issuer,
        jwks_uri: server.jwksUri,
        token_endpoint: server.tokenEndpoint,
        scopes_supported: expect.arrayContaining([...summarizer.scopes, ...auditor.scopes]),
      })
    },
  )

  it('publishes only the public half of the key it signs with', async () => {
    const { keys } = (await (await fetch(server.jwksUri)).json()) as {
      keys: Record<string, string>[]
    }
    const { kid } = decodeProtectedHeader(await server.token(request))
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        alg: 'ES256',
        use: 'sig',
        kid,
        x: expect.any(String),
        y: expect.any(String),
      },
    ])
  })

  it('rejects when its port is taken', async () => {
    const port = Number(new URL(server.issuer).port)
    await expect(startAuthorizationServer({ port, resource, clients: [] })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })

  it('rejects a client that could never get a token', async () => {
    const clients = [{ ...summarizer, clientSecret: '' }]
    await expect(startAuthorizationServer({ resource, clients })).rejects.toThrow(
      'invalid_client_metadata',
    )
  })
})

describe('the origin', () => {
  let origin: Loopback
  const headers = { 'x-agent-id': 'summarizer', 'x-agent-scope': 'chat:write' }

  beforeAll(async () => {
    origin = await startOrigin()
  })
  afterAll(() => origin.close())

  it.each([
    ['GET', '/v1/models?limit=1', 200, { object: 'list', data: [{ id: 'demo-small' }] }],
    ['GET', '/v1/documents/annual-report.2', 200, { id: 'annual-report.2', read_by: 'summarizer' }],
    ['GET', '/', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/documents/', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/documents/a/b', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/chat/completions', 404, { error: { code: 'not_found' } }],
    ['POST', '/v1/models', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/runs/run-7/notes', 200, { run: 'run-7', agent: 'summarizer' }],
    ['POST', '/v1/runs/run-7/archive', 404, { error: { code: 'not_found' } }],
    ['GET', '/mcp', 405, { error: { code: 'method_not_allowed' } }],
    ['DELETE', '/mcp', 405, { error: { code: 'method_not_allowed' } }],
  ])('answers %s %s with %i', async (method, path, status, body) => {
    const response = await fetch(origin.url + path, { method, headers })
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject(body)
  })

  it('answers HEAD like GET, without a body', async () => {
    const response = await fetch(`${origin.url}/v1/models`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })

  it('has an MCP server, which knows who is calling', async () => {
    const client = new Client({ name: 'test', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(new URL(`${origin.url}/mcp`), {
      requestInit: { headers },
    })
    // Its optional members are not exactly the interface's.
    await client.connect(transport as Transport)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual([
      'get_weather',
      'read_report',
      'delete_everything',
    ])
    const { content } = await client.callTool({ name: 'get_weather' })
    expect(content).toEqual([{ type: 'text', text: 'Sunny, summarizer.' }])
    await client.close()
  })

  it('tells who is calling, and repeats no credential', async () => {
    const response = await fetch(`${origin.url}/whoami`, {
      headers: { ...headers, authorization: 'Bearer abc', cookie: 'a=b' },
    })
    expect(await response.json()).toEqual(headers)
  })

  it.each([
    ['no JSON', '{', 400],
    ['no object', 'null', 400],
    ['no messages', '{"messages":"hello"}', 400],
    ['an unfinished conversation', '{"messages":[null]}', 200],
  ])('survives %s', async (_name, body, status) => {
    const response = await fetch(`${origin.url}/v1/chat/completions`, { method: 'POST', body })
    expect(response.status).toBe(status)
    await response.json()
  })

  it('refuses a body over the limit, and the connection with it', async () => {
    const body = ' '.repeat(8 << 20)
    const response = await fetch(`${origin.url}/v1/chat/completions`, { method: 'POST', body })
    expect([response.status, response.headers.get('connection')]).toEqual([413, 'close'])
    expect(await response.json()).toMatchObject({ error: { code: 'body_too_large' } })
  })

  describe('with the openai client', () => {
    const messages = [{ role: 'user' as const, content: 'What is new?' }]
    const answer = 'Hello, summarizer. You asked: What is new?'
    let client: OpenAI

    beforeAll(() => {
      client = new OpenAI({
        baseURL: `${origin.url}/v1`,
        apiKey: 'stands for a token',
        defaultHeaders: headers,
        maxRetries: 0,
      })
    })

    it('lists models', async () => {
      const { data } = await client.models.list()
      expect(data.map(({ id }) => id)).toEqual(['demo-small'])
    })

    it('completes a chat', async () => {
      const { choices, model } = await client.chat.completions.create({ model: 'any', messages })
      expect(model).toBe('any')
      expect(choices).toMatchObject([
        { finish_reason: 'stop', message: { role: 'assistant', content: answer } },
      ])
    })

    it('streams a chat', async () => {
      const stream = await client.chat.completions.create({ model: 'any', messages, stream: true })
      const choices = []
      for await (const { choices: some } of stream) choices.push(...some)
      expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe(answer)
      expect(choices.length).toBeGreaterThan(4)
      expect(choices.at(-1)?.finish_reason).toBe('stop')
    })

    it('turns an error into one of its own', async () => {
      await expect(client.models.retrieve('missing')).rejects.toMatchObject({
        status: 404,
        code: 'not_found',
      })
    })
  })

  it('sends each delta when it is there, and goes on when the caller leaves', async () => {
    const body = JSON.stringify({ stream: true, messages: [{ content: 'word '.repeat(4_000) }] })
    const response = await fetch(`${origin.url}/v1/chat/completions`, { method: 'POST', body })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = response.body?.getReader()
    const first = await reader?.read()
    const text = new TextDecoder().decode(first?.value)
    expect(text).toMatch(/^data: \{.*\}\n\n/)
    expect(text).not.toContain('[DONE]')
    await reader?.cancel()
    expect((await fetch(`${origin.url}/v1/models`)).status).toBe(200)
  })

  it('breaks an open stream off when it closes', async () => {
    const other = await startOrigin()
    const body = JSON.stringify({ stream: true, messages: [{ content: 'word '.repeat(4_000) }] })
    const response = await fetch(`${other.url}/v1/chat/completions`, { method: 'POST', body })
    await other.close()
    await expect(response.text()).rejects.toThrow()
  })
})

it('prints nothing and lets the process end, whatever its callers do', async () => {
  const script = `
    import { once } from 'node:events'
    import { connect } from 'node:net'
    import { startAuthorizationServer } from './examples/demo/authorization-server.ts'
    import { startOrigin } from './examples/demo/origin.ts'
    const client = { clientId: 'a', clientSecret: 'b', scopes: ['c'] }
    const server = await startAuthorizationServer({ resource: '${resource}', clients: [client] })
    const origin = await startOrigin()
    await server.token({ ...client, scope: 'c' })
    await server.token({ ...client, scope: 'd' }).catch(() => {})
    await fetch(server.issuer + '/auth', { headers: { origin: 'http://localhost' } })
    await fetch(server.tokenEndpoint, { method: 'POST', headers: { origin: 'http://localhost' },
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'a', client_secret: 'b' }) })
    for (const url of [server.issuer, origin.url]) {
      await fetch(url + '/v1/models')
      const path = url === origin.url ? '/v1/chat/completions' : '/token'
      const half = connect(Number(new URL(url).port), '127.0.0.1')
      half.write('POST ' + path + ' HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n' +
        'Content-Type: application/x-www-form-urlencoded\\r\\n\\r\\n1\\r\\na\\r\\nzz\\r\\n')
      await once(half.resume(), 'close')
    }
    const broken = { resource: '${resource}', clients: [{ ...client, clientSecret: '' }] }
    await startAuthorizationServer(broken).catch(() => {})
    await fetch(origin.url + '/v1/chat/completions', { method: 'POST',
      body: JSON.stringify({ stream: true, messages: [{ content: 'a '.repeat(4_000) }] }) })
    await Promise.all([server.close(), origin.close()])
    await Promise.all([server.close(), origin.close()])
  `
  const run = promisify(execFile)
  // The stream left open would run for minutes.
  const options = { cwd: new URL('../..', import.meta.url), timeout: 50_000 }
  const { stdout, stderr } = await run(
    process.execPath,
    ['--input-type=module', '-e', script],
    options,
  )
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
})
