import { existsSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
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
import { reply } from '../kit/answers.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { PATIENCE } from '../kit/wait.ts'
import { JSON_TYPE, MCP } from './mcp-asking.ts'
import { type Setting, startSetting } from './setting.ts'

/** Seconds for which the gate keeps a call open. */
const HOLD = 25
const approval = { hold: `${HOLD}s` }

/** Asks for something by way of a client, and gives the answer as text. Fails with the client's own error. */
type Ask = (what: string) => Promise<string>
type Connect = (url: string, token: string) => Promise<Ask>

const SELF = { name: 'kit', version: '1.0.0' }
const bearer = (token: string) => ({
  requestInit: { headers: { authorization: `Bearer ${token}` } },
})

/** A tool's text; it says so if the result is an error. */
const textOf = (result: object) => {
  const { content, isError } = result as {
    readonly content: readonly { readonly text: string }[]
    readonly isError?: boolean
  }
  return `${isError ? 'isError: ' : ''}${content[0]?.text}`
}
const weather = (city: string) => ({ name: 'get_weather', arguments: { city } })

const sdk: Connect = async (url, token) => {
  const client = new Client(SELF)
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), bearer(token))
  await client.connect(transport as Transport)
  return async (city) => textOf(await client.callTool(weather(city)))
}

const modern =
  (path: string): Connect =>
  async (url, token) => {
    const client = new ModernClient(SELF, { versionNegotiation: { mode: 'auto' } })
    await client.connect(new ModernTransport(new URL(url + path), bearer(token)))
    return async (city) => textOf(await client.callTool(weather(city)))
  }

/** Milliseconds after which the proxy cuts a connection without a byte. */
const IDLE_MS = 8_000
const proxies: Server[] = []

/** The client behind a proxy that cuts idle connections. */
const behindProxy =
  (client: Connect): Connect =>
  async (url, token) => {
    const { hostname, port } = new URL(url)
    const proxy = createServer((inward) => {
      const outward = connect(Number(port), hostname)
      for (const [one, other] of [[inward, outward] as const, [outward, inward] as const]) {
        one.pipe(other)
        one.on('error', () => other.destroy()).on('close', () => other.destroy())
        one.setTimeout(IDLE_MS, () => one.destroy())
      }
    })
    proxies.push(proxy)
    await new Promise<void>((done) => proxy.listen(0, hostname, done))
    return client(`http://${hostname}:${(proxy.address() as AddressInfo).port}`, token)
  }

const question = (content: string) => ({
  ...{ model: 'm', max_tokens: 9 },
  messages: [{ role: 'user' as const, content }],
})
const COMPLETION = JSON.stringify({
  ...{ id: 'c1', object: 'chat.completion', created: 1, model: 'm' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
})
const MESSAGE = '{"id":"m1","type":"message","content":[{"type":"text","text":"yes"}]}'

const openai: Connect = async (url, apiKey) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey })
  return async (what) =>
    `${(await client.chat.completions.create(question(what))).choices[0]?.message.content}`
}

const anthropic: Connect = async (baseURL, authToken) => {
  const client = new Anthropic({ baseURL, authToken, apiKey: null })
  return async (what) => {
    const { content } = await client.messages.create(question(what))
    return content.map((part) => (part.type === 'text' ? part.text : part.type)).join()
  }
}

/** Where `npm run matrix` installs further clients. */
const IS_INSTALLED = existsSync('dev/clients/node_modules/@langchain/mcp-adapters')

interface Others {
  readonly chats: Readonly<Record<'ai' | 'langchain', Connect>>
  readonly aiSdk: McpClient
  readonly langchainByToken: McpClient
}
type McpClient = (
  url: string,
  who: { readonly token: () => Promise<string> },
) => Promise<{ readonly call: (name: string, given: object) => Promise<string> }>
const others = async (): Promise<Others> => import('../../dev/clients/others.mjs' as string)

const mcpBy =
  (name: 'aiSdk' | 'langchainByToken'): Connect =>
  async (url, token) => {
    const client = await (await others())[name](`${url}/mcp`, { token: async () => token })
    return (city) =>
      client.call('get_weather', { city }).catch(({ message }) => `isError: ${message}`)
  }
const chatBy =
  (name: keyof Others['chats']): Connect =>
  async (url, token) =>
    (await others()).chats[name](url, token)

const CLIENTS: Readonly<Record<string, Connect>> = {
  'sdk 1.32': sdk,
  'sdk 1.32 behind a proxy': behindProxy(sdk),
  'client 2.4 with 2025-11-25': modern('/mcp'),
  'client 2.4 with 2026-07-28': modern('/modern'),
  'client 2.4 behind a proxy': behindProxy(modern('/modern')),
  openai,
  anthropic,
  ...(IS_INSTALLED && {
    ai: chatBy('ai'),
    '@langchain/openai': chatBy('langchain'),
    '@ai-sdk/mcp': mcpBy('aiSdk'),
    '@langchain/mcp-adapters': mcpBy('langchainByToken'),
  }),
}
const MODELS = ['openai', 'anthropic', 'ai', '@langchain/openai']
const isMcp = (client: string) => !MODELS.includes(client)

