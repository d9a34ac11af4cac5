import { isObject } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok } from '../../base/result.ts'
import {
  MCP_KINDS,
  MCP_REVISIONS,
  type McpKind,
  type McpNames,
  type McpRule,
  type McpUse,
} from '../../model/mcp.ts'
import { isBuiltIn, isMethodName } from '../../model/mcp-methods.ts'
import { ADMIN_SCOPE_PREFIX, isScopeToken } from '../../model/scope.ts'
import { callConditionField, writtenCondition } from '../conditions/field.ts'
import { nameList, readUrl, text, whole, word } from '../reading/fields.ts'
import { quote, type Report, under } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { writtenScopes } from '../reading/rows.ts'
import {
  anyOf,
  type ComparedDocs,
  field,
  list,
  namesTo,
  readField,
  readTable,
  required,
  table,
} from '../reading/table.ts'
import { callApprovalField, showApproval } from './approval.ts'
import { nameFault, namesOf } from './mcp-names.ts'
import { useScopes } from './scopes.ts'
import { orNone, REDACTED, showing } from './show-parts.ts'

/** The keys of an entry that is a table. */
export const NAME_KEYS = {
  scopes: required(useScopes),
  agent_types: nameList,
  when: callConditionField,
  approval: callApprovalField,
}

export const NAME_DOCS: ComparedDocs<typeof NAME_KEYS> = {
  scopes: {
    description:
      'A list, or `{ any = [ … ] }`. [Templates](mcp/names.md#templates) may use arguments.',
    example: ['files:read', 'files:read:{arguments.project}'],
    compare: 'elsewhere',
  },
  agent_types: {
    description:
      "Allowed [agent types](configuration/delegation.md#agent-types); one is enough. The rule's own `agent_types` apply as well.",
    unset: 'any',
    example: ['sub-agent'],
    compare: 'restrictionByAccepts',
  },
  when: {
    description: 'A [condition](mcp/names.md#conditions-over-arguments) that may read `arguments`.',
    example: 'arguments.amount <= 500',
    compare: 'restriction',
  },
  approval: {
    description:
      'That [a person must approve](approvals.md) each use: [its keys](approvals.md#keys-of-approval-of-an-mcp-entry).',
    example: { shows: ['arguments.amount'] },
    compare: 'restriction',
  },
}

/** Reads the entry of one name: scopes, or a table with further keys. */
const readUse = (pattern: string, value: unknown, report: Report): McpUse | undefined => {
  const isRule = Array.isArray(value) || (isObject(value) && Object.hasOwn(value, 'any'))
  if (!isRule && !isObject(value)) {
    report([], 'must be a list of scopes, { any = [...] }, or a table with scopes')
    return undefined
  }
  const entry = isRule
    ? { scopes: readField(useScopes, value, report) }
    : readTable(NAME_KEYS, value, report)
  return (
    entry.scopes &&
    Object.freeze({
      pattern,
      scopes: entry.scopes,
      ...('agent_types' in entry &&
        entry.agent_types && { agentTypes: new Set(entry.agent_types) }),
      ...('when' in entry && entry.when && { when: entry.when }),
      ...('approval' in entry && entry.approval && { approval: entry.approval }),
    })
  )
}

/** The field with all entries of one kind. */
const namesField = (kind: McpKind) =>
  field(
    (value, report): McpNames => {
      const uses: McpUse[] = []
      const entries = isObject(value) ? Object.entries(value) : []
      if (!isObject(value))
        report([], `must be a table: which ${kind} may be used, and what they need`)
      else if (entries.length === 0)
        report([], 'must not be empty; anything that is not named is denied')
      for (const [pattern, needs] of entries) {
        const own = under(report, pattern)
        const fault = nameFault(kind, pattern)
        if (fault !== undefined) own([], fault)
        const use = readUse(pattern, needs, own)
        if (use) uses.push(use)
      }
      return namesOf(kind, uses)
    },
    namesTo(anyOf(useScopes, table(NAME_KEYS))),
  )

const method = text((value) => {
  if (!isMethodName(value)) {
    return fail(`${quote(value)} is not a method name: 1 to 128 letters, digits and . _ $ / -`)
  }
  return isBuiltIn(value)
    ? fail(
        `${quote(value)} must not be listed: it is part of the protocol, and the gate checks it by itself`,
      )
    : ok(value)
})

const origin = text((value) => {
  if (value === '*') return fail('must name each origin: with `*` any page could call')
  const url = readUrl(value, { http: 'loopback' })
  if (!url.ok) return fail(url.reason)
  return url.value.origin === value
    ? ok(value)
    : fail('must be an origin: scheme, host and port only, lower-case, without a / at its end')
})

const offered = text((value) =>
  isScopeToken(value) && !value.startsWith(ADMIN_SCOPE_PREFIX)
    ? ok(value)
    : fail('must be one scope (RFC 6749 §3.3), and not a scope for the endpoints of the gate'),
)

/** Shown with whether values may be those of another issuer, and are redacted. */
const shown = showing<McpRule, boolean>()

