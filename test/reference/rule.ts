/** Reads a table of ROUTES (docs/configuration/routes.md). */
import type { AgenticRule } from './agentic.ts'
import { type DelegationLimits, readDelegation } from './delegationLimits.ts'
import { type Freshness, type Gate, readFreshness } from './gate.ts'
import type { McpTable } from './mcp.ts'
import type { When } from './mcp-types.ts'
import { type PathPattern, readPattern } from './paths.ts'
import { seconds } from './values.ts'

/** The methods that the gate knows. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Scopes that are all needed, or of which one is needed. */
export type NeededScopes = { all: string[] } | { any: string[] }

/** What the token's `authorization_details` must allow. */
export interface NeededDetail {
  type: string
  actions: string[] | undefined
  datatypes: string[] | undefined
  privileges: string[] | undefined
  identifier: string | undefined
  locations: string[] | undefined
}

/** How often an agent may use a rule. */
export interface RateLimit {
  limit: number | undefined
  period: number | undefined
  daily: number | undefined
  per: 'agent' | 'client' | 'workflow' | 'issuer'
  binding: string | undefined
}

/** A rule. Times are in seconds. */
export interface Rule {
  match: string
  methods: string[]
  path: PathPattern
  host: string | undefined
  resource: string
  scopes: NeededScopes
  access: 'required' | 'optional' | 'public'
  issuers: string[] | undefined
  claims: Record<string, unknown>
  audiences: string[] | undefined
  maxLifetime: number | undefined
  agentTypes: string[] | undefined
  workflow: { from: 'path' | 'header' | 'query'; name: string } | undefined
  agentic: AgenticRule
  delegation: DelegationLimits
  details: NeededDetail[]
  acrValues: string[] | undefined
  maxAge: number | undefined
  when: { condition: string; headers: string[]; query: string[] } | undefined
  cors: { origins: string[] } | undefined
  origin: string
  stripPrefix: string
  inject: Record<string, string> | undefined
  forwardClaims: Record<string, string>
  forwardToken: boolean
  mode: 'enforce' | 'shadow'
  revocation: Freshness
  rateLimit: RateLimit | undefined
  singleUse: boolean
  inFlight: number | undefined
  tokenSubprotocols: string[]
  agents: 'any' | 'approved'
  possession: 'if-bound' | 'required'
  replay: 'exact' | 'window'
  mcp: McpTable | undefined
  encodedSlash: boolean
  allowsAmbiguousPaths: boolean
}

type Table = Record<string, unknown>

/** Reads the table of a rule. */
export function readRule(table: Table, gate: Gate): Rule {
  const match = table.match as string
  const [methods = '', path = ''] = match.split(' ')
  const given = <T>(key: string) => table[key] as T | undefined
  return {
    match,
    methods: readMethods(methods),
    path: readPattern(path),
    host: given('host'),
    resource: given<string>('resource') ?? gate.resource,
    scopes: readScopes(table.scopes),
    access: given<Rule['access']>('access') ?? 'required',
    issuers: given('issuers'),
    claims: given<Table>('claims') ?? {},
    audiences: given('audiences'),
    maxLifetime: seconds(table.max_lifetime),
    agentTypes: given('agent_types'),
    workflow: readWorkflow(given('workflow')),
    agentic: readAgentic(table),
    delegation: readDelegation(given<Table>('delegation') ?? {}),
    details: (given<Table[]>('authorization_details') ?? []).map(readDetail),
    acrValues: given('acr_values'),
    maxAge: seconds(table.max_age),
    when: table.when === undefined ? undefined : readWhen(table.when as When),
    cors: given('cors'),
    origin: given<string>('origin') ?? gate.origin,
    stripPrefix: given<string>('strip_prefix') ?? '',
    inject: given('inject'),
    forwardClaims: given<Record<string, string>>('forward_claims') ?? {},
    forwardToken: table.forward_token === true,
    mode: readMode(table, gate),
    revocation: table.revocation === undefined ? gate.revocation : readFreshness(table.revocation),
    rateLimit: readRateLimit(given('rate_limit')),
    singleUse: table.single_use === true,
    inFlight: table.in_flight as number | undefined,
    tokenSubprotocols: given<string[]>('token_subprotocols') ?? [],
    agents: given<Rule['agents']>('agents') ?? 'any',
    possession: given<Rule['possession']>('possession') ?? 'if-bound',
    replay: given<Rule['replay']>('replay') ?? 'exact',
    mcp: given('mcp'),
    encodedSlash: table.encoded_slash === true,
    allowsAmbiguousPaths: table.ambiguous_paths === 'allow',
  }
}

/** `*` is every method that the gate knows; GET includes HEAD. */
function readMethods(text: string): string[] {
  if (text === '*') return METHODS
  const named = text.split(',')
  return named.includes('GET') ? [...named, 'HEAD'] : named
}

/** A rule with `inject` or `mcp` is always enforced. */
function readMode(table: Table, gate: Gate): Rule['mode'] {
  if (table.inject !== undefined || table.mcp !== undefined) return 'enforce'
  return (table.mode as Rule['mode'] | undefined) ?? gate.mode
}

function readScopes(value: unknown): NeededScopes {
  if (value === undefined) return { all: [] }
  return Array.isArray(value) ? { all: value } : (value as { any: string[] })
}

function readWorkflow(text: string | undefined): Rule['workflow'] {
  if (text === undefined) return undefined
  const colon = text.indexOf(':')
  return { from: text.slice(0, colon) as 'path', name: text.slice(colon + 1) }
}

function readAgentic(table: Table): AgenticRule {
  return {
    ...(table.steps !== undefined && { steps: table.steps as string[] }),
    ...(table.delegation_chains !== undefined && {
      delegation_chains: table.delegation_chains as (string | string[])[],
    }),
    ...(table.step_sequences !== undefined && {
      step_sequences: table.step_sequences as (string | string[])[],
    }),
  }
}

function readDetail(table: Table): NeededDetail {
  return {
    type: table.type as string,
    actions: table.actions as string[] | undefined,
    datatypes: table.datatypes as string[] | undefined,
    privileges: table.privileges as string[] | undefined,
    identifier: table.identifier as string | undefined,
    locations: table.locations as string[] | undefined,
  }
}

/** A condition, of a rule or of an entry of `mcp`, with the headers and parameters that it lists. */
export function readWhen(when: When): NonNullable<Rule['when']> {
  if (typeof when === 'string') return { condition: when, headers: [], query: [] }
  const { condition, headers = [], query = [] } = when
  return { condition, headers, query }
}

function readRateLimit(table: Table | undefined): RateLimit | undefined {
  if (table === undefined) return undefined
  return {
    limit: table.limit as number | undefined,
    period: seconds(table.period),
    daily: table.daily as number | undefined,
    per: (table.per as RateLimit['per'] | undefined) ?? 'agent',
    binding: table.binding as string | undefined,
  }
}
