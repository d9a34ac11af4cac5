import { readFileSync } from 'node:fs'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { authorize, CLIENT_ID, startInteractiveServer } from '../kit/mcp/interactive-server.ts'
import { type Person, person, REDIRECT } from '../kit/mcp/person.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { freePort } from '../kit/port.ts'

const SCOPES = ['mcp:connect', 'weather:read', 'files:read']

/** The rule of the README, to the letter but for the address. */
const readme = (resource: string) => {
  const [, text = ''] =
    /## MCP\n\n```toml\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? []
  const written = text.replaceAll('https://api.example.com/mcp', resource)
  return (parse(written) as unknown as { vars: { ROUTES: { mcp: object }[] } }).vars.ROUTES
}

/** Two authorization servers, of which the second gives refresh tokens; the second serves two rules. */
const PATHS = { plain: '/mcp', refreshing: '/refreshing', offering: '/offering' }

let origin: McpOrigin
let gate: Gate
let servers: readonly Loopback[]
let urlOf: (path: string) => string

beforeAll(async () => {
  const port = await freePort()
  urlOf = (path) => `http://127.0.0.1:${port}${path}`
  const start = (refreshing: boolean, ...paths: readonly string[]) =>
    startInteractiveServer({
      ...{ resources: paths.map(urlOf), scopes: SCOPES, redirectUri: REDIRECT, refreshing },
    })
  const [server, plain, refreshing] = await Promise.all([
    startMcpOrigin(),
    start(false, PATHS.plain),
    start(true, PATHS.refreshing, PATHS.offering),
  ])
  origin = server
  servers = [plain, refreshing]
  const [rule] = readme(urlOf(PATHS.plain))
  // A whole path is taken away, so that the server is asked for the path of its origin alone.
  const another = (path: string, mcp: object = {}) => ({
    ...rule,
    match: `GET,POST,DELETE ${path}`,
    resource: urlOf(path),
    origin: `${origin.url}/mcp`,
    strip_prefix: path,
    issuers: ['refreshing'],
    mcp: { ...rule?.mcp, ...mcp },
  })
  const issuer = ({ url }: Loopback, name: string) => ({
    [name]: { issuer: url, agent_prefix: `${name}/`, allow_insecure_http: true },
  })
  gate = await startGate({
    port,
    vars: {
      GATE: { resource: urlOf(''), origin: origin.url, client_ip: 'connection' },
      ISSUERS: { ...issuer(plain, 'plain'), ...issuer(refreshing, 'refreshing') },
      ROUTES: [
        { ...rule, issuers: ['plain'] },
        another(PATHS.refreshing),
        another(PATHS.offering, { offered_scopes: ['weather:read', 'files:read'] }),
      ],
    },
  })
})
afterAll(async () => {
  await gate.stop()
  await Promise.all([origin, ...servers].map((one) => one.close()))
})

interface Sdk {
  readonly name: string
  /** The error of a call that lacks a scope, where the client has a refresh token. */
  readonly refreshing: RegExp
  /** Connects; a transport that has only opened the browser is finished with the code. */
  open(url: string, who: Person): Opened
}

interface Opened {
  connect(): Promise<unknown>
  finish(code: URLSearchParams): Promise<void>
  readonly client: {
    listTools(): Promise<{ tools: readonly { name: string }[] }>
    callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
    close(): Promise<void>
  }
}

const SELF = { name: 'kit', version: '1.0.0' }

/** It uses its refresh token, which gives it no wider token, instead of asking the user. */
const UPSCOPING = /403 after trying upscoping/

const SDKS: readonly Sdk[] = [
  {
    name: 'sdk 1.32',
    refreshing: UPSCOPING,
    open(url, { provider }) {
      const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider })
      const client = new Client(SELF)
      return {
        client,
        connect: () => client.connect(transport as Transport),
        finish: (code) => transport.finishAuth(code.get('code') ?? ''),
      }
    },
  },
  {
    name: 'client 2.4',
    refreshing: /[Uu]nauthorized/,
    open(url, { provider }) {
      const transport = new ModernTransport(new URL(url), { authProvider: provider })
      const client = new ModernClient(SELF)
      return {
        client,
        connect: () => client.connect(transport),
        finish: (code) => transport.finishAuth(code),
      }
    },
  },
]

/** Begins without a token, and lets the user consent once. */
const signIn = async (sdk: Sdk, url: string, who: Person): Promise<Opened> => {
  await expect(sdk.open(url, who).connect()).rejects.toThrow(/[Uu]nauthorized/)
  await consent(sdk.open(url, who), who)
  const opened = sdk.open(url, who)
  await opened.connect()
  return opened
}

const consent = async (opened: Opened, { opened: [...all] }: Person) => {
  const url = all.at(-1)
  if (!url) throw new Error('no browser was opened')
  await opened.finish(await authorize(url, REDIRECT))
}

const scopesAsked = ({ opened }: Person) => opened.map((url) => url.searchParams.get('scope'))

const WEATHER = { name: 'get_weather', arguments: { city: 'Lund' } }
const SUNNY = { content: [{ type: 'text', text: 'sunny in Lund' }] }
const WRITE = { name: 'files_write', arguments: { path: 'a', content: 'b' } }
const REGISTERED = { client_id: CLIENT_ID }
const ALL = ['get_weather', 'files_read', 'files_write']

describe.each(SDKS)('$name, of a person, at the example of the README', (sdk) => {
  const namesOf = async ({ client }: Opened) =>
    (await client.listTools()).tools.map(({ name }) => name)

  it('signs in, sees a tool, is asked for its scope when it calls it, and calls it', async () => {
    const who = person(REGISTERED)
    const session = await signIn(sdk, urlOf(PATHS.plain), who)
    expect(scopesAsked(who)).toEqual(['mcp:connect'])
    expect(await namesOf(session)).toEqual(ALL)
    await expect(session.client.callTool(WEATHER)).rejects.toThrow(/[Uu]nauthorized/)
    expect(scopesAsked(who)).toEqual(['mcp:connect', 'mcp:connect weather:read'])
    await consent(session, who)
    expect(await session.client.callTool(WEATHER)).toMatchObject(SUNNY)
    // The next scope does not cost the one before.
    await expect(session.client.callTool(WRITE)).rejects.toThrow(/[Uu]nauthorized/)
    expect(scopesAsked(who).at(-1)?.split(' ').sort()).toEqual([...SCOPES].sort())
    await consent(session, who)
    expect(await session.client.callTool(WRITE)).toMatchObject({ content: [{ text: 'wrote a' }] })
    expect(await session.client.callTool(WEATHER)).toMatchObject(SUNNY)
    await session.client.close()
  })

  it('steps up, or not, where it has a refresh token', async () => {
    const who = person(REGISTERED)
    const session = await signIn(sdk, urlOf(PATHS.refreshing), who)
    await expect(session.client.callTool(WEATHER)).rejects.toThrow(sdk.refreshing)
    expect(scopesAsked(who)).toHaveLength(sdk.refreshing === UPSCOPING ? 1 : 2)
    await session.client.close()
  })

  it('registers by itself, and has all scopes from the start where offered_scopes is set', async () => {
    const who = person()
    const session = await signIn(sdk, urlOf(PATHS.offering), who)
    expect(scopesAsked(who)).toEqual([SCOPES.join(' ')])
    expect(await namesOf(session)).toEqual(ALL)
    expect(await session.client.callTool(WEATHER)).toMatchObject(SUNNY)
    await session.client.close()
  })
})
