import { readBody } from '../core/body.ts'
import { LIMITS } from '../core/limits.ts'
import { splitUrl } from '../core/url.ts'
import { AgentError, type AgentErrorCode } from './errors.ts'

/** Headers as Fetch has them, or by name as Node has them. */
export type AgentHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** What is verified: Fetch's `Request`, Node's and Express's, or anything that has as much. */
export interface AgentRequest {
  readonly method?: string | undefined
  /** Whole, or from its path on, as it was sent: still percent-encoded. */
  readonly url?: string | undefined
  /** Of Express: `url` before a router took a part of it away. */
  readonly originalUrl?: string | undefined
  readonly headers: AgentHeaders
  /** A copy whose body can be read; without it a digest is checked by `rawBody` only. */
  clone?(): { readonly body: ReadableStream<Uint8Array> | null }
  /** Whether somebody has read the body already. */
  readonly bodyUsed?: boolean
}

/** Every value of a header, whatever the case of its name; several that Fetch or Node joined are one. */
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

/** Where a request says that it goes, as text: nothing is resolved or decoded. */
export interface SentTo {
  /** Empty where there is none, which no route matches. */
  readonly path: string
  /** Without its `?`. */
  readonly query: string
  /** With a port where one is written. */
  readonly authority?: string
}

/** What a whole URL says, or one that begins at its path. */
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
 * The hosts that a request names: its URL's, or what `Host`, and `:authority` of HTTP/2, say. On Workers, and
 * over a service binding, `Host` is the caller's, and the URL tells the truth.
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
  // No room is given here, and none is missing.
  no_room: 'body_too_large',
} as const satisfies Record<string, AgentErrorCode>

/**
 * The bytes of the body: those that are given, or read from a copy, so that the body can still be
 * read. Whether given bytes are those that were sent is not checked here. Rejects where there are
 * neither, where they are more than `most`, and where they take longer than {@link LIMITS.bodyReadMs}.
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
