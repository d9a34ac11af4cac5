import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { noteRequest } from './evidence.ts'

/**
 * `fetch` to a loopback port as a test wants it: the path goes out as written, a `host` header
 * counts, redirects are handed back, nothing is decompressed, and no header is added but Host,
 * the body's own and `Connection: close`. Each call has its own connection.
 */
export async function request(
  port: number,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const asked = new Request(`http://127.0.0.1:${port}/`, init)
  const headers = Object.fromEntries(asked.headers)
  const bytes = typeof init.body === 'string' || init.body instanceof Uint8Array
  if (bytes) headers['content-length'] = String(Buffer.byteLength(init.body as string | Uint8Array))
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const text = typeof init.body === 'string' ? init.body : ''
  const sent = [`${init.method ?? 'GET'} ${path}`, ...lines, '', text]
  const note = noteRequest(port, sent.join('\n'))
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method: init.method ?? 'GET',
    headers,
    agent: false,
    ...(init.signal ? { signal: init.signal } : {}),
  })
  const incoming = new Promise<IncomingMessage>((done, fail) => {
    outgoing.once('response', done)
    outgoing.once('error', fail)
  })
  if (asked.body === null) outgoing.end()
  else {
    // An answer may come, and the connection go, before the body is through.
    Readable.fromWeb(asked.body as Parameters<typeof Readable.fromWeb>[0])
      .on('error', (error) => outgoing.destroy(error))
      .pipe(outgoing)
  }
  const answer = await incoming
  // The request's errors from now on are the body's, whose reader gets to see them.
  outgoing.on('error', () => {})
  const { statusCode, rawHeaders } = answer
  note.came(`${statusCode} ${JSON.stringify(rawHeaders)}\n`)
  const response = responseOf(answer)
  // The response has paused it, so that this reads nothing by itself.
  answer.on('data', (chunk: Buffer) => note.came(chunk.toString('latin1')))
  return response
}

function responseOf(answer: IncomingMessage): Response {
  const headers = new Headers()
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    headers.append(answer.rawHeaders[i] ?? '', answer.rawHeaders[i + 1] ?? '')
  }
  const status = answer.statusCode ?? 0
  const empty = [204, 205, 304].includes(status)
  if (empty) answer.resume()
  const body = empty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>)
  return new Response(body, { status, statusText: answer.statusMessage ?? '', headers })
}
