import { createServer, type IncomingMessage, request, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PassThrough, type Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { type Loopback, listenOnLoopback } from '../../examples/demo/loopback.ts'

/** A request that passed a proxy, and what it was answered. */
export interface Exchange {
  /** The `client_id` of its token. */
  readonly agent: unknown
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** Of a WebSocket, which has no body: what its address asks. */
  readonly body: string
  status?: number
  answer: string
}

/** What a request is answered that may not pass. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
/** Gives an answer to a request that may not pass. */
export type Judge = (req: IncomingMessage, body: string) => Promise<Answer | undefined>

export interface ProxyOptions {
  /** The address for a path with its query. */
  readonly target: (path: string) => string
  readonly judge?: Judge | undefined
  /** Whether the answer to a body never begins. */
  readonly isSilent?: (body: string) => boolean
  /** Changes the answer to a body. */
  readonly change?: ((body: string) => Transform) | undefined
  readonly onRequest?: (exchange: Exchange) => void
  /** Called when the answer to a body has ended, or was broken off. */
  readonly onEnd?: (body: string) => void
  /** Called when the caller leaves before the answer to its body has ended. Not of WebSockets, whose server knows it. */
  readonly onLeave?: (body: string) => void
}

const agentOf = (authorization = '') => {
  try {
    const { client_id } = decodeJwt(authorization.replace(/^Bearer /i, ''))
    return client_id
  } catch {
    return undefined
  }
}

/** Hands everything on that passes, byte for byte as it comes, unless it is to change. */
export function startProxy(options: ProxyOptions): Promise<Loopback> {
  const { target, judge, isSilent, change, onRequest, onEnd, onLeave } = options
  /** Records a request, and answers it if it may not pass. Gives the exchange of one that may. */
  const begin = async (req: IncomingMessage, res: ServerResponse, body: string) => {
    const { headers, url: path = '' } = req
    const exchange: Exchange = {
      ...{ agent: agentOf(headers.authorization), path, headers, body, answer: '' },
    }
    onRequest?.(exchange)
    const refusal = await judge?.(req, body)
    if (!refusal) return exchange
    Object.assign(exchange, { status: refusal.status, answer: refusal.body })
    res.writeHead(refusal.status, refusal.headers).end(refusal.body)
    return undefined
  }
  /** Hands an answer on. */
  const answer = (from: IncomingMessage, res: ServerResponse, exchange: Exchange) => {
    const { body } = exchange
    exchange.status = from.statusCode ?? 502
    // Also of one that was broken off.
    from.once('close', () => onEnd?.(body))
    from.on('data', (bytes) => {
      exchange.answer += bytes
    })
    const sent = change?.(body) ?? new PassThrough()
    // What is changed may have another length.
    if (change) delete from.headers['content-length']
    res.writeHead(exchange.status, from.headers)
    res.flushHeaders()
    from.pipe(sent).pipe(res)
    // A change hides that an answer was broken off.
    from.once('error', () => (change ? sent.end() : res.destroy()))
  }
  const onward = (req: IncomingMessage) =>
    request(target(req.url ?? ''), {
      method: req.method,
      headers: { ...req.headers, 'accept-encoding': 'identity' },
    })
  const server = createServer(async (req, res) => {
    try {
      const bytes = await buffer(req)
      const body = String(bytes)
      let hasEnded = false
      res.once('finish', () => {
        hasEnded = true
      })
      res.once('close', () => {
        if (!hasEnded) onLeave?.(body)
      })
      const exchange = await begin(req, res, body)
      if (!exchange) return
      const sent = onward(req)
      sent.on('response', (from) => isSilent?.(body) || answer(from, res, exchange))
      sent.on('error', () => res.headersSent || res.destroy())
      res.on('close', () => sent.destroy())
      sent.end(bytes)
    } catch {
      res.destroy()
    }
  })
  const sockets = new Set<Socket>()
  server.on('upgrade', async (req, socket: Socket) => {
    const body = decodeURIComponent(req.url ?? '')
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    const res = new ServerResponse(req)
    res.assignSocket(socket)
    const exchange = await begin(req, res, body)
    if (!exchange) return
    const sent = onward(req)
    sent.on('response', (from) => answer(from, res, exchange))
    sent.on('error', () => socket.destroy())
    sent.on('upgrade', (from, far: Socket, first) => {
      exchange.status = 101
      res.detachSocket(socket)
      const lines = from.rawHeaders.map((text, i) => text + (i % 2 === 0 ? ': ' : '\r\n'))
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
      far.unshift(first)
      far.once('end', () => onEnd?.(body))
      socket.once('close', () => far.destroy())
      far.on('error', () => socket.destroy())
      far.pipe(change?.(body) ?? new PassThrough()).pipe(socket)
      socket.pipe(far)
    })
    sent.end()
  })
  return listenOnLoopback(server, 0).then((listening) => ({
    ...listening,
    async close() {
      for (const socket of sockets) socket.destroy()
      await listening.close()
    },
  }))
}
