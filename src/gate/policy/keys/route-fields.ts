import { fail, ok } from '../../base/result.ts'
import type { WorkflowSource } from '../../model/route.ts'
import { isScopeToken } from '../../model/scope.ts'
import {
  isCredentialHeader,
  isHeaderName,
  readHeaderName,
  readParameterName,
  text,
} from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { type Match, parseMatch } from '../reading/router.ts'

/** Methods and path of a rule, with the text that they were written as. */
export const matchField = text<Match & { readonly text: string }>((value) => {
  const reading = parseMatch(value)
  return reading.ok ? ok({ ...reading.value, text: value }) : reading
})

export const workflowField = text<WorkflowSource>((value) => {
  const [, from, name = ''] = /^(path|header|query):(.+)$/.exec(value) ?? []
  if (from === 'header' && !isHeaderName(name)) return fail(`${quote(name)} is not a header name`)
  if (from === 'header' && isCredentialHeader(name)) {
    return fail(`${quote(name)} contains a credential, and names no workflow`)
  }
  const parameter = from === 'query' ? readParameterName(name) : ok(name)
  if (!parameter.ok) return parameter
  if (from === 'path' || from === 'header' || from === 'query') {
    return ok({ from, name: from === 'header' ? name.toLowerCase() : name })
  }
  return fail('must be `path:NAME`, `header:NAME` or `query:NAME`')
})

/** A value of `acr` that a challenge can name: several are separated by spaces there (RFC 9470 §3). */
export const acrValue = text((value) =>
  isScopeToken(value)
    ? ok(value)
    : fail(
        `${quote(value)} cannot be sent in a challenge: write visible ASCII without spaces, " and \\`,
      ),
)

/** A subprotocol's characters up to the token. */
export const tokenSubprotocol = text((value) =>
  /^[\w-]{1,63}(?:\.[\w-]{1,63}){0,9}\.$/.test(value)
    ? ok(value)
    : fail(
        `${quote(value)} must be the subprotocol up to the token: letters, digits, - and _, with dots between and at the end, like \`mcp.auth.\``,
      ),
)

/** Headers of answers that must stay: they frame the answer, keep it from other agents, or are set by the gate. */
const KEPT = [
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'vary',
  'x-request-id',
]

/** The name of a header that an answer may lose, lower-case. */
export const removableHeader = text((value) => {
  const name = readHeaderName(value)
  return name.ok && KEPT.includes(name.value)
    ? fail(`${quote(name.value)} must stay in an answer`)
    : name
})
