import { readFile } from 'node:fs/promises'
import Anthropic from '@anthropic-ai/sdk'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'
import {
  endsInTime,
  fate,
  hanging,
  lastEvent,
  newAgent,
  revoke,
  SSE,
  STREAMING,
  withShortToken,
} from './streaming.ts'

const SERVERS = ['/mcp', '/stateless', '/modern']
const LINES = { 'content-type': 'application/x-ndjson' }

let setting: Setting
let servers: McpOrigin

beforeAll(async () => {
  // A call is never done.
  servers = await startMcpOrigin({ step: () => new Promise(() => {}) })
  const mcp = { tools: { slow_count: [], files_write: ['files:write'] } }
  setting = await startSetting({
    gate: STREAMING.gate,
    issuer: STREAMING.issuer,
    routes: [
      ...SERVERS.map((path) => ({
        match: `GET,POST,DELETE ${path}`,
        scopes: [],
        origin: servers.url,
        audiences: [RESOURCE],
        mcp,
      })),
      { match: 'POST /all/*', scopes: [], on_revocation: 'end-all' },
      { match: 'POST /v1/scoped/*', scopes: ['chat:read', 'chat:write'] },
      { match: 'GET,POST /v1/*', scopes: [] },
    ],
  })
})
afterAll(() => Promise.all([setting.close(), servers.close()]))

/** A call of a client, which rejects with the client's own error. */
type Call = (name: string, onprogress?: () => void) => Promise<unknown>
type Connect = (path: string, token: string) => Promise<Call>

const SELF = { name: 'kit', version: '1.0.0' }
const optionsOf = (token: string) => ({
  requestInit: { headers: { authorization: `Bearer ${token}` } },
})
const urlOf = (path: string) => new URL(setting.gate.url + path)

const sdk: Connect = async (path, token) => {
  const client = new Client(SELF)
  const transport = new StreamableHTTPClientTransport(urlOf(path), optionsOf(token))
  // Its optional members are not exactly the interface's.
  await client.connect(transport as Transport)
  return (name, onprogress) =>
    client.callTool({ name, arguments: { to: 2 } }, undefined, {
      ...(onprogress && { onprogress }),
    })
}

const modern =
  (revision: string): Connect =>
  async (path, token) => {
    const mode = revision < '2026' ? 'legacy' : { pin: revision }
    const client = new ModernClient(SELF, { versionNegotiation: { mode } })
    await client.connect(new ModernTransport(urlOf(path), optionsOf(token)))
    return (name, onprogress) =>
      client.callTool({ name, arguments: { to: 2 } }, { ...(onprogress && { onprogress }) })
  }

const MCP_CLIENTS: readonly (readonly [name: string, Connect, path: string])[] = [
  ['sdk 1.32 with a session', sdk, '/mcp'],
  ['client 2.4 with 2026-07-28', modern('2026-07-28'), '/modern'],
]

/** Waits until a call has begun. `failing` is its error, once there is one. */
const beginCall = async (call: Call) => {
  const begun = Promise.withResolvers<void>()
  const failing = call('slow_count', begun.resolve).catch((error: unknown) => error)
  await Promise.race([begun.promise, failing])
  return { failing }
}

/** The error of a call whose token is revoked; again where a busy machine could not find out in time. */
const revokedCall = async (connect: Connect, path: string, tries = 4): Promise<unknown> => {
  const agent = newAgent()
  const call = await connect(path, await setting.token({ client_id: agent }))
  const { failing } = await beginCall(call)
  await revoke(setting, agent)
  const error = (await failing) as { readonly data?: { readonly code?: string } }
  const isLate = tries > 1 && error.data?.code === 'revocations_unavailable'
  return isLate ? revokedCall(connect, path, tries - 1) : error
}

