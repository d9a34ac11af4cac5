/** Reads GATE (docs/configuration/gate.md). */
import { hostOf, seconds } from './values.ts'

/** How fresh the gate's knowledge of revocations is. */
export interface Freshness {
  consistency: 'bounded' | 'strict'
  maxStaleness: number
}

/** The keys of GATE that decide. Times are in seconds. */
export interface Gate {
  resource: string
  origin: string
  hosts: string[]
  insecureHttp: boolean
  clockTolerance: number
  proofMaxAge: number
  proofMaxAhead: number
  dpopNonce: boolean
  prefix: string
  revocation: Freshness
  assertion: { binding: 'off' | 'identity' | 'request' | 'body'; maxBody: number }
  identityPrefix: string
  identityHeaders: Record<string, string>
  stripHeaders: string[]
  clientIp: string
  addressLimit: { limit?: number; period?: number; binding?: string } | undefined
  inFlight: number
  mode: 'enforce' | 'shadow'
  agents: 'any' | 'approved'
  lift: string[]
  consoleHost: string | undefined
}

type Table = Record<string, unknown>

/** Reads GATE. `routes` are the tables of the rules: their resources and hosts are served too. */
export function readGate(table: Table, routes: Table[]): Gate {
  const resource = table.resource as string
  const served = [resource, ...routes.flatMap((rule) => (rule.resource ? [rule.resource] : []))]
  const hosts = [
    ...served.map((each) => hostOf(each as string)),
    ...routes.flatMap((rule) => (rule.host ? [rule.host as string] : [])),
  ]
  const console = table.console as { host: string } | undefined
  return {
    resource,
    origin: table.origin as string,
    hosts: (table.hosts as string[] | undefined) ?? [...new Set(hosts)],
    insecureHttp: table.insecure_http === true,
    clockTolerance: seconds(table.clock_tolerance) ?? 5,
    proofMaxAge: seconds(table.proof_max_age) ?? 60,
    proofMaxAhead: seconds(table.proof_max_ahead) ?? 5,
    dpopNonce: table.dpop_nonce === true,
    prefix: (table.prefix as string | undefined) ?? '/.edgewarden',
    revocation: readFreshness(table.revocation),
    assertion: readAssertion(table.assertion),
    identityPrefix: (table.identity_prefix as string | undefined) ?? 'x-agent-',
    identityHeaders: (table.identity_headers as Record<string, string> | undefined) ?? {},
    stripHeaders: (table.strip_headers as string[] | undefined) ?? [],
    clientIp: (table.client_ip as string | undefined) ?? 'cf-connecting-ip',
    addressLimit: readAddressLimit(table.address_limit as Table | undefined),
    inFlight: (table.in_flight as number | undefined) ?? 256,
    mode: (table.mode as 'enforce' | 'shadow' | undefined) ?? 'enforce',
    agents: (table.agents as 'any' | 'approved' | undefined) ?? 'any',
    lift: (table.lift as string[] | undefined) ?? [],
    consoleHost: console?.host,
  }
}

/** Reads `revocation` of GATE or of a rule: keys that a table leaves out have their defaults. */
export function readFreshness(value: unknown): Freshness {
  const table = typeof value === 'string' ? { consistency: value } : ((value ?? {}) as Table)
  return {
    consistency: table.consistency === 'strict' ? 'strict' : 'bounded',
    maxStaleness: seconds((table as Table).max_staleness) ?? 5,
  }
}

function readAssertion(value: unknown): Gate['assertion'] {
  const table = typeof value === 'string' ? { binding: value } : ((value ?? {}) as Table)
  return {
    binding: ((table as Table).binding as Gate['assertion']['binding'] | undefined) ?? 'identity',
    maxBody: ((table as Table).max_body as number | undefined) ?? 1_048_576,
  }
}

function readAddressLimit(table: Table | undefined): Gate['addressLimit'] {
  if (table === undefined) return undefined
  const period = seconds(table.period)
  return {
    ...(table.limit !== undefined && { limit: table.limit as number }),
    ...(period !== undefined && { period }),
    ...(table.binding !== undefined && { binding: table.binding as string }),
  }
}
