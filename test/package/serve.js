import { once } from 'node:events'
import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'

/** The least that serves a module's `fetch` by node:http; prints the port it listens on: the given one, or any. */

const { default: app } = await import(pathToFileURL(resolve(process.argv[2])).href)

const server = createServer(async (incoming, outgoing) => {
  const { method, headers, rawHeaders } = incoming
  const names = rawHeaders.filter((_, i) => i % 2 === 0)
  const request = new Request(`http://${headers.host}${incoming.url}`, {
    method,
    headers: names.map((name, i) => [name, rawHeaders[2 * i + 1]]),
    ...(method !== 'GET' &&
      method !== 'HEAD' && { body: Readable.toWeb(incoming), duplex: 'half' }),
  })
  const response = await app.fetch(request)
  outgoing.writeHead(response.status, [...response.headers].flat())
  for await (const chunk of response.body ?? []) outgoing.write(chunk)
  outgoing.end()
})
server.listen(Number(process.argv[3] ?? 0), '127.0.0.1')
await once(server, 'listening')
console.log(server.address().port)
