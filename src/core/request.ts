import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'
import { canonicalPath, isPlainHost, type PathFault, splitUrl } from './url.ts'

/** What the line reads of a request: all but its body. */
export type RequestHead = Pick<Request, 'method' | 'url' | 'headers'>

/** A request's address, read once: every part of the gate uses this reading and no other. */
export interface Address {
  readonly scheme: string
  /** Lower-case, without port. */
  readonly host: string
  /** Host with its port as sent, lower-case. */
  readonly authority: string
  /** The canonical path. */
  readonly path: string
  /** With the leading `?`; empty without one. */
  readonly query: string
}

export type AddressFault = 'host' | PathFault

/**
 * Reads scheme, host, path and query from a request's URL text, never through a URL parser: a
 * parser would resolve what must be refused. A Host header must be plain; a request without one
 * (service binding) takes its host from the URL. Checks nothing against a policy.
 */
export function readAddress({ url, headers }: RequestHead): Result<Address, AddressFault> {
  const host = headers.get('host')
  const known = readings.get(url)
  return known?.host === host
    ? known.reading
    : readings.keep(url, { host, reading: read(url, host) }).reading
}

/** Agents ask for few addresses, and an address has one reading. */
const readings = createTextMemo<{
  readonly host: string | null
  readonly reading: Result<Address, AddressFault>
}>()

const read = (url: string, host: string | null): Result<Address, AddressFault> => {
  if (host !== null && !isPlainHost(host)) return fail('host')
  const parts = splitUrl(url)
  if (!parts) return fail('host')
  const path = canonicalPath(parts.path)
  // Remembered for other requests, so that none can change what the next one reads.
  return path.ok ? ok(Object.freeze({ ...parts, path: path.value })) : path
}

/** Whether a browser asks in advance what it may send (Fetch standard, CORS preflight). */
export function isPreflight({ method, headers }: RequestHead): boolean {
  return (
    method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')
  )
}
