import { fail, ok } from '../../base/result.ts'
import { foldedName } from '../../base/text.ts'
import type { ClaimHeader } from '../../model/claims.ts'
import { MCP_HEADERS } from '../../model/mcp.ts'
import {
  claimPathField,
  isCredentialHeader,
  isHeaderName,
  readClaimPath,
  text,
} from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { field, namedEntries, namesTo } from '../reading/table.ts'
import { isAmong, NOT_INJECTED, OF_MCP } from './inject.ts'

const IDENTITY_PREFIX = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)+-$/

/** Families of headers that mean something else, and that the gate sets or a browser sends. */
const TAKEN_PREFIXES = ['access-control-', 'sec-fetch-', 'x-forwarded-', 'x-request-']

export const identityPrefix = text((value) => {
  if (!IDENTITY_PREFIX.test(value)) {
    return fail('must be at least two lower-case words, each followed by -, like `x-agent-`')
  }
  return TAKEN_PREFIXES.includes(value)
    ? fail(`${quote(value)} is the beginning of other headers`)
    : ok(value)
})

const USUAL = 'x-agent-'
const OF_IDENTITY = 'is an identity header, whose value is not configured'

/** Reports identity headers with the prefix of GATE. {@link claimHeaders} reports those with the usual prefix. */
export function checkIdentityHeaders(headers: Named = [], prefix = USUAL, report: Report): void {
  for (const { header } of headers) {
    const folded = foldedName(header)
    if (folded.startsWith(prefix) && !folded.startsWith(USUAL)) report([header], OF_IDENTITY)
  }
}

/** `GATE.identity_headers` and `forward_claims` of a rule: header → claim path. */
export const claimHeaders = field((value, report): readonly ClaimHeader[] => {
  const headers: ClaimHeader[] = []
  const otherwise = 'must be a table of header → claim path, like "X-Forwarded-User" = "sub"'
  for (const [header, text] of namedEntries(value, report, otherwise)) {
    const folded = foldedName(header)
    if (!isHeaderName(header)) report([header], 'is not a header name (RFC 9110 §5.1)')
    else if (NOT_INJECTED.has(folded) || isCredentialHeader(header)) {
      report([header], 'is a header in which no claim can be sent')
    } else if (MCP_HEADERS.includes(folded)) report([header], OF_MCP)
    else if (folded.startsWith(USUAL)) {
      report([header], OF_IDENTITY)
    }
    if (isAmong(headers, header)) report([header], 'is set twice')
    const path = typeof text === 'string' ? readClaimPath(text) : undefined
    if (!path?.ok) report([header], path?.reason ?? 'must be a claim path, like `sub`')
    else headers.push({ header, path: path.value })
  }
  return headers
}, namesTo(claimPathField))

type Named = readonly { readonly header: string }[]

/** Every header that some rule sets, folded: an origin behind several rules reads it from all of them. */
export function ownHeadersOf(
  gate: { readonly identity_headers?: Named },
  rules: readonly { readonly forward_claims?: Named; readonly inject?: Named }[],
): ReadonlySet<string> {
  return new Set(
    [
      ...(gate.identity_headers ?? []),
      ...rules.flatMap(({ forward_claims = [], inject = [] }) => [...forward_claims, ...inject]),
    ].map(({ header }) => foldedName(header)),
  )
}
