import { contentLength } from '../../core/body.ts'
import type { Route } from '../../core/model/route.ts'
import { maskStream, maskText } from './mask.ts'
import { type Spelled, spelled } from './secret-encodings.ts'
import { IS_NATIVE, piped } from './stream-pipe.ts'
import { relay, type Socket } from './stream-socket.ts'

/**
 * An answer without the secrets that its rule injects, in case its origin repeats what it was sent: `*` for
 * each of their characters in the status text, in headers, in the body as it streams, and in the messages
 * of a WebSocket, each by itself. So lengths stay as they are. A header whose name holds one is left out.
 * Expects a body that is in no coding, see {@link isReadable}.
 */
export function withoutSecrets(answer: Response, route: Route): Response {
  const secrets = spelled(route)
  if (!secrets) return answer
  const { status, body } = answer
  const headers = maskHeaders(answer.headers, secrets)
  const { webSocket } = answer as { readonly webSocket?: Socket | null }
  if (webSocket) {
    const { agent } = relay(webSocket, () => {}, secrets)
    return new Response(null, { status, headers, webSocket: agent } as ResponseInit)
  }
  const statusText = maskText(answer.statusText, secrets)
  const masked = body?.pipeThrough(maskStream(secrets)) ?? null
  return new Response(masked && framed(masked, headers, route), { status, statusText, headers })
}

/** Keeps Content-Length. */
const framed = (body: ReadableStream<Uint8Array>, headers: Headers, { target }: Route) => {
  // Over a service binding the header is only what a Worker wrote.
  const length = target.service === undefined ? contentLength(headers) : undefined
  return IS_NATIVE && length !== undefined ? piped(body, length).readable : body
}

/** What names a charset in which a secret's characters are the bytes that they are in ASCII. */
const PLAIN = /^\s*=\s*"?(?:utf-?8|us-ascii|ascii|iso-8859-\d+|latin1|windows-125\d)"?\s*$/i
/** Wherever it stands, and however: which of several counts is not the same for all who read it. */
const CHARSET = /charset([^;]*)/gi
/** A part, or changes to what somebody has (RFC 9110 §15.3.7, RFC 3229 §10.4.1). */
const PARTIAL = [206, 226]

/** Headers that may say that a body is in a coding, and how they say that it is in none. */
const UNCODED = { 'content-encoding': /^\s*identity\s*$/i, 'transfer-encoding': /^\s*chunked\s*$/i }

/**
 * Whether an answer can be searched: it plainly says that it is whole, in no coding, nor would be with its body,
 * and in no charset that spells a secret otherwise.
 */
export function isReadable({ headers, status }: Response): boolean {
  const charsets = (headers.get('content-type') ?? '').matchAll(CHARSET)
  return (
    Object.entries(UNCODED).every(
      ([name, none]) => !headers.has(name) || none.test(headers.get(name) ?? ''),
    ) &&
    [...charsets].every(([, charset = '']) => PLAIN.test(charset)) &&
    !PARTIAL.includes(status) &&
    !headers.has('content-range')
  )
}

/** An answer whose body a script reads decoded, by the codings that are: its headers then say so. */
export function withoutCoding(response: Response, decoded: RegExp): Response {
  if (!decoded.test(response.headers.get('content-encoding') ?? '')) return response
  const answer = new Response(response.body, response)
  answer.headers.delete('content-encoding')
  answer.headers.delete('content-length')
  return answer
}

/** Copied by the runtime, so that what holds no secret is byte for byte as it came, in as many lines. */
const maskHeaders = (headers: Headers, secrets: Spelled): Headers => {
  const masked = new Headers(headers)
  const told = [...headers].map(([name, value]) => [name, value, maskText(value, secrets)] as const)
  const changed = new Set(told.flatMap(([name, value, text]) => (text === value ? [] : [name])))
  for (const name of changed) masked.delete(name)
  for (const [name, , text] of told) if (changed.has(name)) masked.append(name, text)
  for (const [name] of told) if (secrets.inName.test(name)) masked.delete(name)
  return masked
}
