import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'
import { type Address, canonicalPath, isPlainHost, type PathFault, splitUrl } from './url.ts'

/** The part of a request that the line reads: all but its body. */
export type RequestHead = Pick<Request, 'method' | 'url' | 'headers'>

export type AddressFault = 'host' | PathFault

/**
 * Reads scheme, host, path and query from the text of a request's URL. A URL parser would resolve paths that must be
 * refused. A Host header must be plain; without one (service binding) the host comes from the URL.
 */
export function readAddress({ url, headers }: RequestHead): Result<Address, AddressFault> {
  const host = headers.get('host')
  const known = readings.get(url)
  return known?.host === host
    ? known.reading
    : readings.keep(url, { host, reading: read(url, host) }).reading
}

/** URLs repeat, and each has only one reading. */
const readings = createTextMemo<{
  readonly host: string | null
  readonly reading: Result<Address, AddressFault>
}>()

const read = (url: string, host: string | null): Result<Address, AddressFault> => {
  if (host !== null && !isPlainHost(host)) return fail('host')
  const parts = splitUrl(url)
  if (!parts) return fail('host')
  const path = canonicalPath(parts.path)
  // Frozen, because other requests share this reading.
  return path.ok ? ok(Object.freeze({ ...parts, path: path.value })) : path
}

/** Whether a request is a CORS preflight (Fetch standard). */
export function isPreflight({ method, headers }: RequestHead): boolean {
  return (
    method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')
  )
}
