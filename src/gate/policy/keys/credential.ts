import { fail, ok } from '../../base/result.ts'
import { foldedName } from '../../base/text.ts'
import { REMOVED, REMOVED_PREFIXES } from '../../model/inbound-headers.ts'
import { MCP_HEADERS } from '../../model/mcp.ts'
import { AUTHORIZATION } from '../../model/token.ts'
import { isCredentialHeader, readHeaderName, text } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { type ComparedDocs, list, required, table } from '../reading/table.ts'
import { NOT_INJECTED } from './inject.ts'

/** Beginnings of headers that say something of the message, or that browsers set. */
const OF_MESSAGE =
  /^(?:accept|access-control-|age$|cache-control|content-|date$|etag|if-|location|origin$|range$|referer$|sec-|user-agent)/

/** Whether a header has another meaning for the gate, for a proxy or for the message. */
const isTaken = (folded: string): boolean =>
  isCredentialHeader(folded) ||
  NOT_INJECTED.has(folded) ||
  REMOVED.includes(folded) ||
  REMOVED_PREFIXES.some((beginning) => folded.startsWith(beginning)) ||
  MCP_HEADERS.includes(folded) ||
  OF_MESSAGE.test(folded)

/** The name of a header that may have the token, lower-case. */
const tokenHeader = text((value) => {
  const name = readHeaderName(value)
  if (!name.ok || name.value === AUTHORIZATION) return name
  return isTaken(foldedName(name.value))
    ? fail(
        `${quote(name.value)} is a header that has another meaning, so no token can be sent in it`,
      )
    : ok(name.value)
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
  const names = headers.map(foldedName)
  const twice = headers.find((_, at) => names.indexOf(names[at] ?? '') < at)
  if (twice !== undefined) report(['headers'], `${quote(twice)} is named twice`)
  return { headers }
})