const namesRow = (kind: McpKind) =>
  shown(namesField(kind), ({ names }, isShared) => {
    const uses = orNone(names[kind].all)
    return uses && Object.fromEntries(uses.map((use) => [use.pattern, showUse(use, isShared)]))
  })

const showUse = ({ scopes, agentTypes, when, approval }: McpUse, isShared: boolean): unknown =>
  agentTypes || when || approval
    ? {
        scopes: writtenScopes(scopes),
        ...(agentTypes && { agent_types: [...agentTypes] }),
        ...(when && { when: isShared ? REDACTED : writtenCondition(when) }),
        ...(approval && { approval: isShared ? REDACTED : showApproval(approval) }),
      }
    : writtenScopes(scopes)

/** Every key of `mcp`. */
export const MCP_KEYS = {
  tools: namesRow('tools'),
  prompts: namesRow('prompts'),
  resources: namesRow('resources'),
  methods: list(method),
  revisions: list(word(MCP_REVISIONS)),
  origins: list(origin),
  max_body: shown(
    kept(whole(1_024, LIMITS.heldBodyBytesMost, 'number of bytes'), LIMITS.heldBodyBytes),
    ({ maxBody }) => maxBody,
  ),
  refusals: kept(word(['auto', 'http', 'json-rpc']), 'auto'),
  list: kept(word(['obtainable', 'allowed']), 'obtainable'),
  offered_scopes: kept(list(offered, { empty: true })),
}

export const MCP_DOCS: ComparedDocs<typeof MCP_KEYS> = {
  tools: {
    description: 'Tool name → [what calling it needs](mcp.md#what-a-name-needs).',
    example: { search: ['tools:search'] },
    compare: 'elsewhere',
  },
  prompts: {
    description: 'Prompt name → what getting it needs.',
    example: { review: [] },
    compare: 'elsewhere',
  },
  resources: {
    description: 'Resource URI → what reading it and subscribing to it needs.',
    example: { 'file:///docs/*': ['docs:read'] },
    compare: 'elsewhere',
  },
  methods: {
    description:
      'Further JSON-RPC methods that any token of the rule may call, such as `logging/setLevel`. Do not list those of the [base protocol](mcp.md#methods).',
    example: ['logging/setLevel'],
    compare: 'accepts',
  },
  revisions: {
    description:
      'Accepted protocol revisions: `2025-03-26`, `2025-06-18`, `2025-11-25`, `2026-07-28`. When to accept [fewer](mcp.md#fewer-revisions).',
    unset: 'all four',
    example: ['2025-11-25', '2026-07-28'],
    compare: 'accepts',
  },
  origins: {
    description:
      'Origins of web pages that may call, such as `https://app.example.com` (http only for a loopback host, no `*`). A request with another `Origin` is 403 `origin_not_allowed`; without an accepted token it is 401 first. A request without `Origin` does not come from a web page, and is not affected.',
    example: ['https://app.example.com'],
    compare: 'accepts',
  },
  max_body: {
    description:
      'Maximum bytes of a message, 1,024 to 4,194,304. The whole message must arrive within 10 seconds, else 408 `body_timeout`. If there is no [room](configuration/assertion.md#held-bodies) for it in memory, the answer is 503 `bodies_full`.',
    default: 1048576,
    example: 65536,
    compare: 'neutral',
  },
  offered_scopes: {
    description:
      "Scopes that the first challenge and the metadata name in addition to the rule's `scopes`. They are not required. Without this key the challenge names only the rule's scopes, and the metadata also those of all tools, prompts and resources. A client then [steps up](mcp/clients.md#step-up) when it calls one of these.",
    unset: 'those of all names, without templates, in the metadata',
    example: ['tools:search'],
    compare: 'neutral',
  },
  refusals: {
    description:
      'How the gate [refuses one call](mcp/clients.md#when-a-call-is-refused): `"auto"`, `"http"` or `"json-rpc"`.',
    default: 'auto',
    example: 'http',
    compare: 'neutral',
  },
  list: {
    description:
      'What [filtered lists](mcp/lists.md) show. `"obtainable"`: what the token may use, and what a token with more of the offered scopes could use. `"allowed"`: only what the token may use.',
    default: 'obtainable',
    example: 'allowed',
    compare: 'neutral',
  },
}

/** The field `mcp` of a rule: the permissions of the MCP server behind it. */
export const mcpField = table(MCP_KEYS, (entry, report, value): McpRule => {
  const named = [...MCP_KINDS, 'methods']
  if (isObject(value) && !named.some((key) => Object.hasOwn(value, key))) {
    report([], `must name what may be used: one of ${named.map(quote).join(', ')}`)
  }
  const { tools, prompts, resources } = entry
  return Object.freeze({
    ...keptOf(MCP_KEYS, entry),
    names: Object.freeze({
      tools: tools ?? namesOf('tools', []),
      prompts: prompts ?? namesOf('prompts', []),
      resources: resources ?? namesOf('resources', []),
    }),
    methods: new Set(entry.methods),
    revisions: new Set(entry.revisions ?? MCP_REVISIONS),
    origins: new Set(entry.origins),
  })
})
