import { fail, ok } from '../../base/result.ts'
import { foldedName } from '../../base/text.ts'
import { MCP_HEADERS } from '../../model/mcp.ts'
import { AUTHORIZATION } from '../../model/token.ts'
import { isCredentialHeader, readHeaderName, text } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { type ComparedDocs, list, required, table } from '../reading/table.ts'
import { NOT_INJECTED } from './inject.ts'

/** Beginnings of folded names that the gate or a browser reads or sets, or that say something of the message. */
const TAKEN =
  /^(?:accept|access-control-|age$|cache-control|cf-|client-cert|content-|date$|etag|if-|location|origin$|range$|referer$|remote-user|sec-|true-client-ip|user-agent|x-agent-|x-auth-request-|x-client-cert|x-forwarded-|x-http-method|x-method-override|x-original-|x-real-ip|x-remote-|x-rewrite-url|x-ssl-)/

/** The name of a header that may have the token, lower-case. */
const tokenHeader = text((value) => {
  const name = readHeaderName(value)
  if (!name.ok || name.value === AUTHORIZATION) return name
  const folded = foldedName(name.value)
  if (!isCredentialHeader(name.value) && !NOT_INJECTED.has(folded)) {
    if (!MCP_HEADERS.includes(folded) && !TAKEN.test(folded)) return ok(name.value)
  }
  return fail(
    `${quote(name.value)} is a header that has another meaning, so no token can be sent in it`,
  )
})

export const CREDENTIAL_KEYS = {
  headers: required(list(tokenHeader)),
}

export const CREDENTIAL_DOCS: ComparedDocs<typeof CREDENTIAL_KEYS> = {
  headers: {
    description:
      'The headers in which the token may be sent, each with its name in lower case. A request has it in exactly one of them. In `authorization` it comes after its scheme, in others it stands alone.',
    example: ['authorization', 'x-api-key'],
    compare: 'acceptsMore',
  },
}

/** `credential` of a rule. */
export const credentialField = table(CREDENTIAL_KEYS, (entry, report) => {
  const headers = entry.headers ?? []
  const at = headers.findIndex(
    (name, i) => headers.findIndex((one) => foldedName(one) === foldedName(name)) < i,
  )
  if (at >= 0) report(['headers'], `${quote(headers[at] ?? '')} is named twice`)
  return { headers }
})
