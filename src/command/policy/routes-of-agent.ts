import { askedBy, isUsable, type Reach, reachable } from '../../compare/reach/reachable.ts'
import type { Described } from '../../compare/reach/ways.ts'
import { type KindOfUse, usesOf } from '../../compare/scopes.ts'
import { type JsonObject, own, parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { accessOf, missingClaims } from '../../gate/guard/stages/claims.ts'
import { identityOf } from '../../gate/guard/stages/identity.ts'
import { type ClaimRule, readClaim } from '../../gate/model/claims.ts'
import type { Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Route } from '../../gate/model/route.ts'
import { grantsByScope, isScopeToken } from '../../gate/model/scope.ts'
import { trustDomainOf } from '../../gate/model/spiffe.ts'
import type { VerifiedToken } from '../../gate/model/token.ts'
import { claimedIssuer } from '../base/claimed-issuer.ts'
import { given } from '../base/command.ts'
import { readText } from '../base/files.ts'

/** An agent as options describe it. */
export interface AgentOptions {
  /** With entity profiles there may be several, separated by spaces. */
  readonly agentType?: string
  /** Separated by spaces. */
  readonly scopes?: string
  /** The name of an issuer's table. */
  readonly issuer?: string
  readonly workflow?: string
  /** The claims of its token: JSON, or `@FILE`. */
  readonly claims?: string
}

/** A rule that the agent could reach. */
export interface Reached {
  readonly route: Reach['route']
  /** Names of the issuers from which its token may come. */
  readonly issuers: readonly string[]
  /** Values that parameters of the path must have, as alternatives. */
  readonly only: Reach['only']
  /** Parameters with too many possible values to list. */
  readonly many: Reach['many']
  /** What else the rule requires. */
  readonly asks: JsonObject
  /** What it could use of an MCP server behind the rule. */
  readonly uses: readonly KindOfUse[]
}

/** The options that describe an agent. */
export function agentOf(options: AgentOptions): AgentOptions {
  const { claims, agentType, scopes, issuer, workflow } = options
  return given({ claims, agentType, scopes, issuer, workflow })
}

/** An agent as the claims of its token describe it. */
export interface OfClaims {
  readonly options: AgentOptions
  readonly claims: JsonObject
  /** For each scope that grants give: the grants that give it. */
  readonly granted_by: Readonly<Record<string, readonly string[]>>
  /** Why no rule takes the token. */
  readonly refused: string | undefined
}

/**
 * The agent of a token with these claims, as its issuer's entry and the grants say. Reads what decides on scopes, type
 * and workflow, and the claims that the entry asks for; no times, audience and actors. The reason of a failure is a
 * sentence.
 */
export async function agentOfClaims(
  { issuers }: Policy,
  { claims: source = '', ...options }: AgentOptions,
): Promise<Result<OfClaims, string>> {
  const text = source.startsWith('@') ? await readText(source.slice(1)) : ok(source)
  if (!text.ok) return text
  const written = parseJsonObject(text.value)
  if (!written) return fail('--claims must be a JSON object, or @FILE with one.')
  const entry =
    options.issuer === undefined
      ? claimedIssuer({ issuers }, written)
      : [...issuers.values()].find(({ name }) => name === options.issuer)
  if (!entry) return fail('--claims needs the issuer: --issuer NAME, or an iss that the file has.')
  const told = { ...written, iss: entry.issuer }
  const claims = entry.trustDomain ? written : told
  const access = accessOf({ claims, issuer: entry, key: {} } as unknown as VerifiedToken)
  // Without the claim that names the agent it may be called anything.
  const named = { ...entry, agentId: [...entry.agentId, ['iss']] }
  const agent = access
    ? identityOf({ ...access, claims: told, entry: named }, [])
    : 'claim_malformed'
  const { type = '', workflowId } = typeof agent === 'string' ? {} : agent
  const isOfAnother = entry.trustDomain && trustDomainOf(own(claims, 'sub')) !== entry.issuer
  const code = fits(entry.claims, claims) ? undefined : 'claim_rejected'
  const malformed = typeof agent === 'string' ? agent : undefined
  const refused = isOfAnother ? 'issuer_unknown' : (code ?? malformed)
  return ok({
    claims,
    granted_by: refused === undefined ? grantsByScope(access?.granted ?? []) : {},
    refused,
    options: {
      agentType: type,
      scopes: access?.scopes.join(' ') ?? '',
      ...(workflowId !== undefined && { workflow: workflowId }),
      ...options,
      issuer: entry.name,
    },
  })
}

const fits = (rules: readonly ClaimRule[], claims: JsonObject): boolean =>
  rules.every(({ path, accepts }) => accepts(readClaim(claims, path)))

/**
 * The rules that an agent could reach, with what else each rule requires. The reason of a failure is a sentence: an
 * unknown issuer, or a text that is not a list of scopes.
 */
export async function routesOfAgent(
  policy: Policy,
  shown: readonly JsonObject[],
  options: AgentOptions,
  claims?: JsonObject,
): Promise<Result<readonly Reached[], string>> {
  const described = describedBy(policy, options)
  if (!described.ok) return described
  const found: Reached[] = []
  for (const reach of await reachable(policy, described.value)) {
    const { route, issuers, only, many, isAnonymous } = reach
    // An agent without a token reaches an optional rule too.
    const isOpen = isAnonymous || route.access === 'optional'
    if (claims && !isOpen && !fits(route.claims, claims)) continue
    found.push({
      route,
      issuers: issuers.map(({ name }) => name),
      only,
      many,
      asks: isAnonymous
        ? {}
        : {
            ...asksOf(shown[policy.routes.indexOf(route)] ?? {}, issuers, options, claims),
            ...(claims && lackedBy(claims, route, issuers)),
          },
      uses: await usesBy(policy, described.value, reach),
    })
  }
  return ok(found)
}

/** What an agent could use of the MCP server behind a rule. */
const usesBy = async (
  policy: Policy,
  described: Described,
  { route, issuers, only }: Reach,
): Promise<readonly KindOfUse[]> => {
  const found: KindOfUse[] = []
  for (const one of usesOf(route)) {
    if (await isUsable(one.use, { ...described, route, issuers, only }, policy)) found.push(one)
  }
  return found
}

const describedBy = (
  { issuers }: Policy,
  { agentType, scopes, issuer, workflow }: AgentOptions,
): Result<Described, string> => {
  const entry = [...issuers.values()].find(({ name }) => name === issuer)
  if (issuer !== undefined && !entry) {
    const names = [...issuers.values()].map(({ name }) => name)
    return fail(`There is no issuer ${issuer}; the file has: ${names.join(', ') || 'none'}.`)
  }
  const held = scopes?.split(' ').filter((one) => one !== '')
  const wrong = held?.find((one) => !isScopeToken(one))
  if (wrong !== undefined) return fail(`"${wrong}" is not one scope (RFC 6749 §3.3).`)
  return ok(given({ type: agentType, scopes: held, issuer: entry?.issuer, workflow }))
}

const asksOf = (
  rule: JsonObject,
  issuers: readonly Issuer[],
  { agentType, scopes, workflow }: AgentOptions,
  claims: JsonObject | undefined,
): JsonObject => {
  const answered = [
    ...(claims ? ['claims'] : []),
    ...(agentType === undefined ? [] : ['agent_types']),
    ...(scopes === undefined ? [] : ['scopes']),
    // A path is described by the values it must have; a header or query still has to be sent.
    ...(workflow !== undefined && String(own(rule, 'workflow')).startsWith('path:')
      ? ['workflow']
      : []),
  ]
  const limiting = issuers.filter(
    ({ delegation: { requireActor, actors, subjects } }) => requireActor || actors || subjects,
  )
  const claiming = issuers.filter((one) => !claims && one.claims.length > 0)
  return {
    ...askedBy(rule, answered),
    ...(limiting.length > 0 && { issuer_delegation: limiting.map(({ name }) => name) }),
    ...(claiming.length > 0 && { issuer_claims: claiming.map(({ name }) => name) }),
  }
}

/** Claims that are not compared: --claims may leave them out. */
const UNCOMPARED: ReadonlySet<string> = new Set(['iss', 'exp', 'iat', 'aud'])

/** What the issuer's entry requires and a token with these claims lacks. */
const lackedBy = (claims: JsonObject, route: Route, issuers: readonly Issuer[]): JsonObject => {
  const missing = issuers.flatMap((issuer) => missingClaims({ claims, issuer, route }))
  const lacked = missing.filter((name) => !UNCOMPARED.has(name))
  return lacked.length > 0 ? { issuer_required_claims: lacked } : {}
}
