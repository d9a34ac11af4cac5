/** A header as it stood on the wire, name and value. */
export type Header = readonly [name: string, value: string]

/** A response as it came, with nothing decoded but the transfer coding. */
export interface RawResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly Header[]
  /** All values of a header joined with `, `; the name in any case. */
  header(name: string): string | undefined
  /** The body read as UTF-8. */
  readonly body: string
  readonly bytes: Buffer
  /** False when the connection ended before the body did. */
  readonly complete: boolean
  /** Every byte received, interim responses included. */
  readonly raw: Buffer
}

/** What is known about the exchange beside the bytes. */
export interface Exchange {
  /** The request was HEAD, so no body follows. */
  readonly head: boolean
  /** The other side sends no more. */
  readonly ended: boolean
  /** It ended by a reset. */
  readonly failed: boolean
}

interface Head {
  readonly status: number
  readonly reason: string
  readonly headers: readonly Header[]
  readonly end: number
}

/**
 * Reads one HTTP/1.1 response (RFC 9112) out of what has arrived, or says `undefined` while more
 * is to come. It does not check that the response is well-formed beyond what framing needs.
 */
export function parseResponse(
  chunks: readonly Buffer[],
  exchange: Exchange,
): RawResponse | undefined {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const head = finalHead(chunks)
  if (head === undefined) return undefined
  const framing = framingOf(head, exchange)
  // Joining what came is left until it can be the whole: a large body arrives in many pieces.
  const tail = chunks.at(-1)?.subarray(-5).toString('latin1') ?? ''
  if (!exchange.ended) {
    if (framing === 'close') return undefined
    if (framing === 'chunked' && !tail.endsWith('\n')) return undefined
    if (typeof framing === 'number' && length < head.end + framing) return undefined
  }
  const raw = Buffer.concat(chunks)
  const rest = raw.subarray(head.end)
  const body = bodyOf(rest, framing, exchange)
  if (!body.complete && !exchange.ended) return undefined
  return {
    status: head.status,
    reason: head.reason,
    headers: head.headers,
    header: (name) => headerValue(head.headers, name),
    body: body.bytes.toString('utf8'),
    bytes: body.bytes,
    complete: body.complete,
    raw,
  }
}

/** All values of a header joined with `, `, or `undefined`; the name in any case. */
export function headerValue(headers: readonly Header[], name: string): string | undefined {
  const found = headers.filter(([n]) => n.toLowerCase() === name.toLowerCase())
  return found.length === 0 ? undefined : found.map(([, value]) => value).join(', ')
}

function finalHead(chunks: readonly Buffer[]): Head | undefined {
  const bytes = beginning(chunks, 1 << 20)
  let start = 0
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', start)
    if (end === -1) return undefined
    const [first = '', ...lines] = bytes.toString('latin1', start, end).split('\r\n')
    const match = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first)
    if (match === null) throw new Error(`not a status line: ${JSON.stringify(first)}`)
    const status = Number(match[1])
    if (status >= 200 || status === 101) {
      return { status, reason: match[2] ?? '', headers: lines.map(headerOf), end: end + 4 }
    }
    start = end + 4
  }
}

/** Looking no further keeps the search cheap while a large body arrives. */
function beginning(chunks: readonly Buffer[], enough: number): Buffer {
  let length = 0
  const few = chunks.findIndex((chunk) => {
    length += chunk.length
    return length >= enough
  })
  return Buffer.concat(few === -1 ? chunks : chunks.slice(0, few + 1))
}

function headerOf(line: string): Header {
  const colon = line.indexOf(':')
  if (colon === -1) throw new Error(`not a header: ${JSON.stringify(line)}`)
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
}

type Framing = 'none' | 'chunked' | 'close' | number

function framingOf(head: Head, exchange: Exchange): Framing {
  const header = (name: string) => headerValue(head.headers, name)
  if (exchange.head || head.status === 204 || head.status === 304) return 'none'
  // After 101 the connection speaks another protocol; the response itself is over.
  if (head.status === 101) return 'none'
  if (/(^|[ ,])chunked$/i.test(header('transfer-encoding') ?? '')) return 'chunked'
  const length = header('content-length')
  return length === undefined ? 'close' : Number.parseInt(length, 10)
}

function bodyOf(rest: Buffer, framing: Framing, exchange: Exchange) {
  if (framing === 'none') return { bytes: rest.subarray(0, 0), complete: true }
  if (framing === 'chunked') return chunked(rest)
  if (framing === 'close') return { bytes: rest, complete: exchange.ended && !exchange.failed }
  return { bytes: rest.subarray(0, framing), complete: rest.length >= framing }
}

function chunked(rest: Buffer): { bytes: Buffer; complete: boolean } {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const line = rest.indexOf('\r\n', at)
    if (line === -1) return { bytes: Buffer.concat(parts), complete: false }
    const size = Number.parseInt(rest.toString('latin1', at, line), 16)
    if (Number.isNaN(size)) throw new Error('not a chunk size')
    if (size === 0) {
      // Without trailers the line's own end is the first half of this.
      return { bytes: Buffer.concat(parts), complete: rest.indexOf('\r\n\r\n', line) !== -1 }
    }
    const start = line + 2
    parts.push(rest.subarray(start, start + size))
    if (rest.length < start + size + 2) return { bytes: Buffer.concat(parts), complete: false }
    at = start + size + 2
  }
}
