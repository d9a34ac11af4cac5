import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What was sent to a receiver. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** How a receiver answers: with a status, with a redirect, or never. */
export type Answer = number | { readonly location: string } | 'hangs'

/** A receiver of webhooks. */
export interface Receiver {
  readonly url: string
  readonly received: readonly Received[]
  /** How it answers from now on: one after the other, the last one ever again. */
  answer(...answers: readonly Answer[]): void
  close(): Promise<void>
}

/** Starts a receiver that takes all. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let answers: readonly Answer[] = [204]
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      received.push({ path: request.url ?? '', headers: request.headers, body })
      const [now = 204, ...later] = answers
      if (later.length > 0) answers = later
      if (now === 'hangs') return
      if (typeof now === 'number') response.writeHead(now).end()
      else response.writeHead(302, { location: now.location }).end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer(...next) {
      answers = next
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
