import { createServer, type IncomingMessage, request } from 'node:http'
import { pipeline } from 'node:stream'
import { type Loopback, listenOnLoopback } from '../../../examples/demo/loopback.ts'

/** Stands before a gate for clients that cannot send a token: hands everything on with one added. */
export const startBearerProxy = (
  target: () => { readonly port: number; readonly token: string },
): Promise<Loopback> => {
  const server = createServer((req, res) => {
    const { port, token } = target()
    const { method, url, headers } = req
    const onward = request({
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: { ...headers, authorization: `Bearer ${token}` },
    })
    onward.on('response', (answer: IncomingMessage) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      res.flushHeaders()
      pipeline(answer, res, () => {})
    })
    onward.on('error', () => res.destroy())
    res.on('close', () => onward.destroy())
    req.pipe(onward)
  })
  return listenOnLoopback(server, 0)
}
