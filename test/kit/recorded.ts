import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Header, headerValue } from './raw-response.ts'
import { changes, PATIENCE } from './wait.ts'

/** A request as an origin got it; what is said of the body grows while it arrives. */
export interface RecordedRequest {
  readonly method: string
  /** The request target as it was on the wire. */
  readonly url: string
  /** In order and in the spelling of the wire. */
  readonly rawHeaders: readonly Header[]
  /** All values of a header joined with `, `; the name in any case. */
  header(name: string): string | undefined
  readonly bodyLength: number
  /** The body as UTF-8 so far, `undefined` over 64 KiB. */
  readonly body: string | undefined
  /** SHA-256 of the body so far, base64url. */
  readonly bodySha256: string
  /** `cut` when the connection went before the body ended. */
  readonly state: 'arriving' | 'whole' | 'cut'
  /** Waits until this much of the body is here. */
  received(bytes: number, timeoutMs?: number): Promise<void>
  /** Waits for the end of the body, however it ended. */
  finished(timeoutMs?: number): Promise<'whole' | 'cut'>
  /** Waits for the end of the response: all of it sent, or the connection gone before. */
  answered(timeoutMs?: number): Promise<'sent' | 'cut'>
}

const KEPT = 64 * 1024

/** Starts to record a request; without `res` (an upgrade) it has no body and is never answered. */
export function record(req: IncomingMessage, res?: ServerResponse): RecordedRequest {
  const rawHeaders = req.rawHeaders.flatMap((name, i, all): Header[] =>
    i % 2 === 0 ? [[name, all[i + 1] ?? '']] : [],
  )
  const news = changes()
  const hash = createHash('sha256')
  const kept: Buffer[] = []
  let bodyLength = 0
  let state: RecordedRequest['state'] = res === undefined ? 'whole' : 'arriving'
  let answer: 'sent' | 'cut' | undefined
  const url = req.url ?? ''
  const name = `${req.method} ${url}`

  if (res !== undefined) {
    req.on('data', (chunk: Buffer) => {
      bodyLength += chunk.length
      hash.update(chunk)
      if (bodyLength <= KEPT) kept.push(chunk)
      news.notify()
    })
    req.on('end', () => {
      state = 'whole'
      news.notify()
    })
    req.on('close', () => {
      if (state === 'arriving') state = 'cut'
      news.notify()
    })
    // A client that leaves is something to record, not something to fail on.
    req.on('error', () => {})
    res.on('close', () => {
      answer = res.writableFinished ? 'sent' : 'cut'
      news.notify()
    })
  }
  return {
    method: req.method ?? '',
    url,
    rawHeaders,
    header: (wanted) => headerValue(rawHeaders, wanted),
    get bodyLength() {
      return bodyLength
    },
    get body() {
      return bodyLength > KEPT ? undefined : Buffer.concat(kept).toString('utf8')
    },
    get bodySha256() {
      return hash.copy().digest('base64url')
    },
    get state() {
      return state
    },
    received: async (bytes, timeoutMs = PATIENCE) => {
      await news.until(
        () => {
          if (bodyLength >= bytes) return true
          if (state !== 'arriving') throw new Error(`${name} ended at ${bodyLength} bytes`)
          return undefined
        },
        timeoutMs,
        () => `${name} has ${bodyLength} of ${bytes} bytes`,
      )
    },
    finished: (timeoutMs = PATIENCE) =>
      news.until(
        () => (state === 'arriving' ? undefined : state),
        timeoutMs,
        () => `${name} still arrives, ${bodyLength} bytes so far`,
      ),
    answered: (timeoutMs = PATIENCE) =>
      news.until(
        () => answer,
        timeoutMs,
        () => `${name} is still being answered`,
      ),
  }
}
