import type { OutgoingHttpHeaders } from 'node:http'
import type { Handler } from './origin.ts'

/** Answers with this once the request's body is here. */
export function reply(
  status: number,
  headers: OutgoingHttpHeaders = {},
  body: string | Uint8Array = '',
): Handler {
  return async (_req, res, recorded) => {
    await recorded.finished()
    res.writeHead(status, headers)
    res.end(body)
  }
}

/** A redirect, 302 unless told. */
export function redirect(location: string, status = 302): Handler {
  return reply(status, { location })
}

/** Drops the connection before a response has begun. */
export const hangUp: Handler = (req) => {
  req.socket.destroy()
}

/** Writes exactly these bytes as the response, well-formed or not, and closes the connection. */
export function rawReply(bytes: string | Uint8Array): Handler {
  return async (req, _res, recorded) => {
    await recorded.finished()
    req.socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }
}

/** Answers only when the test says so, by settling `release`. */
export function later(release: Promise<unknown>, handler: Handler): Handler {
  return async (req, res, recorded) => {
    await release
    await handler(req, res, recorded)
  }
}
