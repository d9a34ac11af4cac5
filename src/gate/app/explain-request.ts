import { mcpField } from '../answer/mcp-explain.ts'
import { isObject, type JsonObject, own, ownText } from '../base/json.ts'
import { decodeJwsPart, splitJws } from '../base/jws.ts'
import { fail, ok } from '../base/result.ts'
import { isFieldName } from '../base/text.ts'
import { splitUrl } from '../base/url.ts'
import { text } from '../policy/reading/fields.ts'
import { pathText, type Report } from '../policy/reading/issues.ts'
import { field, readTable, required } from '../policy/reading/table.ts'
import { connectionField, toldConnection } from './connection.ts'
import type { Problem } from './request.ts'

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
    if (!isFieldName(name)) report([name], 'is not a header name (RFC 9110 §5.1)')
    else if (typeof content !== 'string' || !headersOf([[name, content]]))
      report([name], 'must be text that is allowed in a header')
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
export function decodeExplanation(body: JsonObject) {
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
    return fail<readonly Problem[]>(problems)
  return ok({
    request: { method, url, headers: sent },
    /** The credential of `Authorization`, without the scheme; `undefined` without one. */
    token: sent.get('authorization')?.replace(/^bearer +/i, ''),
    /** The caller's address and connection, if given. */
    around: toldConnection(connection),
    /** The MCP operation, if given. */
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

const JWE = /^[^.,\s]*(?:\.[^.,\s]*){4}$/

/** Whether a token has the form of a JWE (RFC 7516 §3.1), and the issuer that it claims. Verifies nothing. */
export function claimedBy(token: string) {
  const parts = splitJws(token)
  const claims = parts && decodeJwsPart(parts.payload)
  return { issuer: claims && ownText(claims, 'iss'), encrypted: JWE.test(token) }
}
