/**
 * Reads the policy: GATE, ISSUERS, ROUTES, SCOPES, GRANTS with their documented defaults (docs/configuration).
 * The policy is taken to be valid; no mistakes are reported.
 */
import { readGate } from './gate.ts'
import { type Issuer, readIssuer } from './issuer.ts'
import { readRule } from './rule.ts'
import type { Table } from './values.ts'

/** A grant, as the policy writes it (docs/grants.md). */
export interface Grant {
  issuer: string
  claims: Table
  scopes: string[]
  agent_type?: string
  agent_id?: string
}

/** The whole policy. */
export type Policy = ReturnType<typeof readPolicy>

/** Reads the policy from the variables of wrangler.toml. */
export function readPolicy(vars: Record<string, unknown>) {
  const { GATE, ISSUERS, ROUTES, SCOPES = {}, GRANTS = [] } = vars
  const routes = ROUTES as Table[]
  const gate = readGate(GATE as Table, routes)
  /** By name, in the order of the variables. */
  const issuers: Record<string, Issuer> = {}
  for (const [name, table] of Object.entries(ISSUERS as Record<string, Table>)) {
    issuers[name] = readIssuer(name, table)
  }
  return {
    /** A text that no other policy has. */
    text: JSON.stringify(vars),
    gate,
    issuers,
    rules: routes.map((table) => readRule(table, gate)),
    scopes: SCOPES as Record<string, string[]>,
    grants: GRANTS as Grant[],
  }
}
