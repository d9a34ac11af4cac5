import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'

/** A proxy that speaks HTTP/2 to clients, on a loopback port. */
export interface Front {
  readonly port: number
  close(): Promise<void>
}

/** Headers of a connection, which HTTP/2 does not have. */
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'te', 'upgrade'])

const without = (headers: object) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':') && !HOP.has(name)),
  )

/**
 * Starts a proxy as stands in front of a self-hosted gate: HTTP/2 outside, HTTP/1.1 to a loopback port. An answer
 * without a body is one block of headers that ends the stream. It forwards no trailers.
 */
export async function startFront(upstream: number, host: string): Promise<Front> {
  const server = createServer((asked, answer) => {
    const sent = request(
      {
        port: upstream,
        method: asked.method,
        path: asked.url,
        headers: { ...without(asked.headers), host, 'transfer-encoding': 'chunked' },
      },
      (got) => {
        const endStream = got.headers['content-length'] === '0'
        const head = { ':status': got.statusCode, ...without(got.headers) }
        answer.stream.respond(head, { endStream })
        if (!endStream) got.pipe(answer.stream)
      },
    )
    sent.on('error', () => answer.stream.destroyed || answer.stream.close())
    asked.pipe(sent)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}
