import { randomUUID } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type Context, Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import {
  createGuard,
  createMemoryRevocations,
  forward,
  type Guard,
  parsePolicy,
  type Send,
} from '../src/index.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { createSdkServer } from './kit/mcp/sdk-server.ts'

const RESOURCE = 'https://api.example.com'
const MCP = `${RESOURCE}/mcp`
const APP = 'https://app.example.com'
const TOOLS = { get_weather: ['weather:read'], whoami: [] }

let issuer: Issuer
let revocations: ReturnType<typeof createMemoryRevocations>
let guard: Guard

beforeAll(async () => {
  issuer = await createIssuer()
})
afterAll(() => issuer.close())

const clock = { now: () => Date.now() }

/** A guard whose gate is laid over with this. */
const guardWith = (gate: object = {}) => {
  const parsed = parsePolicy({
    GATE: {
      resource: RESOURCE,
      origin: 'https://origin.example.com',
      revocation: { consistency: 'bounded', max_staleness: '1s' },
      ...gate,
    },
    ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
    ROUTES: [
      {
        match: 'GET,POST,DELETE /mcp',
        scopes: ['mcp'],
        mcp: { list: 'allowed', tools: TOOLS, origins: [APP] },
        cors: { origins: [APP] },
      },
      {
        match: 'GET,POST,DELETE /plain/mcp',
        scopes: ['mcp'],
        mcp: { list: 'allowed', tools: TOOLS },
      },
      { match: 'POST /v1/notes', scopes: ['mcp'] },
    ],
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  return createGuard(parsed.value.policy, { clock, revocations })
}

beforeEach(() => {
  revocations = createMemoryRevocations({ clock })
  guard = guardWith()
})

/** An MCP server with sessions, and what it was asked. */
const createServer = () => {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const heard: { readonly session: string | null; readonly method: string }[] = []
  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        sessions.set(id, transport)
      },
    })
    await createSdkServer().connect(transport as Transport)
    return transport
  }
  const handle = async (request: Request) => {
    const session = request.headers.get('mcp-session-id')
    heard.push({ session, method: request.method })
    return (sessions.get(session ?? '') ?? (await open())).handleRequest(request)
  }
  return { handle, heard, sessions }
}

/** An app that is one itself. */
const createApp = () => {
  const { handle, ...seen } = createServer()
  const app = new Hono<{ Variables: AgentVariables }>()
    .use(agentGuard(guard))
    .all('/mcp', (c) => handle(c.req.raw))
    .post('/v1/notes', async (c) => c.json({ text: await c.req.text() }))
  return { app, ...seen }
}

const claims = (more: object = {}) => ({ scope: 'mcp weather:read', client_id: 'planner', ...more })
const mint = (more: object = {}) => issuer.mint(claims(more))

interface App {
  request(url: string, init: RequestInit): Response | Promise<Response>
}

/** The SDK's client, which calls the app in place of the network. */
const connect = async (app: App, token: string) => {
  const client = new Client({ name: 'test', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(MCP), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
    fetch: async (url, init = {}) => app.request(String(url), init),
  })
  await client.connect(transport as Transport)
  return { client, transport }
}

const sendTo = (app: App, token: string, message: object | undefined, headers: object = {}) =>
  app.request(MCP, {
    method: message ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...headers,
    },
    ...(message && { body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }) }),
  })

const LIST = { method: 'tools/list' }

