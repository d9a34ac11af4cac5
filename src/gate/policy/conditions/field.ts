import { fail, ok } from '../../base/result.ts'
import { foldedName } from '../../base/text.ts'
import type { Condition } from '../../model/condition.ts'
import { isCredentialHeader, readHeaderName, readParameterName, text } from '../reading/fields.ts'
import { quote } from '../reading/issues.ts'
import { anyOf, field, type KeyDocs, list, readTable, required, table } from '../reading/table.ts'
import type { compileCondition } from './compile.ts'

/** Headers about the connection, which callers can forge. */
const ABOUT_CONNECTION =
  /^(?:cf-|x-forwarded-|x-original-|client-cert|x-client-cert|x-ssl-|(?:forwarded|via|x-real-ip|true-client-ip)$)/

const readableHeader = text((value) => {
  const read = readHeaderName(value)
  if (!read.ok) return read
  const name = read.value
  const folded = foldedName(value)
  if (isCredentialHeader(value))
    return fail(`${quote(name)} contains a credential, which no condition reads`)
  if (folded.startsWith('x-agent-'))
    return fail(
      `${quote(name)} is an identity header, which only the gate sets; read agent or token`,
    )
  return ABOUT_CONNECTION.test(folded)
    ? fail(
        `${quote(name)} is about the connection, and callers can write it; read request.ip, request.country and the like`,
      )
    : ok(name)
})

const condition = text((value) => ok(value))

export const WHEN_KEYS = {
  condition: required(condition),
  headers: list(readableHeader),
  query: list(text(readParameterName)),
}

export const WHEN_DOCS: KeyDocs<typeof WHEN_KEYS> = {
  condition: {
    description:
      'The expression. It must evaluate to true or false; `when = "…"` is short for this key alone.',
    example: 'request.country in ["DE"]',
  },
  headers: {
    description:
      'Names of the request headers that it may read. Not those with a credential or cookies, identity headers, or headers [about the connection](configuration/conditions.md#headers-and-query).',
    example: ['x-data-class'],
  },
  query: {
    description: 'Names of the query parameters that it may read.',
    example: ['limit'],
  },
}

let compile: typeof compileCondition | undefined

/**
 * Sets the compiler of conditions. This file does not import it, as the CEL library takes as long to load as all the
 * rest of the Worker: without it every condition is a mistake.
 */
export function provideConditions(given: typeof compileCondition): void {
  compile = given
}

const fieldOf = (owner: 'rule' | 'call') =>
  field(
    (value, report): Condition => {
      const isText = typeof value === 'string'
      const given = isText ? { condition: value } : value
      const entry = readTable(WHEN_KEYS, given, report)
      if (entry.condition === undefined) return undefined as never
      const allowed = {
        headers: Object.freeze(entry.headers ?? []),
        query: Object.freeze(entry.query ?? []),
      }
      const read = compile
        ? compile(entry.condition, allowed, owner)
        : fail(['cannot be read: the compiler of conditions is not loaded'])
      if (read.ok) return read.value
      for (const mistake of read.reason) report(isText ? [] : ['condition'], mistake)
      return undefined as never
    },
    anyOf(condition, table(WHEN_KEYS)),
  )

/** `when` of a rule: a condition in CEL, or a table that also lists what it may read. */
export const conditionField = fieldOf('rule')

/** `when` of an MCP tool call: it may also read `arguments`. */
export const callConditionField = fieldOf('call')

/** Formats a condition as in the policy. */
export function writtenCondition({ source, headers, query }: Condition): unknown {
  return headers.length + query.length === 0
    ? source
    : {
        condition: source,
        ...(headers.length > 0 && { headers }),
        ...(query.length > 0 && { query }),
      }
}
