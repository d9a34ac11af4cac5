import { contentLength } from '../../base/body.ts'
import type { Route } from '../../model/route.ts'
import { remade } from '../origin/headers.ts'
import { maskStream, maskText } from '../secrets/mask.ts'
import { type Spelled, spelled } from '../secrets/secret-encodings.ts'
import { IS_NATIVE, piped } from './stream-pipe.ts'
import { relay, type Socket } from './stream-socket.ts'

/**
 * Masks the rule's injected secrets in an answer, in case the origin repeats them. Each character
 * becomes `*` in status text, headers, body and WebSocket messages, so lengths stay. Headers with a
 * secret in their name are removed. Expects a decoded body, see {@link isReadable}.
 */
export function withoutSecrets(answer: Response, route: Route): Response {
  const secrets = spelled(route)
  if (!secrets) return answer
  const { status, body } = answer
  const headers = maskHeaders(answer.headers, secrets)
  const { webSocket } = answer as { readonly webSocket?: Socket | null }
  if (webSocket) {
    const { agent } = relay(webSocket, () => {}, { secrets })
    return new Response(null, { status, headers, webSocket: agent } as ResponseInit)
  }
  const statusText = maskText(answer.statusText, secrets)
  const masked = body?.pipeThrough(maskStream(secrets)) ?? null
  return new Response(masked && framed(masked, headers, route), { status, statusText, headers })
}

/** Keeps the Content-Length of a masked body. */
const framed = (body: ReadableStream<Uint8Array>, headers: Headers, { target }: Route) => {
  // Over a service binding the header is only a Worker's claim.
  const length = target.service === undefined ? contentLength(headers) : undefined
  return IS_NATIVE && length !== undefined ? piped(body, length).readable : body
}

/**
 * A charset that may not encode ASCII characters as ASCII bytes. If there are several charsets, any of them counts,
 * because parsers differ in which one they use.
 */
const FAR_CHARSET =
  /charset(?!\s*=\s*"?(?:utf-?8|us-ascii|ascii|iso-8859-\d+|latin1|windows-125\d)"?\s*(?:;|$))/i
/** Partial content and deltas (RFC 9110 §15.3.7, RFC 3229 §10.4.1). */
const PARTIAL = [206, 226]

/**
 * Whether an answer can be searched for secrets: it is complete, not encoded, and of an
 * ASCII-compatible charset.
 */
export function isReadable({ headers, status }: Response): boolean {
  return (
    /^\s*identity\s*$/i.test(headers.get('content-encoding') ?? 'identity') &&
    /^\s*chunked\s*$/i.test(headers.get('transfer-encoding') ?? 'chunked') &&
    !FAR_CHARSET.test(headers.get('content-type') ?? '') &&
    !PARTIAL.includes(status) &&
    !headers.has('content-range')
  )
}

/** Removes encoding and length headers if the runtime has decoded the body. */
export function withoutCoding(response: Response, decoded: RegExp): Response {
  if (!decoded.test(response.headers.get('content-encoding') ?? '')) return response
  return remade(response, response.body, [['content-encoding'], ['content-length']])
}

/** The runtime copies headers, so that headers without a secret keep their separate lines. */
const maskHeaders = (headers: Headers, secrets: Spelled): Headers => {
  const masked = new Headers(headers)
  const fields = [...headers].map(
    ([name, value]) => [name, value, maskText(value, secrets)] as const,
  )
  const changed = new Set(fields.flatMap(([name, value, text]) => (text === value ? [] : [name])))
  for (const name of changed) masked.delete(name)
  for (const [name, , text] of fields) if (changed.has(name)) masked.append(name, text)
  for (const [name] of fields) if (secrets.inName.test(name)) masked.delete(name)
  return masked
}