describe.concurrent.each(MCP_CLIENTS)('a call over events of %s', (_name, connect, path) => {
  it('fails with the reason when its token is revoked', async () => {
    expect(await revokedCall(connect, path)).toMatchObject({
      code: -32003,
      message: expect.stringContaining('has been revoked. Stop using this token'),
      data: { code: 'token_revoked', error: 'invalid_token', hint: expect.any(String) },
    })
  })

  it('fails with the reason when its token expires', async () => {
    const error = await withShortToken(setting.token, async (token) => {
      const call = await connect(path, token).catch(() => undefined)
      const failed = call && (await (await beginCall(call)).failing)
      const { data } = (failed ?? {}) as { readonly data?: { readonly code?: string } }
      // Where the token had expired before the call, the client's error is about HTTP: once more, as where it
      // had before the answer.
      const isEarly = !data || 'status' in data || data.code === 'token_expired_during_request'
      return isEarly ? undefined : failed
    })
    expect(error).toMatchObject({
      code: -32003,
      message: expect.stringContaining('The token expired before the request was finished. Get a'),
      data: { code: 'token_expired' },
    })
  })
})

const openai = (token: string, base = '/v1') =>
  new OpenAI({ baseURL: setting.gate.url + base, apiKey: token, maxRetries: 0 })
const anthropic = (token: string, base = '') =>
  new Anthropic({
    baseURL: setting.gate.url + base,
    authToken: token,
    apiKey: null,
    maxRetries: 0,
  })

