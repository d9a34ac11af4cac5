import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that listens on 127.0.0.1; `url` has no trailing slash. */
export interface Loopback {
  readonly url: string
  /** Stops listening and ends every connection, idle or busy; may be called again. */
  readonly close: () => Promise<void>
}

/**
 * Listens on 127.0.0.1 only; port 0 takes a free one. Rejects with the system's error
 * (`EADDRINUSE`, …) if it cannot.
 */
export async function listenOnLoopback(server: Server, port: number): Promise<Loopback> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        // A client that keeps its connection alive would hold the process up.
        server.closeAllConnections()
      }),
  }
}
