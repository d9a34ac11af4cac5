/** Where a request is sent to: host, path, query, and another method that the query names. */
import { isUtf8 } from 'node:buffer'
import type { Gate } from './gate.ts'
import { type Request, refuse } from './types.ts'
import { isReadAsName, spelling } from './values.ts'

/** A target without its query: `/v1/a?b=c` is path `/v1/a` and query `b=c`. */
export interface Target {
  path: string
  /** `undefined` if there is no `?`. */
  query: string | undefined
}

/** Splits the target of a request at its first `?`. */
export function splitTarget(target: string): Target {
  const mark = target.indexOf('?')
  if (mark < 0) return { path: target, query: undefined }
  return { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** The host that a request names, in lower case and without port. */
export function readHost(request: Request): string {
  const plain =
    /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.exec(
      request.host ?? '',
    )
  if (plain?.[1] === undefined) refuse('host_malformed')
  return plain[1].toLowerCase()
}

/** Refuses a host that the gate does not serve. */
export function checkHost(host: string, gate: Gate): void {
  if (!gate.hosts.includes(host)) refuse('host_unknown')
}

/** Refuses plain http for an https resource. */
export function checkScheme(request: Request, resource: string, gate: Gate): void {
  if (request.scheme === 'http' && resource.startsWith('https:') && !gate.insecureHttp) {
    refuse('insecure_transport')
  }
}

/** `_method`, `X-Method` and `X-HTTP-Method`, each also with `-Override`, as {@link spelling} writes them. */
const METHOD_NAME = /^(-+|-*x-(http-)?)method(-override)?-*$/

/** The methods that the query names, as with `_method=DELETE`. */
export function methodsInQuery(query: string | undefined): string[] {
  const methods: string[] = []
  for (const pair of (query ?? '').split(/[&;]/)) {
    const [name = '', value = ''] = splitPair(pair)
    const overrides = METHOD_NAME.test(spelling(lenient(name)))
    if (overrides && value !== '') methods.push(lenient(value).toUpperCase())
  }
  return [...new Set(methods)]
}

/** Whether the query has an access token (RFC 6750 §2.3): a name that some parsers read so, but not `accessToken`. */
export function hasTokenInQuery(query: string | undefined): boolean {
  return (query ?? '').split(/[&;]/).some((pair) => {
    const name = lenient(splitPair(pair)[0] ?? '')
    return isReadAsName(name, 'access_token') && !/^[a-z]+$/i.test(name)
  })
}

function splitPair(pair: string): string[] {
  const equals = pair.indexOf('=')
  return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
}

/** Decodes what is decodable, as UTF-8; bytes that are none are a character each. */
function lenient(text: string): string {
  return text.replaceAll('+', ' ').replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    const bytes = Buffer.from(escapes.replaceAll('%', ''), 'hex')
    return isUtf8(bytes) ? bytes.toString() : bytes.toString('latin1')
  })
}
