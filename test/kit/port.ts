import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * A port nobody listens on, below those that systems hand out by themselves: between its choice and its use no
 * connection of another test takes it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 30_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((done) =>
      server.on('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)),
    )
    await new Promise((done) => server.close(done))
    if (isFree) return port
  }
}
