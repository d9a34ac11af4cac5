import { readBody } from '../../../src/gate/base/body.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { splitUrl } from '../../../src/gate/base/url.ts'
import { AgentError, type AgentErrorCode } from './errors.ts'

/** Headers of Fetch, or by name as in Node. */
export type AgentHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** A request to verify: A request of Fetch, Node, Express or a similar library. */
export interface AgentRequest {
  readonly method?: string | undefined
  /** An absolute URL, or only its path and query, as sent and still percent-encoded. */
  readonly url?: string | undefined
  /** Express's `url` before routers shorten it. */
  readonly originalUrl?: string | undefined
  readonly headers: AgentHeaders
  /** Copies the request, to read the body. Without it digests need `rawBody`. */
  clone?(): { readonly body: ReadableStream<Uint8Array> | null }
  /** Whether the body was already read. */
  readonly bodyUsed?: boolean
}

/** All values of a header, whatever its case. Values joined by Fetch or Node count as one. */
export function headerValues({ headers }: AgentRequest, name: string): readonly string[] {
  if (isFetchHeaders(headers)) {
    const value = headers.get(name)
    return value === null ? [] : [value]
  }
  return Object.entries(headers).flatMap(([key, value]) =>
    value !== undefined && key.toLowerCase() === name ? value : [],
  )
}

const isFetchHeaders = (headers: AgentHeaders): headers is { get(name: string): string | null } =>
  typeof headers.get === 'function'

/** The target of a request, as text, not normalized. */
export interface SentTo {
  /** Empty if absent; routes do not match it. */
  readonly path: string
  /** Without its `?`. */
  readonly query: string
  /** With a port if written. */
  readonly authority?: string
}

/** Reads an absolute URL, or one that begins at its path. */
export function sentTo({ url, originalUrl }: AgentRequest): SentTo {
  const text = originalUrl ?? url ?? ''
  if (text.startsWith('/')) {
    const [path = '', ...query] = text.split('?')
    return { path, query: query.join('?') }
  }
  const { path = '', query = '', authority = '' } = splitUrl(text) ?? {}
  return { path, query: query.slice(1), ...(authority !== '' && { authority }) }
}

/**
 * The hosts of a request: of its URL, else of `Host` and HTTP/2's `:authority`. On Workers the URL
 * is used, since the caller controls `Host`.
 */
export function hostsOf(request: AgentRequest, { authority }: SentTo): readonly string[] {
  if (authority !== undefined) return [authority]
  const pseudo = isFetchHeaders(request.headers) ? [] : headerValues(request, ':authority')
  return [...headerValues(request, 'host'), ...pseudo]
}

const FAULTS = {
  too_large: 'body_too_large',
  too_slow: 'body_too_slow',
  broken: 'body_broken',
  // Cannot occur: bodies are read without a memory budget.
  no_room: 'body_too_large',
} as const satisfies Record<string, AgentErrorCode>

/**
 * The bytes of the body: given ones, or read from a copy of the request. Given bytes are not
 * checked. Rejects without either, above `most` bytes, and after {@link LIMITS.bodyReadMs}.
 */
export async function bodyBytes(
  request: AgentRequest,
  given: Uint8Array | undefined,
  most: number,
): Promise<Uint8Array> {
  if (given) return given
  if (!request.clone || request.bodyUsed === true) throw new AgentError('body_unavailable')
  const body = await readBody(request.clone().body, { bytes: most, ms: LIMITS.bodyReadMs })
  if (!body.ok) throw new AgentError(FAULTS[body.reason])
  return body.value
}
