import { createServer, type IncomingMessage, request } from 'node:http'
import { PassThrough, type Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { type Loopback, listenOnLoopback } from '../../examples/demo/loopback.ts'

/** A request that passed a proxy, and what it was answered. */
export interface Exchange {
  /** The `client_id` of its token. */
  readonly agent: unknown
  readonly path: string
  readonly headers: IncomingMessage['headers']
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
  /** Called when the answer to a body has ended. */
  readonly onEnd?: (body: string) => void
  /** Called when the caller leaves before the answer to its body has ended. */
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
  const server = createServer(async (req, res) => {
    try {
      const body = await text(req)
      const { method, headers, url: path = '' } = req
      const exchange: Exchange = {
        ...{ agent: agentOf(headers.authorization), path, headers, body, answer: '' },
      }
      onRequest?.(exchange)
      let hasEnded = false
      res.once('finish', () => {
        hasEnded = true
      })
      res.once('close', () => {
        if (!hasEnded) onLeave?.(body)
      })
      const refusal = await judge?.(req, body)
      if (refusal) {
        Object.assign(exchange, { status: refusal.status, answer: refusal.body })
        res.writeHead(refusal.status, refusal.headers).end(refusal.body)
        return
      }
      const onward = request(target(path), {
        method,
        headers: { ...headers, 'accept-encoding': 'identity' },
      })
      onward.on('response', (answer) => {
        if (isSilent?.(body)) return
        exchange.status = answer.statusCode ?? 502
        answer.once('end', () => onEnd?.(body))
        answer.on('data', (bytes) => {
          exchange.answer += bytes
        })
        const sent = change?.(body) ?? new PassThrough()
        // What is changed may have another length.
        if (change) delete answer.headers['content-length']
        res.writeHead(exchange.status, answer.headers)
        res.flushHeaders()
        answer.pipe(sent).pipe(res)
        // A change hides that an answer was broken off.
        answer.once('error', () => (change ? sent.end() : res.destroy()))
      })
      onward.on('error', () => res.headersSent || res.destroy())
      res.on('close', () => onward.destroy())
      onward.end(body)
    } catch {
      res.destroy()
    }
  })
  return listenOnLoopback(server, 0)
}