const messages = [{ role: 'user' as const, content: 'Hello' }]
const asked = { model: 'm', messages, stream: true } as const
const chunk = JSON.stringify({
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: { content: 'Hi' } }],
})
const typed = (type: string, more = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const started = typed('message_start', {
  message: { id: 'm', role: 'assistant', content: [], usage: {} },
})

/** Streams of models: where, what comes first, and how the client asks. */
const MODELS: readonly (readonly [
  name: string,
  path: string,
  first: string,
  ask: (token: string) => PromiseLike<AsyncIterable<unknown>>,
])[] = [
  [
    'openai chat completions',
    '/v1/chat/completions',
    `data: ${chunk}\n\n`,
    (token) => openai(token).chat.completions.create(asked),
  ],
  [
    'openai responses',
    '/v1/responses',
    typed('response.created', { response: {}, sequence_number: 0 }),
    (token) => openai(token).responses.create({ model: 'm', input: 'Hello', stream: true }),
  ],
  [
    'anthropic messages',
    '/v1/messages',
    started,
    (token) => anthropic(token).messages.create({ ...asked, max_tokens: 9 }),
  ],
]

/** How many events a stream has, and the error that it ends with. */
const readAll = async (stream: AsyncIterable<unknown>) => {
  let events = 0
  try {
    for await (const _ of stream) events++
    return { events }
  } catch (error) {
    return { events, error: error as Error }
  }
}

/**
 * Reads a stream of a model whose token is revoked in the middle of it; again where a busy machine could not find out
 * in time.
 */
const revokedStream = async (
  model: (typeof MODELS)[number],
  tries = 4,
): Promise<Awaited<ReturnType<typeof readAll>>> => {
  const [, path, first, ask] = model
  const agent = newAgent()
  hanging(setting, path, SSE, first)
  const stream = await ask(await setting.token({ client_id: agent }))
  await revoke(setting, agent)
  const read = await readAll(stream)
  const isLate = tries > 1 && read.error?.message.includes('revocations_unavailable')
  return isLate ? revokedStream(model, tries - 1) : read
}

describe.concurrent.each(MODELS)('a stream of %s', (...model) => {
  const [name] = model

  it('throws the reason when its token is revoked', async () => {
    const { events, error } = await revokedStream(model)
    expect(events).toBe(1)
    const inner = {
      type: 'authentication_error',
      code: 'token_revoked',
      message: expect.stringMatching(/has been revoked\. Stop using .* \(token_revoked\)$/),
    }
    if (name.startsWith('openai')) {
      expect(error).toBeInstanceOf(OpenAI.APIError)
      expect(error).toMatchObject({ code: 'token_revoked', error: inner, message: inner.message })
    } else {
      expect(error).toBeInstanceOf(Anthropic.APIError)
      expect(error).toMatchObject({ type: inner.type, error: { error: inner } })
      expect(error?.message).toContain('(token_revoked)')
    }
  })
})

it.concurrent.each([
  ['GET', '/v1/events', false],
  ['POST', '/v1/messages/7', true],
])('other events end with the code: %s %s', async (method, path, breaks) => {
  hanging(setting, path, SSE, 'data: one\n\n')
  const ends = await endsInTime(async () => {
    const agent = newAgent()
    const token = await setting.token({ client_id: agent })
    const response = await setting.ask(path, { method, token })
    await revoke(setting, agent)
    const { bytes, error } = await fate(response)
    expect(error).toBe(breaks)
    return bytes.toString().split(/(?<=one\n\n)/)
  })
  expect(ends).toEqual(['data: one\n\n', lastEvent('token_revoked')])
})

describe.concurrent('lines of JSON', () => {
  it.each(['/all/lines'])(
    'end with a line that tells the reason, and break off: %s',
    async (path) => {
      const agent = newAgent()
      hanging(setting, path, LINES, '{"a":1}\n{"a"')
      const response = await setting.ask(path, {
        method: 'POST',
        token: await setting.token({ client_id: agent }),
      })
      const ending = fate(response)
      await revoke(setting, agent)
      const { bytes, error } = await ending
      const [first, half, last = '', ...rest] = bytes.toString().split('\n')
      expect([first, half, rest, error]).toEqual(['{"a":1}', '{"a"', [''], true])
      expect(JSON.parse(last)).toEqual({
        error: {
          message: expect.stringContaining('has been revoked'),
          type: 'authentication_error',
          code: 'token_revoked',
          param: null,
        },
      })
    },
  )
})

describe('what clients show of a refusal', () => {
  const shown = (error: unknown) =>
    (error instanceof Error
      ? `${error.constructor.name}: ${error.message}`
      : `no error: ${error}`
    ).replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, '…')

  const failed = (promise: PromiseLike<unknown>) =>
    Promise.resolve(promise).then(String, (error: unknown) => shown(error))

  /** What each client says of a token. */
  const everyClient = async (token: string) => {
    const body = JSON.stringify(asked)
    const plain = await setting.ask('/v1/scoped/chat/completions', { method: 'POST', token, body })
    const { error } = (await plain.json()) as { error: { message: string } }
    const mcp = (connect: Connect, path: string) =>
      failed(connect(path, token).then((call) => call('files_write')))
    return [
      ['openai', await failed(openai(token, '/v1/scoped').chat.completions.create(asked))],
      [
        'anthropic',
        await failed(anthropic(token, '/v1/scoped').messages.create({ ...asked, max_tokens: 9 })),
      ],
      ['MCP SDK 1.x', await mcp(sdk, '/stateless')],
      ['MCP client 2.x', await mcp(modern('2026-07-28'), '/modern')],
      ['fetch', `${plain.status}, error.message: ${error.message}`],
    ]
  }

  /** What each client says when the token is revoked meanwhile. */
  const everyStream = async () => {
    const [chat, , message] = MODELS as [(typeof MODELS)[0], unknown, (typeof MODELS)[0]]
    const called = async (connect: Connect, path: string) => shown(await revokedCall(connect, path))
    return Promise.all(
      [
        ['openai', revokedStream(chat).then(({ error }) => shown(error))] as const,
        ['anthropic', revokedStream(message).then(({ error }) => shown(error))] as const,
        ['MCP SDK 1.x', called(sdk, '/stateless')] as const,
        ['MCP client 2.x', called(modern('2026-07-28'), '/modern')] as const,
      ].map(async ([client, said]) => [client, await said]),
    )
  }

  it('is what the page for agents says', async () => {
    const now = Math.floor(Date.now() / 1000)
    const expired = await setting.token({ iat: now - 600, exp: now - 300 })
    const cases: [string, string[][]][] = [
      ['A token that has expired', await everyClient(expired)],
      [
        'A token with `chat:read` only',
        await everyClient(await setting.token({ scope: 'chat:read' })),
      ],
      ['A token that is revoked while an answer streams', await everyStream()],
    ]
    const text = cases
      .map(([title, rows]) => {
        const lines = rows.map(([client, said]) => `${client}\n  ${said}`)
        return `${title}:\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`
      })
      .join('\n')
    expect(await readFile('docs/agents.md', 'utf8')).toContain(text)
  })
})
