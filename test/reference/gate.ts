/** Reads GATE (docs/configuration/gate.md). */
import { hostOf, seconds, type Table } from './values.ts'

/** The keys of GATE that decide, with their defaults. Times are in seconds. */
export type Gate = ReturnType<typeof readGate>

/** How fresh the gate's knowledge of revocations is. */
export type Freshness = ReturnType<typeof readFreshness>

/** Reads GATE. `routes` are the tables of the rules: their resources and hosts are served too. */
export function readGate(table: Table, routes: Table[]) {
  const given = <T>(key: string) => table[key] as T | undefined
  const resource = table.resource as string
  const served = [resource, ...routes.flatMap((rule) => (rule.resource as string) ?? [])]
  const hosts = [...served.map(hostOf), ...routes.flatMap((rule) => (rule.host as string) ?? [])]
  return {
    resource,
    origin: table.origin as string,
    hosts: given<string[]>('hosts') ?? [...new Set(hosts)],
    insecureHttp: table.insecure_http === true,
    clockTolerance: seconds(table.clock_tolerance) ?? 5,
    proofMaxAge: seconds(table.proof_max_age) ?? 60,
    proofMaxAhead: seconds(table.proof_max_ahead) ?? 5,
    dpopNonce: table.dpop_nonce === true,
    prefix: given<string>('prefix') ?? '/.edgewarden',
    revocation: readFreshness(table.revocation),
    assertion: readAssertion(table.assertion),
    identityPrefix: given<string>('identity_prefix') ?? 'x-agent-',
    identityHeaders: given<Record<string, string>>('identity_headers') ?? {},
    stripHeaders: given<string[]>('strip_headers') ?? [],
    clientIp: given<string>('client_ip') ?? 'cf-connecting-ip',
    addressLimit: readAddressLimit(given('address_limit')),
    inFlight: given<number>('in_flight') ?? 256,
    mode: given<'enforce' | 'shadow'>('mode') ?? 'enforce',
    agents: given<'any' | 'approved'>('agents') ?? 'any',
    lift: given<string[]>('lift') ?? [],
    consoleHost: given<{ host: string }>('console')?.host,
  }
}

/** Reads `revocation` of GATE or of a rule: keys that a table leaves out have their defaults. */
export function readFreshness(value: unknown) {
  const table: Table = typeof value === 'string' ? { consistency: value } : ((value ?? {}) as Table)
  return {
    consistency: table.consistency === 'strict' ? 'strict' : 'bounded',
    maxStaleness: seconds(table.max_staleness) ?? 5,
  }
}

function readAssertion(value: unknown) {
  const table: Table = typeof value === 'string' ? { binding: value } : ((value ?? {}) as Table)
  return {
    binding: (table.binding ?? 'identity') as 'off' | 'identity' | 'request' | 'body',
    maxBody: (table.max_body ?? 1_048_576) as number,
  }
}

function readAddressLimit(table: Table | undefined) {
  if (table === undefined) return undefined
  const { limit, binding } = table as { limit?: number; binding?: string }
  return { limit, period: seconds(table.period), binding }
}
