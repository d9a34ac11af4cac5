/** The credential of a request: one header with the token, or one WebSocket subprotocol. */
import type { Rule } from './rule.ts'
import { type Request, refuse } from './types.ts'

/** A token as it was sent. */
export interface Credential {
  scheme: 'Bearer' | 'DPoP'
  token: string
  /** Whether it was in a header of its own (docs/configuration/routes.md, "Tokens in another header"). */
  isElsewhere?: true
}

/** Prefixes of subprotocols with a token that the gate removes on every rule. */
export const KNOWN_PREFIXES = [
  'openai-insecure-api-key.',
  'mcp.auth.',
  'v1.token.websocket.jupyter.org.',
]

/** The characters of a token (RFC 6750 §2.1). */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/** The longest token. */
const LONGEST = 16_384

/** All values of a header, joined as Fetch joins them; `undefined` if the request does not have it. */
export function headerOf(request: Request, name: string): string | undefined {
  const values = request.headers.filter(([other]) => other.toLowerCase() === name)
  return values.length === 0 ? undefined : values.map(([, value]) => value.trim()).join(', ')
}

/** Reads the credential for a rule, or for the gate's own endpoints. `undefined` if there is none. */
export function readCredential(request: Request, rule: Rule | undefined): Credential | undefined {
  const names = rule?.credentialHeaders ?? ['authorization']
  const places = [...new Set(['authorization', ...names])]
  const sent = places.filter((name) => headerOf(request, name) !== undefined)
  const fromSubprotocol =
    rule === undefined ? undefined : readSubprotocol(request, rule, sent.length > 0)
  const credential = sent.length === 0 ? fromSubprotocol : readHeaders(request, sent, names)
  if (credential !== undefined && credential.token.length > LONGEST) refuse('token_too_long')
  return credential
}

/** Reads the one header that was sent, if the rule takes a token there. */
function readHeaders(request: Request, sent: string[], names: string[]): Credential {
  const [name = '', second] = sent
  if (second !== undefined) refuse('credential_header_malformed')
  if (!names.includes(name)) refuse('credential_missing')
  const token = headerOf(request, name) ?? ''
  if (name === 'authorization') return readAuthorization(token)
  if (!TOKEN.test(token)) refuse('credential_header_malformed')
  return { scheme: 'Bearer', token, isElsewhere: true }
}

/**
 * Reads an Authorization header: the word Bearer or DPoP, spaces (RFC 9110 §11.4), the token.
 */
export function readAuthorization(header: string): Credential {
  const [, word, token] = /^([^\s,]+)(?: +(.*))?$/s.exec(header) ?? []
  if (word === undefined) refuse('credential_malformed')
  const scheme = { bearer: 'Bearer', dpop: 'DPoP' }[word.toLowerCase()] as Credential['scheme']
  if (scheme === undefined) refuse('scheme_unsupported')
  if (token === undefined || !TOKEN.test(token)) refuse('credential_malformed')
  return { scheme, token }
}

/** Whether the request asks for a WebSocket. */
export function asksForWebSocket(request: Request): boolean {
  return request.method === 'GET' && headerOf(request, 'upgrade')?.toLowerCase() === 'websocket'
}

/** The subprotocols that a request offers. */
export function subprotocolsOf(request: Request): string[] {
  const header = headerOf(request, 'sec-websocket-protocol')
  return header === undefined ? [] : header.split(',').map((each) => each.trim())
}

/** Reads a token from a subprotocol, on a rule that takes one. */
function readSubprotocol(request: Request, rule: Rule, hasHeader: boolean): Credential | undefined {
  const reads = rule.tokenSubprotocols.length > 0 && rule.mcp === undefined
  if (!reads || !asksForWebSocket(request)) return undefined
  const offered = subprotocolsOf(request)
  if (offered.length === 0) return undefined
  // RFC 6455 §11.3.4: a list of tokens of HTTP, each once.
  const isList = offered.every((each) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(each))
  if (!isList || new Set(offered).size !== offered.length) refuse('subprotocols_malformed')
  const withToken = offered.flatMap((each) => {
    const prefix = rule.tokenSubprotocols.find((start) => each.startsWith(start))
    return prefix === undefined ? [] : [each.slice(prefix.length)]
  })
  const [token] = withToken
  if (token === undefined) return undefined
  if (hasHeader || withToken.length > 1 || offered.length === 1) refuse('subprotocols_malformed')
  return { scheme: 'Bearer', token }
}

/**
 * What is left of the subprotocols for the origin: those that begin with a known prefix, or with that of any
 * rule, are removed, whatever their case.
 */
export function subprotocolsForOrigin(request: Request, rules: Rule[]): string | undefined {
  const prefixes = [...KNOWN_PREFIXES, ...rules.flatMap((rule) => rule.tokenSubprotocols)]
  const left = subprotocolsOf(request).filter(
    (each) =>
      // The gate's own: a new token for an open WebSocket.
      each !== 'edgewarden.renew.v1' &&
      !prefixes.some((start) => each.toLowerCase().startsWith(start.toLowerCase())),
  )
  return left.length === 0 ? undefined : left.join(', ')
}
