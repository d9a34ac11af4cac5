import { readBody } from '../base/body.ts'
import { LIMITS } from '../base/limits.ts'
import { splitUrl } from '../base/url.ts'
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
export const headerValues = ({ headers }: AgentRequest, name: string): readonly string[] => {
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

/**
 * The path of a URL, or of one that begins at its path, as text: nothing is resolved or decoded.
 * Empty where there is none, which no route matches.
 */
export const pathOf = ({ url, originalUrl }: AgentRequest): string => {
  const text = originalUrl ?? url ?? ''
  return text.startsWith('/') ? (text.split('?', 1)[0] ?? '') : (splitUrl(text)?.path ?? '')
}

const FAULTS = {
  too_large: 'body_too_large',
  too_slow: 'body_too_slow',
  broken: 'body_broken',
} as const satisfies Record<string, AgentErrorCode>

/**
 * The bytes of the body: those that are given, or read from a copy, so that the body can still be
 * read. Whether given bytes are those that were sent is not checked here. Rejects where there are
 * neither, where they are more than `most`, and where they take longer than {@link LIMITS.bodyReadMs}.
 */
export const bodyBytes = async (
  request: AgentRequest,
  given: Uint8Array | undefined,
  most: number,
): Promise<Uint8Array> => {
  if (given) return given
  if (!request.clone || request.bodyUsed === true) throw new AgentError('body_unavailable')
  const body = await readBody(request.clone().body, { bytes: most, ms: LIMITS.bodyReadMs })
  if (!body.ok) throw new AgentError(FAULTS[body.reason])
  return body.value
}