interface Case {
  /** After how many seconds the person acts. */
  readonly after: number
  readonly decision?: { readonly state: 'granted' | 'refused'; readonly reason?: string }
  /** What an MCP client gets, and what another one. */
  readonly mcp: RegExp
  readonly other: RegExp
}

const approved = (after: number): Case => ({
  ...{ after, decision: { state: 'granted' } },
  ...{ mcp: /^sunny in /, other: /^yes$/ },
})
const ACTS = {
  'approved after 1 s': approved(1),
  'approved after 5 s': approved(5),
  'approved after 20 s': approved(20),
  'refused after 2 s': {
    ...{ after: 2, decision: { state: 'refused', reason: 'not this one' } },
    mcp: /^isError: .*: not this one\..*\(approval_refused\)$/,
    other: /^403 .*: not this one\..*approval_refused/,
  },
  'not decided': {
    after: 0,
    mcp: /^isError: .*\/approvals\/[\w-]{36}\..*\(approval_required\)$/,
    other: /^403 .*\/approvals\/[\w-]{36}\./,
  },
} satisfies Record<string, Case>
type Act = keyof typeof ACTS

interface Tried {
  readonly answer: string
  /** Milliseconds from the call to its answer. */
  readonly took: number
  /** How often the server was asked, before the person acted and in all. */
  readonly arrivals: readonly [number, number]
}

let setting: Setting
let servers: McpOrigin
const tries = new Map<string, Promise<Tried>>()

const BOB = { issuer: 'https://people.example', subject: 'bob' }
const store = <Answer>(method: string, ...given: unknown[]) =>
  setting.gate.call('APPROVALS', 'approvals', method, ...given) as Promise<Answer>

interface Waiting {
  readonly id: string
  readonly agent: string
}
const waitingOf = async (agent: string) => {
  const all = await store<{ readonly approvals: readonly Waiting[] }>('list', { state: 'waiting' })
  return all.approvals.find((one) => one.agent === agent)
}

const tried = async (client: string, act: Act): Promise<Tried> => {
  const agent = `${client} ${act}`.replaceAll(' ', '-')
  const arrived = () =>
    [...setting.origin.requests, ...servers.requests].filter(({ body }) =>
      body?.includes(`"${agent}"`),
    ).length
  const token = await setting.token({ client_id: agent, ...(isMcp(client) && { aud: MCP }) })
  const ask = await CLIENTS[client]?.(setting.gate.url, token)
  const begun = performance.now()
  const answer = ask?.(agent).catch(
    (error) => `${error.status ?? error.statusCode} ${error.message}`,
  )
  await expect.poll(() => waitingOf(agent), { timeout: PATIENCE }).toBeDefined()
  const { after, decision }: Case = ACTS[act]
  const one = await waitingOf(agent)
  await wait(after * 1_000)
  const before = arrived()
  if (decision) await store('decide', one?.id, { by: BOB, digest: 'shown', ...decision })
  return {
    answer: `${await answer}`,
    took: performance.now() - begun,
    arrivals: [before, arrived()],
  }
}

beforeAll(async () => {
  servers = await startMcpOrigin()
  setting = await startSetting({
    routes: [
      { match: 'POST /v1/*', scopes: [], approval },
      ...['/mcp', '/modern'].map((path) => ({
        match: `GET,POST,DELETE ${path}`,
        ...{ resource: MCP, scopes: [], origin: servers.url },
        mcp: { tools: { get_weather: { scopes: [], approval } } },
      })),
    ],
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    others: {
      people: {
        issuer: 'https://people.example',
        ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
      },
    },
    gate: { console: { host: 'ops.example.com' }, clock_tolerance: '0s' },
    reaching: true,
  })
  setting.origin.on('/v1/chat/completions', reply(200, JSON_TYPE, COMPLETION))
  setting.origin.on('/v1/messages', reply(200, JSON_TYPE, MESSAGE))
  // Side by side, so that the whole takes as long as the longest.
  for (const client of Object.keys(CLIENTS)) {
    for (const act of Object.keys(ACTS) as Act[]) {
      const one = tried(client, act)
      one.catch(() => {})
      tries.set(`${client} ${act}`, one)
    }
  }
})
afterAll(async () => {
  for (const proxy of proxies) proxy.close()
  await setting.close()
  await servers.close()
})

describe.each(Object.keys(CLIENTS))('%s, unmodified, whose call is', (client) => {
  it.each(Object.keys(ACTS) as Act[])('%s', async (act) => {
    const { answer, took, arrivals } = (await tries.get(`${client} ${act}`)) as Tried
    const { decision, mcp, other }: Case = ACTS[act]
    expect(answer).toMatch(isMcp(client) ? mcp : other)
    expect(arrivals).toEqual([0, decision?.state === 'granted' ? 1 : 0])
    if (!decision) expect(took).toBeGreaterThan((HOLD - 1) * 1_000)
  })
})
