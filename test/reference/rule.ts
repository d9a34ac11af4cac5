/** Reads a table of ROUTES (docs/configuration/routes.md). */

import type { AgenticRule } from './agentic.ts'
import { readDelegation } from './delegationLimits.ts'
import { type Gate, readFreshness } from './gate.ts'
import type { ApprovalTable, McpTable, When } from './mcp-types.ts'
import { readPattern } from './paths.ts'
import { seconds, type Table } from './values.ts'

/** The methods that the gate knows. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Scopes that are all needed, or of which one is needed. */
export type NeededScopes = { all: string[] } | { any: string[] }

/** What the token's `authorization_details` must allow. */
export interface NeededDetail {
  type: string
  actions?: string[]
  datatypes?: string[]
  privileges?: string[]
  identifier?: string
  locations?: string[]
}

/** A rule, with its defaults. Times are in seconds. */
export type Rule = ReturnType<typeof readRule>

/** Reads the table of a rule. */
export function readRule(table: Table, gate: Gate) {
  const match = table.match as string
  const [methods = '', path = ''] = match.split(' ')
  const given = <T>(key: string) => table[key] as T | undefined
  return {
    match,
    methods: readMethods(methods),
    path: readPattern(path),
    host: given<string>('host'),
    resource: given<string>('resource') ?? gate.resource,
    scopes: readScopes(table.scopes),
    access: given<'public' | 'optional'>('access') ?? 'required',
    /** Names of issuers. */
    issuers: given<string[]>('issuers'),
    claims: given<Table>('claims') ?? {},
    audiences: given<string[]>('audiences'),
    maxLifetime: seconds(table.max_lifetime),
    agentTypes: given<string[]>('agent_types'),
    workflow: readWorkflow(given('workflow')),
    agentic: table as AgenticRule,
    delegation: readDelegation(given<Table>('delegation') ?? {}),
    details: given<NeededDetail[]>('authorization_details') ?? [],
    acrValues: given<string[]>('acr_values'),
    maxAge: seconds(table.max_age),
    when: table.when === undefined ? undefined : readWhen(table.when as When),
    cors: given<Table>('cors'),
    origin: given<string>('origin') ?? gate.origin,
    stripPrefix: given<string>('strip_prefix') ?? '',
    inject: given<Record<string, string>>('inject'),
    forwardClaims: given<Record<string, string>>('forward_claims') ?? {},
    forwardToken: table.forward_token === true,
    // A rule with `inject`, `mcp` or `approval` is always enforced.
    mode:
      table.inject || table.mcp || table.approval
        ? 'enforce'
        : (given<Gate['mode']>('mode') ?? gate.mode),
    revocation: table.revocation === undefined ? gate.revocation : readFreshness(table.revocation),
    rateLimit: readRateLimit(given('rate_limit')),
    singleUse: table.single_use === true,
    inFlight: given<number>('in_flight'),
    credentialHeaders: (given<Table>('credential')?.headers ?? ['authorization']) as string[],
    tokenSubprotocols: given<string[]>('token_subprotocols') ?? [],
    agents: given<'any' | 'approved'>('agents') ?? 'any',
    possession: given<'if-bound' | 'required'>('possession') ?? 'if-bound',
    replay: given<'exact' | 'window'>('replay') ?? 'exact',
    mcp: given<McpTable>('mcp'),
    approval: given<ApprovalTable>('approval'),
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

function readScopes(value: unknown): NeededScopes {
  if (value === undefined) return { all: [] }
  return Array.isArray(value) ? { all: value } : (value as { any: string[] })
}

function readWorkflow(text: string | undefined) {
  if (text === undefined) return undefined
  const colon = text.indexOf(':')
  return { from: text.slice(0, colon) as 'path' | 'header' | 'query', name: text.slice(colon + 1) }
}

/** A condition, of a rule or of an entry of `mcp`, with the headers and parameters that it lists. */
export function readWhen(when: When) {
  const table = typeof when === 'string' ? { condition: when } : when
  const { condition, headers = [], query = [] } = table as Exclude<When, string>
  return { condition, headers, query }
}

function readRateLimit(table: Table | undefined) {
  if (table === undefined) return undefined
  return {
    limit: table.limit as number | undefined,
    period: seconds(table.period),
    daily: table.daily as number | undefined,
    per: (table.per ?? 'agent') as 'agent' | 'client' | 'workflow' | 'issuer',
    binding: table.binding as string | undefined,
  }
}
