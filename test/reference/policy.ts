/**
 * Reads the policy: GATE, ISSUERS, ROUTES, SCOPES, GRANTS with their documented defaults (docs/configuration).
 * The policy is taken to be valid; no mistakes are reported.
 */
import { type Gate, readGate } from './gate.ts'
import { type Issuer, readIssuer } from './issuer.ts'
import { type Rule, readRule } from './rule.ts'

/** A grant (docs/grants.md). */
export interface Grant {
  issuer: string
  claims: Record<string, unknown>
  scopes: string[]
  agentType: string | undefined
  agentId: string | undefined
}

/** The whole policy. */
export interface Policy {
  gate: Gate
  /** By name, in the order of the variables. */
  issuers: Record<string, Issuer>
  rules: Rule[]
  scopes: Record<string, string[]>
  grants: Grant[]
}

type Table = Record<string, unknown>

/** Reads the policy from the variables of wrangler.toml. */
export function readPolicy(vars: Record<string, unknown>): Policy {
  const gate = readGate(tableOf(vars, 'GATE'), tableList(vars, 'ROUTES'))
  const issuers = Object.entries(tableOf(vars, 'ISSUERS')).map(([name, table]) => [
    name,
    readIssuer(name, table as Table),
  ])
  return {
    gate,
    issuers: Object.fromEntries(issuers),
    rules: tableList(vars, 'ROUTES').map((table) => readRule(table, gate)),
    scopes: tableOf(vars, 'SCOPES') as Record<string, string[]>,
    grants: tableList(vars, 'GRANTS').map(readGrant),
  }
}

function readGrant(table: Table): Grant {
  return {
    issuer: table.issuer as string,
    claims: table.claims as Table,
    scopes: table.scopes as string[],
    agentType: table.agent_type as string | undefined,
    agentId: table.agent_id as string | undefined,
  }
}

/** The names of the variables that are joined with this one: `ROUTES`, then `ROUTES_01`, `ROUTES_02`. */
function namesOf(vars: Record<string, unknown>, name: string): string[] {
  const further = Object.keys(vars).filter((other) => other.startsWith(`${name}_`))
  return [...(name in vars ? [name] : []), ...further.sort()]
}

/** A variable may be JSON text. */
function plainValue(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value
}

/** Tables that are merged; of GATE a later variable replaces each key as a whole. */
function tableOf(vars: Record<string, unknown>, name: string): Table {
  return Object.assign({}, ...namesOf(vars, name).map((each) => plainValue(vars[each])))
}

/** Lists that are joined. */
function tableList(vars: Record<string, unknown>, name: string): Table[] {
  return namesOf(vars, name).flatMap((each) => plainValue(vars[each]) as Table[])
}
