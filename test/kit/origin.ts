import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { freePort } from './port.ts'
import { type RecordedRequest, record } from './recorded.ts'
import { changes, PATIENCE } from './wait.ts'

export type { RecordedRequest } from './recorded.ts'

/** Answers one request. When it throws or rejects, the connection is dropped. */
export type Handler = (
  req: IncomingMessage,
  res: ServerResponse,
  recorded: RecordedRequest,
) => unknown

/** An origin on a loopback port that remembers what it was asked. */
export interface Origin {
  /** `http://127.0.0.1:port`, without a path. */
  readonly url: string
  readonly port: number
  /** `127.0.0.1:port`. */
  readonly host: string
  /** Every request in order of arrival, upgrades included. */
  readonly requests: readonly RecordedRequest[]
  /** The WebSockets that are open; each echoes what it gets. */
  readonly webSockets: readonly WebSocket[]
  /** Sets the answer of one path, compared exactly with the target before `?`; `*` is any other. */
  on(path: string, handler: Handler): void
  /** The first request that fits (any by default), waited for. */
  arrival(
    fits?: (request: RecordedRequest) => boolean,
    timeoutMs?: number,
  ): Promise<RecordedRequest>
  /** Forgets the requests and the handlers. */
  clear(): void
  /** As it was at first: it listens, and has no request, handler or WebSocket. */
  anew(): Promise<void>
  /** Refuses connections and drops those there are, or takes them again, on the same port. */
  accept(connections: boolean): Promise<void>
  /** Drops all connections and stops listening. */
  close(): Promise<void>
}

/**
 * Starts an origin. Where no handler is set it answers 200 with what it was asked, as JSON, once
 * the body is whole; a WebSocket handshake is accepted on every path, with the first subprotocol.
 */
export async function startOrigin(): Promise<Origin> {
  const requests: RecordedRequest[] = []
  const handlers = new Map<string, Handler>()
  const news = changes()
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const arrived = (req: IncomingMessage, res?: ServerResponse) => {
    const recorded = record(req, res)
    requests.push(recorded)
    news.notify()
    return recorded
  }
  const server = createServer(
    {
      maxHeaderSize: 1 << 20,
      requireHostHeader: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
      // Any other Upgrade (h2c) is an ordinary request.
      shouldUpgradeCallback: (req: IncomingMessage) =>
        /^websocket$/i.test(req.headers.upgrade ?? ''),
    },
    async (req, res) => {
      const recorded = arrived(req, res)
      const path = recorded.url.split('?', 1)[0] ?? ''
      const handler = handlers.get(path) ?? handlers.get('*') ?? mirror
      try {
        await handler(req, res, recorded)
      } catch {
        res.destroy()
      }
    },
  )
  server.on('upgrade', (req, socket, head) => {
    arrived(req)
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }))
      // What goes wrong on it shows as its close code.
      ws.on('error', () => {})
    })
  })
  // Nobody else takes it while the server refuses connections.
  const port = await freePort()
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  const refuse = async () => {
    if (!server.listening) return
    for (const socket of sockets.clients) socket.terminate()
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    await closed
  }
  const listen = async () => {
    if (server.listening) return
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const clear = () => {
    requests.length = 0
    handlers.clear()
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    host: `127.0.0.1:${port}`,
    requests,
    get webSockets() {
      return [...sockets.clients]
    },
    on: (path, handler) => {
      handlers.set(path, handler)
    },
    arrival: (fits = () => true, timeoutMs = PATIENCE) =>
      news.until(
        () => requests.find(fits),
        timeoutMs,
        () => `the origin got [${requests.map((r) => `${r.method} ${r.url}`).join(', ')}]`,
      ),
    clear,
    anew() {
      clear()
      for (const socket of sockets.clients) socket.terminate()
      return listen()
    },
    accept: (connections) => (connections ? listen() : refuse()),
    close: refuse,
  }
}

const mirror: Handler = async (_req, res, recorded) => {
  if ((await recorded.finished(60_000)) === 'cut') return
  const { method, url, rawHeaders: headers, bodyLength } = recorded
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ method, url, headers, bodyLength }))
}
