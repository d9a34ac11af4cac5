/** Which keys of the policy decisions have met. */
import { readFileSync } from 'node:fs'
import type { JsonObject } from '../reference/types.ts'
import type { Said, Vars } from './shapes.ts'

/** Each decision meets the keys of the tables that it was made by. */
export interface Coverage {
  meet(vars: Vars, said: Said): void
  /** Decisions by key: `rule.scopes`. */
  readonly met: ReadonlyMap<string, number>
  /** Decisions by code, or by outcome. */
  readonly said: ReadonlyMap<string, number>
  readonly decisions: number
  /** Keys that fewer decisions have met, with their number. */
  missing(atLeast: number): string[]
}

const TABLES = [
  ...['gate', 'assertion', 'revocation', 'address-limit', 'issuer', 'decrypt', 'delegation'],
  ...['rule', 'scopes', 'grant', 'authorization-details', 'when', 'rate-limit', 'cors', 'mcp'],
  ...['mcp-name', 'mcp-scopes', 'claim', 'actor', 'credential', 'approval', 'call-approval'],
]

/** Keys that bear on no decision, so that no decision has to meet them. */
export const NOT_DECIDING: Record<string, string> = {
  'issuer.allow_insecure_http':
    'only for an issuer on a loopback host; keys are given to the line as they are',
  'issuer.operator': 'a name to show; no rule accepts tokens of its issuer',
  'issuer.events': 'who may change the revocation set; no request with a token meets it',
  'issuer.person': 'how people sign in at the console; no request with a token meets it',
  'rule.audit_path': 'what records have of the path',
  'rule.audit_mask': 'what records have of the path',
  'assertion.withdrawn': 'names keys of the gate that others no longer accept',
  'revocation.shards': 'where the set is kept',
  'revocation.locations': 'where the set is kept',
  'revocation.jurisdiction': 'where the set is kept',
  'gate.unread_body': 'how much of a body is dropped before a refusal',
}

const TABLE_OF: Record<string, string> = {
  'gate.assertion': 'assertion',
  'gate.revocation': 'revocation',
  'rule.revocation': 'revocation',
  'gate.address_limit': 'address-limit',
  'issuer.decrypt': 'decrypt',
  'issuer.delegation': 'delegation',
  'rule.delegation': 'delegation',
  'rule.scopes': 'scopes',
  'rule.authorization_details': 'authorization-details',
  'rule.when': 'when',
  'rule.rate_limit': 'rate-limit',
  'rule.cors': 'cors',
  'rule.credential': 'credential',
  'rule.mcp': 'mcp',
  'delegation.actors': 'actor',
  'delegation.subjects': 'actor',
  'mcp-name.scopes': 'mcp-scopes',
  'rule.approval': 'approval',
  'mcp-name.approval': 'call-approval',
}

/** Tables with any names, whose members are tables. */
const NAMED: Record<string, string> = {
  'mcp.tools': 'mcp-name',
  'mcp.prompts': 'mcp-name',
  'mcp.resources': 'mcp-name',
  'issuer.claims': 'claim',
  'rule.claims': 'claim',
  'grant.claims': 'claim',
}

const isTable = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** All keys that a table has, with those of tables within. */
function keysOf(name: string, table: unknown): string[] {
  if (Array.isArray(table)) return table.flatMap((one) => keysOf(name, one))
  if (!isTable(table)) return []
  return Object.entries(table).flatMap(([key, value]) => {
    const full = `${name}.${key}`
    const within = TABLE_OF[full]
    const members = NAMED[full]
    return [
      full,
      ...(within ? keysOf(within, value) : []),
      ...(members && isTable(value)
        ? Object.values(value).flatMap((one) => keysOf(members, one))
        : []),
    ]
  })
}

/** Keys of the schema's tables that decide. */
export function keysOfSchema(): string[] {
  const schema = JSON.parse(
    readFileSync(new URL('../../docs/policy.schema.json', import.meta.url), 'utf8'),
  ) as { $defs: Record<string, unknown> }
  const named = (table: unknown): string[] => {
    if (!isTable(table)) return []
    const own = isTable(table.properties) ? Object.keys(table.properties) : []
    const others = ['anyOf', 'oneOf', 'allOf'].flatMap((name) => table[name] ?? [])
    return [...own, ...others.flatMap(named)]
  }
  return TABLES.flatMap((name) => {
    const keys = [...new Set(named(schema.$defs[name]))]
    if (keys.length === 0) throw new Error(`the schema has no table ${name}`)
    return keys.map((key) => `${name}.${key}`)
  }).filter((key) => !(key in NOT_DECIDING))
}

export function createCoverage(): Coverage {
  const met = new Map<string, number>()
  const told = new Map<string, number>()
  const known = new WeakMap<object, string[]>()
  let decisions = 0
  const count = (counts: Map<string, number>, name: string) =>
    counts.set(name, (counts.get(name) ?? 0) + 1)
  const keysFor = (name: string, table: JsonObject | undefined): string[] => {
    if (!table) return []
    const before = known.get(table)
    if (before) return before
    const keys = [...new Set(keysOf(name, table))]
    known.set(table, keys)
    return keys
  }
  return {
    met,
    said: told,
    get decisions() {
      return decisions
    },
    meet(vars, said) {
      decisions++
      count(told, said.code ?? said.outcome)
      const { GATE, ISSUERS, ROUTES, GRANTS = [] } = vars
      const issuer = said.issuer === undefined ? undefined : ISSUERS[said.issuer]
      const grants =
        issuer?.scopes_from === undefined || issuer.scopes_from === 'token'
          ? []
          : GRANTS.filter((grant) => grant.issuer === said.issuer)
      const rule = ROUTES.find((one) => one.match === said.rule)
      const all = [
        ...keysFor('gate', GATE),
        ...keysFor('issuer', issuer),
        ...keysFor('rule', rule),
        ...grants.flatMap((grant) => keysFor('grant', grant)),
      ]
      for (const key of new Set(all)) count(met, key)
    },
    missing: (atLeast) =>
      keysOfSchema().flatMap((key) => {
        const times = met.get(key) ?? 0
        return times < atLeast ? [`${key} (${times})`] : []
      }),
  }
}
