import type { GuardContext } from '../../core/guard.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import { decodeJwsPart, splitJws } from '../../core/jws.ts'
import type { RequestHead } from '../../core/request.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { isFieldName } from '../../core/text.ts'
import { splitUrl } from '../../core/url.ts'
import { type AskedOfMcp, mcpField } from '../../mcp/explain.ts'
import { text } from '../../policy/fields.ts'
import { pathText, type Report } from '../../policy/issues.ts'
import { field, readTable, required } from '../../policy/table.ts'
import { connectionField, toldConnection } from './connection.ts'
import type { Problem } from './revocation-request.ts'

/** A request to explain. */
export interface WantedExplanation {
  readonly request: RequestHead
  /** The credential of `Authorization`, without the scheme; `undefined` without one. */
  readonly token: string | undefined
  /** The caller's address and connection, if given. */
  readonly around: Pick<GuardContext, 'caller' | 'connection'>
  /** The MCP operation, if given. */
  readonly asked: AskedOfMcp | undefined
}

/** RFC 9110 §9.1: a method is a token. */
const METHOD = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

const method = text((value) =>
  METHOD.test(value) ? ok(value) : fail('must be an HTTP method, like GET'),
)

/** Kept as text: a URL parser would normalize what the gate refuses. */
const url = text((value) => {
  const parts = splitUrl(value)
  return parts?.scheme === 'https' || parts?.scheme === 'http'
    ? ok(value)
    : fail('must be an absolute http or https URL with a plain host, and without a fragment')
})

const token = text((value) =>
  headersOf([['authorization', `Bearer ${value}`]]) && value.trim() !== ''
    ? ok(value)
    : fail('must be a token, without the scheme'),
)

const headers = field<readonly (readonly [name: string, value: string])[]>((value, report) => {
  if (!isObject(value)) {
    report([], 'must be a table of header → value')
    return []
  }
  return Object.entries(value).flatMap(([name, content]) => {
    if (!isFieldName(name)) report([name], 'is no header name (RFC 9110 §5.1)')
    else if (typeof content !== 'string' || !headersOf([[name, content]]))
      report([name], 'must be text that can stand in a header')
    else return [[name, content] as const]
    return []
  })
})

const FIELDS = {
  token,
  method: required(method),
  url: required(url),
  headers,
  connection: connectionField,
  mcp: mcpField,
}

/**
 * Decodes a body to the request it describes, with the URL exactly as written. Headers that differ
 * only in case are combined, as on the wire. Checks the form only.
 */
export function decodeExplanation(body: JsonObject): Result<WantedExplanation, readonly Problem[]> {
  const problems: Problem[] = []
  const report: Report = (path, message) => problems.push({ path: pathText('', path), message })
  const entry = readTable(FIELDS, body, report)
  const { token, method, url, headers = [], connection, mcp } = entry
  if (own(body, 'token') !== undefined) {
    for (const [name] of headers) {
      if (name.toLowerCase() === 'authorization')
        report(['headers', name], 'must be left out where there is a token')
    }
  }
  if (mcp && method !== undefined && method !== 'POST') report(['mcp'], 'goes with method POST')
  const authorization = token === undefined ? [] : [['authorization', `Bearer ${token}`] as const]
  const sent = headersOf([...headers, ...authorization])
  if (problems.length > 0 || !sent || method === undefined || url === undefined)
    return fail(problems)
  return ok({
    request: { method, url, headers: sent },
    token: presented(sent),
    around: toldConnection(connection),
    asked: mcp,
  })
}

/** `undefined` if a name or value is not a valid header. */
const headersOf = (pairs: readonly (readonly [string, string])[]): Headers | undefined => {
  try {
    return new Headers(pairs.map(([name, value]) => [name, value]))
  } catch {
    return undefined
  }
}

const presented = (headers: Headers): string | undefined =>
  headers.get('authorization')?.replace(/^bearer +/i, '')

/** Unverified facts of a token that decide who may see its explanation. */
export interface Claimed {
  /** `iss`, not verified; `undefined` if unreadable. */
  readonly issuer: string | undefined
  /** Whether the token has the form of a JWE (RFC 7516 §3.1). */
  readonly encrypted: boolean
}

const JWE = /^[^.,\s]*(?:\.[^.,\s]*){4}$/

/** Reads the issuer a token claims. Verifies nothing. */
export function claimedBy(token: string): Claimed {
  const parts = splitJws(token)
  const claims = parts && decodeJwsPart(parts.payload)
  const issuer = claims && own(claims, 'iss')
  return {
    issuer: typeof issuer === 'string' ? issuer : undefined,
    encrypted: JWE.test(token),
  }
}
