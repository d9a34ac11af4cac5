import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'
import { type Address, canonicalPath, isPlainHost, type PathFault, splitUrl } from './url.ts'

/** What the gate reads of headers. */
export interface HeaderReader extends Pick<Headers, 'get' | 'has'> {
  keys(): Iterable<string>
  forEach(call: (value: string, name: string) => void): void
}

/** The part of a request that the line reads: all but its body. */
export type RequestHead = Pick<Request, 'method' | 'url'> & { readonly headers: HeaderReader }

/** The parts of a request that the gate reads. */
export type RequestParts = RequestHead & Pick<Request, 'body' | 'bodyUsed' | 'signal'>

/**
 * A request whose head and address are read once: the gate needs them thirty times, and each read of a `Request` calls
 * into the runtime.
 */
export class IncomingRequest implements RequestParts {
  readonly method: string
  readonly url: string
  readonly headers: HeaderReader
  readonly address: Result<Address, AddressFault>
  readonly original: Request
  #signal: AbortSignal | undefined

  constructor(request: Request) {
    this.method = request.method
    this.url = request.url
    this.headers = new SentHeaders(request.headers)
    this.address = readAddress({ url: this.url, headers: this.headers, method: this.method })
    this.original = request
  }
  get body() {
    return this.original.body
  }
  get bodyUsed() {
    return this.original.bodyUsed
  }
  get signal() {
    return this.#signal ?? this.original.signal
  }
  /** Has the request's signal abort with this one, too. */
  leavesWith(gone: AbortSignal): void {
    this.#signal = AbortSignal.any([this.original.signal, gone])
  }
}

/** Headers that are read at once, with lower-case names in their order. Later changes are not seen. */
export class SentHeaders implements HeaderReader {
  readonly #names: string[] = []
  readonly #values: string[] = []
  readonly sent: Headers

  constructor(sent: Headers) {
    const [names, values] = [this.#names, this.#values]
    sent.forEach((value, name) => {
      names.push(name)
      values.push(value)
    })
    this.sent = sent
  }
  get(name: string): string | null {
    const wanted = name.toLowerCase()
    const at = this.#names.indexOf(wanted)
    if (at < 0) return null
    // Fetch lists each line of Set-Cookie by itself.
    return this.#names[at + 1] === wanted
      ? this.#values.filter((_, i) => this.#names[i] === wanted).join(', ')
      : (this.#values[at] as string)
  }
  has(name: string): boolean {
    return this.#names.includes(name.toLowerCase())
  }
  keys() {
    return this.#names.values()
  }
  forEach(call: (value: string, name: string) => void): void {
    for (let i = 0; i < this.#names.length; i++) {
      call(this.#values[i] as string, this.#names[i] as string)
    }
  }
}

/** A copy of headers, line by line, which can be changed. */
export function copyOf(headers: HeaderReader): Headers {
  return new Headers(headers instanceof SentHeaders ? headers.sent : (headers as Headers))
}

export type AddressFault = 'host' | PathFault

/**
 * Reads scheme, host, path and query from the text of a request's URL. A URL parser would resolve paths that must be
 * refused. A Host header must be plain; without one (service binding) the host comes from the URL.
 */
export function readAddress(request: RequestHead): Result<Address, AddressFault> {
  if (request instanceof IncomingRequest) return request.address
  const { url, headers } = request
  const host = headers.get('host')
  const known = readings.get(url) ?? longReadings.get(request)
  if (known?.host === host && known.url === url) return known.reading
  const made = { url, host, reading: read(url, host) }
  readings.keep(url, made)
  if (!readings.get(url)) longReadings.set(request, made)
  return made.reading
}

interface Reading {
  readonly url: string
  readonly host: string | null
  readonly reading: Result<Address, AddressFault>
}

/** URLs repeat, and each has only one reading. */
const readings = createTextMemo<Reading>()
/** Of URLs that are too long for {@link readings}: several parts of the gate read a request's address. */
const longReadings = new WeakMap<RequestHead, Reading>()

const read = (url: string, host: string | null): Result<Address, AddressFault> => {
  if (host !== null && !isPlainHost(host)) return fail('host')
  const parts = splitUrl(url)
  if (!parts) return fail('host')
  const path = canonicalPath(parts.path)
  // Frozen, because other requests share this reading.
  return path.ok ? ok(Object.freeze({ ...parts, path: path.value })) : path
}

const GRPC = /^\s*application\/grpc(?:[+;, ]|$)/i

/** Whether a request is a call of native gRPC, by its method and Content-Type. A call of gRPC-web is none. */
export function isGrpcCall(method: string, type: string | null): boolean {
  return method === 'POST' && type !== null && GRPC.test(type)
}

/** Whether a request is a CORS preflight (Fetch standard). */
export function isPreflight({ method, headers }: RequestHead): boolean {
  return (
    method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')
  )
}
