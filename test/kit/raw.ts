import { connect } from 'node:net'
import { noteRequest } from './evidence.ts'
import { type Header, parseResponse, type RawResponse } from './raw-response.ts'
import { changes, PATIENCE } from './wait.ts'

export type { Header, RawResponse } from './raw-response.ts'

/** The parts of a request, each written as it is. */
export interface RawParts {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  readonly headers?: readonly Header[]
  readonly body?: string | Uint8Array
}

/** One connection that carries one request. */
export interface RawConnection {
  /** Sends bytes; a string is one byte per character. May be called many times. */
  send(bytes: string | Uint8Array): void
  /** Says that nothing more will be sent, and leaves the other direction open. */
  end(): void
  /** The final response; 1xx answers before it are passed over, 101 excepted. */
  response(timeoutMs?: number): Promise<RawResponse>
  /** What has arrived, as soon as `test` is content with it; one character per byte. */
  until(test: (received: string) => boolean, timeoutMs?: number): Promise<string>
  close(): void
  /** Closes it by RST. */
  reset(): void
}

/**
 * The bytes of a request without any normalisation: nothing is added, not even Host or
 * Content-Length, and nothing is checked.
 */
export function rawRequest(parts: RawParts): Buffer {
  const { method = 'GET', target = '/', version = 'HTTP/1.1', headers = [], body = '' } = parts
  const lines = [`${method} ${target} ${version}`, ...headers.map(([n, v]) => `${n}: ${v}`), '', '']
  return Buffer.concat([bytesOf(lines.join('\r\n')), bytesOf(body)])
}

/** Sends exactly these bytes over a new connection and reads one response. */
export async function sendRaw(
  port: number,
  bytes: string | Uint8Array,
  timeoutMs?: number,
): Promise<RawResponse> {
  const connection = await connectRaw(port)
  try {
    connection.send(bytes)
    return await connection.response(timeoutMs)
  } finally {
    connection.close()
  }
}

/** Opens a connection to a loopback port; the caller closes it. */
export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const news = changes()
  const received: Buffer[] = []
  const sent: Buffer[] = []
  let note: ReturnType<typeof noteRequest> | undefined
  let failure: Error | undefined
  let connected = false
  let ended = false
  socket.on('connect', () => {
    connected = true
    news.notify()
  })
  socket.on('data', (chunk) => {
    received.push(chunk)
    note?.came(chunk.toString('latin1'))
    news.notify()
  })
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('close', () => {
    ended = true
    news.notify()
  })
  socket.on('end', () => {
    ended = failure === undefined
    news.notify()
  })
  const sofar = () => Buffer.concat(received)
  const got = () => `received ${JSON.stringify(sofar().toString('latin1').slice(0, 300))}`
  await news.until(
    () => {
      if (ended) throw failure ?? new Error('the connection was closed at once')
      return connected || undefined
    },
    PATIENCE,
    () => `no connection to port ${port}`,
  )
  return {
    send(bytes) {
      const exact = bytesOf(bytes)
      note ??= noteRequest(port, exact.toString('latin1'))
      if (sent.length === 0) sent.push(exact)
      socket.write(exact)
    },
    end() {
      socket.end()
    },
    response(timeoutMs = PATIENCE) {
      const head = /^HEAD /.test(sent[0]?.subarray(0, 5).toString('latin1') ?? '')
      return news.until(
        () => {
          const answer = parseResponse(received, { head, ended, failed: failure !== undefined })
          if (answer === undefined && ended) {
            throw new Error(`the connection ended without a response, ${got()}`, { cause: failure })
          }
          return answer
        },
        timeoutMs,
        () => `no whole response, ${got()}`,
      )
    },
    until(test, timeoutMs = PATIENCE) {
      return news.until(
        () => {
          const text = sofar().toString('latin1')
          if (test(text)) return text
          if (ended) throw new Error(`the connection ended too early, ${got()}`)
          return undefined
        },
        timeoutMs,
        got,
      )
    },
    close() {
      socket.destroy()
    },
    reset() {
      socket.resetAndDestroy()
    },
  }
}

function bytesOf(value: string | Uint8Array): Buffer {
  if (typeof value !== 'string') return Buffer.from(value)
  for (const character of value) {
    if (character > '\xff') throw new RangeError('a raw string is one byte per character')
  }
  return Buffer.from(value, 'latin1')
}
