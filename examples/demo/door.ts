import { createServer } from 'node:http'
import { type Loopback, listenOnLoopback } from './loopback.ts'

/**
 * Signs whoever opens it in to the console, as `edgewarden console` does: a code works for a minute, and a reader of the
 * demo may take longer.
 */
export async function startDoor(token: () => Promise<string>, gate: string): Promise<Loopback> {
  const codeAddress = async (): Promise<string> => {
    const headers = { Authorization: `Bearer ${await token()}` }
    const answer = await fetch(`${gate}/.edgewarden/console`, { method: 'POST', headers })
    if (!answer.ok) throw new Error(await answer.text())
    return ((await answer.json()) as { url: string }).url
  }
  const server = createServer((request, response) => {
    if (request.url !== '/') {
      response.writeHead(404).end()
      return
    }
    codeAddress().then(
      (url) => response.writeHead(302, { Location: url, 'Cache-Control': 'no-store' }).end(),
      (error: unknown) => response.writeHead(502).end(String(error)),
    )
  })
  return listenOnLoopback(server, 0)
}
