import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

/** A request as it is sent: all but the connection. */
export interface Sent {
  readonly method?: string
  readonly path: string
  readonly host: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Requests that another thread sends: see paced-worker.ts. */
export interface Paced {
  readonly port: number
  /** Requests a second, in all. */
  readonly rate: number
  readonly connections: number
  /** Kinds of requests, which take turns. */
  readonly kinds: readonly (readonly [kind: string, requests: readonly Sent[]])[]
}

/** What such requests met. Times are in milliseconds. */
export interface PacedResult {
  readonly count: number
  /** `KIND: STATUS` → how many. */
  readonly answers: Readonly<Record<string, number>>
  readonly p50: number
  readonly p99: number
}

/** An answer, with the milliseconds until it was complete. */
interface Answered {
  readonly status: number
  readonly text: string
  /** Seconds, from `Retry-After`. */
  readonly retryAfter?: string | undefined
  readonly took: number
}

/** Sends requests over connections that are kept. */
export const createSender = (port: number, connections: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const send = ({ method, path, host, token, headers: more, body }: Sent): Promise<Answered> =>
    new Promise((done, failed) => {
      const began = performance.now()
      const sent = request(
        {
          port,
          host: '127.0.0.1',
          agent,
          path,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          headers: {
            host,
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
            ...more,
          },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk
          })
          const { statusCode: status = 0, headers } = response
          response.on('end', () =>
            done({
              status,
              text,
              retryAfter: headers['retry-after'],
              took: performance.now() - began,
            }),
          )
          response.on('error', failed)
        },
      )
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The gate closes a connection after a body that it does not read.
        if (['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) {
          done({ status: 0, text: '', took: performance.now() - began })
        } else failed(error)
      })
      sent.end(body)
    })
  return { send, close: () => agent.destroy() }
}

/** Sends at a pace: `rate` requests a second in all, until it is ended. A late request is not caught up. */
export const atPace = (
  rate: number,
  connections: number,
  send: (i: number) => Promise<unknown>,
) => {
  let isOver = false
  let i = 0
  const pause = (1_000 * connections) / rate
  const line = async (start: number) => {
    await wait(start)
    while (!isOver) {
      const began = performance.now()
      await send(i++)
      const left = pause - (performance.now() - began)
      if (left > 0) await wait(left)
    }
  }
  const all = Promise.all(
    Array.from({ length: connections }, (_, k) => line((pause * k) / connections)),
  )
  return {
    get count() {
      return i
    },
    async end() {
      isOver = true
      await all
      return i
    },
  }
}

/** The number below which this part of the numbers is. */
export const percentile = (numbers: readonly number[], part: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
