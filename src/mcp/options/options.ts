import { isObject } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import {
  MCP_KINDS,
  MCP_REVISIONS,
  type McpKind,
  type McpNames,
  type McpRule,
  type McpUse,
} from '../../core/model/mcp.ts'
import { isBuiltIn, isMethodName } from '../../core/model/mcp-methods.ts'
import { ADMIN_SCOPE_PREFIX, isScopeToken } from '../../core/model/scope.ts'
import { fail, ok } from '../../core/result.ts'
import { callConditionField } from '../../policy/conditions/field.ts'
import { nameList, readUrl, text, word } from '../../policy/fields.ts'
import { quote, type Report, under } from '../../policy/issues.ts'
import { useScopes } from '../../policy/scopes.ts'
import { field, list, readField, reads, readTable } from '../../policy/table.ts'
import { nameFault, namesOf } from './names.ts'

const USE = { scopes: useScopes, agent_types: nameList, when: callConditionField }

/** What one name needs: scopes, or a table with more than these. */
const readUse = (pattern: string, value: unknown, report: Report): McpUse | undefined => {
  const isRule = Array.isArray(value) || (isObject(value) && Object.hasOwn(value, 'any'))
  if (!isRule && !isObject(value)) {
    report([], 'must be a list of scopes, { any = [...] }, or a table with scopes')
    return undefined
  }
  const entry = isRule
    ? { scopes: readField(useScopes, value, report) }
    : readTable(USE, ['scopes'], value, report)
  return (
    entry.scopes &&
    Object.freeze({
      pattern,
      scopes: entry.scopes,
      ...('agent_types' in entry &&
        entry.agent_types && { agentTypes: new Set(entry.agent_types) }),
      ...('when' in entry && entry.when && { when: entry.when }),
    })
  )
}

/** A table of names of one kind, and what each needs. */
const namesField = (kind: McpKind) =>
  field<McpNames>((value, report) => {
    const uses: McpUse[] = []
    const entries = isObject(value) ? Object.entries(value) : []
    if (!isObject(value))
      report([], `must be a table: which ${kind} may be used, and what they need`)
    else if (entries.length === 0) report([], 'must not be empty; what is not named is denied')
    for (const [pattern, needs] of entries) {
      const own = under(report, pattern)
      const fault = nameFault(kind, pattern)
      if (fault !== undefined) own([], fault)
      const use = readUse(pattern, needs, own)
      if (use) uses.push(use)
    }
    return namesOf(kind, uses)
  })

const method = text((value) => {
  if (!isMethodName(value)) {
    return fail(`${quote(value)} is no method: 1 to 128 letters, digits and . _ $ / -`)
  }
  return isBuiltIn(value)
    ? fail(
        `${quote(value)} needs no naming: it is part of the protocol, and judged by what it is about`,
      )
    : ok(value)
})

const origin = text((value) => {
  if (value === '*')
    return fail('must name each origin: any page could call with what `*` would allow')
  const url = readUrl(value, { http: 'loopback' })
  if (!url.ok) return fail(url.reason)
  return url.value.origin === value
    ? ok(value)
    : fail('must be an origin: scheme, host and port only, lower-case, without a / at its end')
})

const LEAST_BODY = 1_024

const offered = text((value) =>
  isScopeToken(value) && !value.startsWith(ADMIN_SCOPE_PREFIX)
    ? ok(value)
    : fail('must be one scope (RFC 6749 §3.3), and none for the endpoints of the gate'),
)

const FIELDS = {
  tools: namesField('tools'),
  prompts: namesField('prompts'),
  resources: namesField('resources'),
  methods: list(method),
  revisions: list(word(MCP_REVISIONS)),
  origins: list(origin),
  max_body: reads<number>((value) =>
    Number.isInteger(value) &&
    Number(value) >= LEAST_BODY &&
    Number(value) <= LIMITS.heldBodyBytesMost
      ? ok(Number(value))
      : fail(`must be a number of bytes from ${LEAST_BODY} to ${LIMITS.heldBodyBytesMost}`),
  ),
  refusals: word(['auto', 'http', 'json-rpc']),
  offered_scopes: list(offered),
}

/** `mcp` of a rule: what may be used of the MCP server behind it. */
export const mcpField = field<McpRule>((value, report) => {
  const entry = readTable(FIELDS, [], value, report)
  const named = [...MCP_KINDS, 'methods']
  if (isObject(value) && !named.some((key) => Object.hasOwn(value, key))) {
    report([], `must name what may be used: one of ${named.map(quote).join(', ')}`)
  }
  const { tools, prompts, resources } = entry
  return Object.freeze({
    names: Object.freeze({
      tools: tools ?? namesOf('tools', []),
      prompts: prompts ?? namesOf('prompts', []),
      resources: resources ?? namesOf('resources', []),
    }),
    methods: new Set(entry.methods),
    revisions: new Set(entry.revisions ?? MCP_REVISIONS),
    origins: new Set(entry.origins),
    maxBody: entry.max_body ?? LIMITS.heldBodyBytes,
    refusals: entry.refusals ?? 'auto',
    offeredScopes: Object.freeze(entry.offered_scopes ?? []),
  })
})
