import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { isInitializeRequest, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { McpHttpHandler } from '@modelcontextprotocol/server'
import { type Handler, type Origin, type RecordedRequest, startOrigin } from '../origin.ts'
import { createModernHandler } from './modern-server.ts'
import { createSdkServer } from './sdk-server.ts'

/** An origin with MCP servers, which remembers what it was asked. */
export interface McpOrigin extends Origin {
  /** Tells every session, and every subscription of 2026-07-28, that the lists have changed. */
  listsChanged(): Promise<void>
  /** The same of one resource. */
  resourceUpdated(uri: string): Promise<void>
  /** The server's own ids of the sessions that are open. */
  sessions(): readonly string[]
}

/** Which servers there are. */
export interface McpOriginOptions {
  /** Awaited by a tool that takes its time, at each of its steps. */
  readonly step?: () => Promise<void>
  /** What a session is served by; the kit's own things unless given. */
  readonly create?: () => Server
  /** What serves 2026-07-28; the kit's own things unless given. */
  readonly modern?: McpHttpHandler
}

/**
 * The events of a session, by their number. The example in the SDK forgets which stream a notification was in, as the
 * name of that stream begins with `_`: a stream that goes on after one is then never notified again.
 */
const createEvents = (): EventStore => {
  const events: { readonly streamId: string; readonly message: JSONRPCMessage }[] = []
  return {
    storeEvent: async (streamId, message) => String(events.push({ streamId, message })),
    async replayEventsAfter(last, { send }) {
      const streamId = events[Number(last) - 1]?.streamId ?? ''
      for (const [i, event] of events.entries()) {
        if (i >= Number(last) && event.streamId === streamId) await send(`${i + 1}`, event.message)
      }
      return streamId
    },
  }
}

/**
 * Starts an origin: `/mcp` speaks up to 2025-11-25 with sessions and events that are kept, `/stateless`
 * the same without either, `/modern` speaks 2026-07-28.
 */
export async function startMcpOrigin(options: McpOriginOptions = {}): Promise<McpOrigin> {
  const origin = await startOrigin()
  const create = options.create ?? (() => createSdkServer(options.step))
  const sessions = new Map<string, { transport: StreamableHTTPServerTransport; server: Server }>()
  const modern = options.modern ?? createModernHandler(options.step)

  const begin = async () => {
    const server = create()
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: createEvents(),
      retryInterval: 50,
      onsessioninitialized: (id) => {
        sessions.set(id, { transport, server })
      },
      onsessionclosed: (id) => {
        sessions.delete(id)
      },
    })
    // Its optional members are not exactly the interface's.
    await server.connect(transport as Transport)
    return transport
  }
  const withSessions: Handler = async (req, res, recorded) => {
    const body = await bodyOf(recorded)
    const id = recorded.header('mcp-session-id')
    const known = sessions.get(id ?? '')?.transport
    if (known === undefined && id !== undefined) return refuse(res, 404, 'Session not found')
    if (known === undefined && !isInitializeRequest(body)) return refuse(res, 400, 'No session')
    return (known ?? (await begin())).handleRequest(req, res, body)
  }
  const stateless: Handler = async (req, res, recorded) => {
    const transport = new StreamableHTTPServerTransport()
    await create().connect(transport as Transport)
    return transport.handleRequest(req, res, await bodyOf(recorded))
  }
  origin.on('/mcp', withSessions)
  origin.on('/stateless', stateless)
  origin.on('/modern', async (_req, res, recorded) => {
    const request = await requestOf(recorded, origin.url, res)
    await send(await modern.fetch(request), res)
  })
  const all = async (tell: (server: Server) => Promise<void>) => {
    await Promise.all([...sessions.values()].map(({ server }) => tell(server)))
  }
  return {
    ...origin,
    sessions: () => [...sessions.keys()],
    async listsChanged() {
      modern.notify.toolsChanged()
      modern.notify.resourcesChanged()
      await all((server) => server.sendToolListChanged())
      await all((server) => server.sendResourceListChanged())
    },
    async resourceUpdated(uri) {
      modern.notify.resourceUpdated(uri)
      await all((server) => server.sendResourceUpdated({ uri }))
    },
    async close() {
      await modern.close()
      await all((server) => server.close())
      await origin.close()
    },
  }
}

const refuse = (res: ServerResponse, status: number, message: string) => {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }))
}

/** The body as JSON, `undefined` where there is none. */
const bodyOf = async (recorded: RecordedRequest): Promise<unknown> => {
  const text = await textOf(recorded)
  return text === '' ? undefined : JSON.parse(text)
}

const textOf = async (recorded: RecordedRequest): Promise<string> => {
  await recorded.finished()
  if (recorded.body === undefined) throw new Error('the body is larger than is kept')
  return recorded.body
}

/** What arrived as the Fetch standard has it; ends when the caller leaves. */
const requestOf = async (recorded: RecordedRequest, base: string, res: ServerResponse) => {
  const gone = new AbortController()
  res.once('close', () => gone.abort())
  const body = await textOf(recorded)
  return new Request(base + recorded.url, {
    method: recorded.method,
    headers: recorded.rawHeaders.map(([name, value]): [string, string] => [name, value]),
    ...(body !== '' && { body }),
    signal: gone.signal,
  })
}

const send = async (response: Response, res: ServerResponse) => {
  res.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) return res.end()
  res.flushHeaders()
  return Readable.fromWeb(response.body as ReadableStream).pipe(res)
}