describe('an MCP server in the app itself', () => {
  it('is used by a client as one behind the gate is', async () => {
    const { app, heard, sessions } = createApp()
    const { client, transport } = await connect(app, await mint({ scope: 'mcp' }))
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['whoami'])
    const weather = { name: 'get_weather', arguments: { city: 'Bern' } }
    await expect(client.callTool(weather)).rejects.toMatchObject({ code: 403 })
    const answer = await client.callTool({ name: 'whoami', arguments: {} })
    expect(answer).not.toHaveProperty('isError', true)
    const [own] = sessions.keys()
    expect(transport.sessionId).not.toContain(own)
    expect(new Set(heard.slice(1).map(({ session }) => session))).toEqual(new Set([own]))
    await transport.terminateSession()
    expect(heard.at(-1)).toEqual({ session: own, method: 'DELETE' })
    await client.close()
  })

  it('is answered for where what it says cannot be read', async () => {
    const app = new Hono<{ Variables: AgentVariables }>()
      .use(agentGuard(guard))
      .all('/mcp', (c) => c.text('tools: all of them'))
    const answer = await sendTo(app, await mint(), LIST)
    expect(answer.status).toBe(502)
    expect(await answer.text()).toContain('mcp_answer_invalid')
    const own = new Hono<{ Variables: AgentVariables }>()
      .use(agentGuard(guard, { refuse: ({ code }) => new Response(code, { status: 418 }) }))
      .all('/mcp', (c) => c.text('tools: all of them'))
    const refused = await sendTo(own, await mint(), LIST)
    expect([refused.status, await refused.text()]).toEqual([418, 'mcp_answer_invalid'])
  })

  it('is sent on to by its handler, once', async () => {
    const { handle, heard, sessions } = createServer()
    const send: Send = async (_, to, sent) => handle(new Request(to, sent))
    const app = new Hono<{ Variables: AgentVariables }>()
      .use(agentGuard(guard))
      .all('/mcp', (c) => forward(c.req.raw, c.get('decision'), { send }))
    const { client, transport } = await connect(app, await mint({ scope: 'mcp' }))
    const sealed = transport.sessionId
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['whoami'])
    const [own] = sessions.keys()
    expect(new Set(heard.slice(1).map(({ session }) => session))).toEqual(new Set([own]))
    expect(transport.sessionId).toBe(sealed)
    await client.close()
  })

  const LISTED = {
    jsonrpc: '2.0',
    id: 1,
    result: { tools: ['whoami', 'secret'].map((name) => ({ name })) },
  }
  const namesIn = (text: string) => [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name)
  const appOf = (answer: (c: Context) => Response | Promise<Response>) =>
    new Hono<{ Variables: AgentVariables }>().use(agentGuard(guard)).all('/mcp', answer)

  it('is filtered also where its handler has asked another server before', async () => {
    const send: Send = async () => new Response('not here', { status: 404 })
    const app = appOf(async (c) => {
      await forward(c.req.raw, c.get('decision'), { send })
      return c.json(LISTED, 200, { 'Mcp-Session-Id': 'own-1' })
    })
    const answer = await sendTo(app, await mint(), LIST)
    expect(namesIn(await answer.text())).toEqual(['whoami'])
    expect(answer.headers.get('mcp-session-id')).toMatch(/^eyJ/)
  })

  it.each<[string, number, ResponseInit, string]>([
    [
      'events in a coding',
      502,
      { headers: { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' } },
      'origin_encoding_unsupported',
    ],
    [
      'a part',
      502,
      { status: 206, headers: { 'content-range': 'bytes 0-9/20' } },
      'origin_encoding_unsupported',
    ],
    ['a 401 of its own', 502, { status: 401 }, 'origin_credential_refused'],
  ])('is refused with %s', async (_, status, init, code) => {
    const app = appOf(() => new Response(JSON.stringify(LISTED), init))
    const answer = await sendTo(app, await mint(), LIST)
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(code)])
  })

  it('is told who calls as one behind the gate is, and keeps the token', async () => {
    let seen = new Headers()
    const app = appOf((c) => {
      seen = new Headers(c.req.raw.headers)
      return c.json(LISTED)
    })
    const token = await mint()
    const forged = { 'x-agent-id': 'admin', x_agent_scope: 'all', 'x-forwarded-for': '1.2.3.4' }
    await sendTo(app, token, LIST, forged)
    expect(seen.get('x-agent-id')).toBe('planner')
    expect(seen.get('authorization')).toBe(`Bearer ${token}`)
    expect([seen.has('x_agent_scope'), seen.has('x-forwarded-for')]).toEqual([false, false])
  })

  it('is judged once by a guard that is mounted twice', async () => {
    const app = new Hono<{ Variables: AgentVariables }>()
      .use(agentGuard(guard))
      .all('/mcp', agentGuard(guard), (c) =>
        c.json(LISTED, 200, { 'Mcp-Session-Id': 'i'.repeat(400) }),
      )
    const answer = await sendTo(app, await mint(), LIST)
    expect(answer.status).toBe(200)
    expect(namesIn(await answer.text())).toEqual(['whoami'])
  })

  it('is judged anew by another guard, and for whatever else comes', async () => {
    const token = await mint()
    const other = guardWith({ prefix: '/.other' })
    const seen: string[] = []
    const asked = (name: string, by: Guard): Guard =>
      ((...given) => {
        seen.push(name)
        return by(...given)
      }) as Guard
    const [one, two] = [asked('one', guard), asked('two', other)]
    const app = new Hono<{ Variables: AgentVariables }>()
      .use(agentGuard(one))
      .use(agentGuard(two))
      .use(agentGuard(one))
      .post('/v1/notes', (c) => c.text(`${c.get('agent')?.id}`))
    const request = () =>
      new Request(`${RESOURCE}/v1/notes`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    const same = request()
    for (const one of [same, same, request()]) {
      seen.length = 0
      expect(await (await app.fetch(one)).text()).toBe('planner')
      expect(seen).toEqual(['one', 'two', 'one'])
    }
    const nobody = new Request(`${RESOURCE}/v1/notes`, { method: 'POST' })
    expect((await app.fetch(nobody)).status).toBe(401)
  })

  it('has its own headers, and cookies, whatever middleware has set before', async () => {
    const app = new Hono<{ Variables: AgentVariables }>()
      .use(async (c, next) => {
        c.header('X-Mine', 'outer')
        c.header('Set-Cookie', 'outer=1')
        await next()
      })
      .use(agentGuard(guard))
      .all('/plain/mcp', () => {
        const headers = new Headers({ 'content-type': 'application/json', 'x-mine': 'own' })
        headers.append('set-cookie', 'own=2')
        return new Response(JSON.stringify(LISTED), { headers })
      })
    const { headers } = await app.request(`${RESOURCE}/plain/mcp`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await mint()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...LIST }),
    })
    expect(headers.get('x-mine')).toBe('own')
    expect(headers.getSetCookie()).toEqual(['own=2'])
  })

  it('follows no redirect where the request that came would not', async () => {
    let redirect = ''
    const app = appOf((c) => {
      redirect = c.req.raw.redirect
      return c.json(LISTED)
    })
    const headers = { authorization: `Bearer ${await mint()}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...LIST })
    await app.fetch(new Request(MCP, { method: 'POST', redirect: 'manual', headers, body }))
    expect(redirect).toBe('manual')
  })

  it('is answered for so that a page can read it', async () => {
    const answers: (readonly [number, (c: Context) => Response])[] = [
      [200, (c) => c.json({ jsonrpc: '2.0', id: 1, result: { tools: [] } })],
      [502, (c) => c.text('tools: all of them')],
    ]
    for (const [status, answer] of answers) {
      const app = new Hono<{ Variables: AgentVariables }>()
        .use(agentGuard(guard))
        .all('/mcp', (c) => {
          c.header('Mcp-Session-Id', 'own-1')
          return answer(c)
        })
      const { headers, status: told } = await sendTo(app, await mint(), LIST, { origin: APP })
      expect(told).toBe(status)
      expect(headers.get('access-control-allow-origin')).toBe(APP)
      expect(headers.get('vary')).toBe('Origin')
      expect(headers.get('mcp-session-id')).not.toBe('own-1')
    }
  })
})

describe('a body that was read to be bound', () => {
  it('is there for the handler once more', async () => {
    guard = guardWith({ assertion: 'body' })
    const { app } = createApp()
    const answer = await app.request(`${RESOURCE}/v1/notes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await mint()}` },
      body: 'remember',
    })
    expect([answer.status, await answer.json()]).toEqual([200, { text: 'remember' }])
  })
})
