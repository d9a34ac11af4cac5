import { own } from '../base/json.ts'
import type { AssertionRule } from '../model/assertion.ts'
import type { AuditRule } from '../model/audit.ts'
import { type ClaimGrant, claimPathText } from '../model/claims.ts'
import type { Issuer } from '../model/issuer.ts'
import type { McpKind, McpRule, McpUse } from '../model/mcp.ts'
import type { Gate, Policy } from '../model/policy.ts'
import type { CorsRule, Route } from '../model/route.ts'
import { writtenCondition } from './conditions/field.ts'
import { ASSERTION_KEYS } from './keys/assertion.ts'
import { AUDIT_KEYS } from './keys/audit.ts'
import { showDetails } from './keys/details.ts'
import { GATE_KEYS } from './keys/gate.ts'
import { GRANT_KEYS } from './keys/grants.ts'
import { ISSUER_KEYS } from './keys/issuer-keys.ts'
import { MCP_KEYS } from './keys/mcp.ts'
import { ROUTE_KEYS } from './keys/route-keys.ts'
import {
  millisecondsText,
  REDACTED,
  type Shown,
  type Shows,
  secondsText,
  showAddressLimit,
  showClaims,
  showDelegation,
  showHeaders,
  showPath,
  showPaths,
  showRateLimit,
  showTable,
  showTerms,
  showWatch,
} from './keys/show-parts.ts'
import { isReading, issuerNames, isWithin, originText, writtenScopes } from './reading/rows.ts'

export type { Shown } from './keys/show-parts.ts'

/** A policy in the words of the configuration, every default filled in. */
export interface ShownPolicy {
  readonly gate: Shown
  /** By their names in the configuration. */
  readonly issuers: Readonly<Record<string, Shown>>
  /** In file order. */
  readonly routes: readonly Shown[]
  readonly scopes: Readonly<Record<string, readonly string[]>>
  /** Grants by the place where they are written; absent if there are no grants. */
  readonly grants?: Readonly<Record<string, Shown>>
  /** Absent without an audit, and for administrators of one issuer. */
  readonly audit?: Shown
  /** Tables of WATCH by name; absent as `audit` is. */
  readonly watch?: Readonly<Record<string, Shown>>
}

/**
 * The policy in force, as JSON. Without secrets: an injected header is shown by its name, an inline
 * or private key by its `kid`, an address of keys without its query. With `within`, the `iss` of an
 * issuer, only that issuer, the rules that take its tokens or none at all, and the actors that are
 * its own. Values of rules that other issuers share are redacted.
 */
export function showPolicy(policy: Policy, within?: string): ShownPolicy {
  const issuers = [...policy.issuers.values()].filter(
    ({ issuer }) => within === undefined || issuer === within,
  )
  return {
    gate: showTable(GATE_KEYS, GATE, policy.gate, undefined),
    issuers: Object.fromEntries(issuers.map((one) => [one.name, showIssuer(one, within)])),
    routes: policy.routes
      .filter((route) => within === undefined || isWithin(route, within))
      .map((route) => {
        const accepted = route.issuers ?? policy.issuers
        return showRoute(route, issuers, within, within !== undefined && accepted.size > 1)
      }),
    scopes: Object.fromEntries(policy.scopes),
    ...(issuers.some(({ grants }) => orNone(grants ?? [])) && {
      grants: Object.assign({}, ...issuers.map(showGrants)),
    }),
    ...(policy.audit &&
      within === undefined && { audit: showTable(AUDIT_KEYS, AUDIT, policy.audit, undefined) }),
    ...(policy.watch.length > 0 &&
      within === undefined && {
        watch: Object.fromEntries(policy.watch.map((rule) => [rule.name, showWatch(rule, policy)])),
      }),
  }
}

/** Shown where it applies, in rules, or only checked. */
const notShown = () => undefined

const GATE: Shows<typeof GATE_KEYS, Gate> = {
  resource: ({ resource }) => resource,
  origin: notShown,
  origin_via: notShown,
  clock_tolerance: ({ clockTolerance }) => secondsText(clockTolerance),
  proof_max_age: ({ proofMaxAge }) => secondsText(proofMaxAge),
  proof_max_ahead: ({ proofMaxAhead }) => secondsText(proofMaxAhead),
  prefix: ({ prefix }) => prefix,
  revocation: ({ revocation, placement: { shards, locations, jurisdiction } }) => ({
    ...showTerms(revocation),
    shards,
    ...(locations.length > 0 && { locations: [...locations] }),
    ...(jurisdiction !== undefined && { jurisdiction }),
  }),
  assertion: ({ assertion }) =>
    assertion ? showTable(ASSERTION_KEYS, ASSERTION, assertion, undefined) : 'off',
  identity_prefix: ({ identityPrefix }) => identityPrefix,
  identity_headers: ({ identityHeaders }) => showHeaders(identityHeaders),
  client_ip: ({ clientIp }) => (clientIp.from === 'header' ? clientIp.name : clientIp.from),
  address_limit: ({ addressLimit }) => addressLimit && showAddressLimit(addressLimit),
  in_flight: ({ inFlight }) => inFlight,
  timeout: notShown,
  on_revocation: notShown,
  on_expiry: notShown,
  finish_within: notShown,
  shared_ids: notShown,
  mode: notShown,
  journal: ({ journal }) => ({ ...journal }),
  denial_docs: ({ denialDocs }) => denialDocs,
  console: ({ console }) => console,
}

const AUDIT: Shows<typeof AUDIT_KEYS, AuditRule> = {
  retention: ({ retention }) => secondsText(retention),
  max_size: ({ maxBytes }) => `${maxBytes / 1e6}MB`,
  rows_a_day: ({ maxRows }) => (Number.isFinite(maxRows) ? maxRows : 'unlimited'),
  shards: ({ shards }) => shards,
  jurisdiction: ({ jurisdiction }) => jurisdiction,
  claims: ({ claims }) => claims.map(claimPathText),
}

const ASSERTION: Shows<typeof ASSERTION_KEYS, AssertionRule> = {
  max_body: ({ maxBody }) => maxBody,
}

const ISSUER: Shows<typeof ISSUER_KEYS, Issuer, string | undefined> = {
  issuer: ({ issuer }) => issuer,
  profile: ({ profile }) => profile,
  jwks_uri: ({ keys }) =>
    keys.kind === 'uri' ? keys.uri.replace(/\?.*$/s, `?${REDACTED}`) : undefined,
  jwks: ({ keys }) =>
    keys.kind === 'inline'
      ? { keys: keys.keys.map((key) => ({ kid: own(key, 'kid') })) }
      : undefined,
  jwks_cache: ({ keys, keyTimes }) =>
    keys.kind === 'inline'
      ? undefined
      : {
          max_fresh: millisecondsText(keyTimes.maxFresh),
          stale_if_error: millisecondsText(keyTimes.staleIfError),
          cooldown: millisecondsText(keyTimes.cooldown),
        },
  typ: ({ types }) => [...types],
  max_lifetime: ({ maxLifetime }) => secondsText(maxLifetime),
  agentic_forms: ({ agentic }) => agentic && [...agentic],
  claims: ({ claims }) => showClaims(claims),
  agent_id: ({ agentId }) => showPaths(agentId),
  agent_prefix: ({ agentPrefix }) => agentPrefix,
  agent_type: ({ entityProfiles, agentType }) =>
    entityProfiles ? undefined : claimPathText(agentType),
  workflow_id: ({ workflowId }) => showPath(workflowId),
  scope: ({ scope }) => showPaths(scope),
  scopes_from: ({ scopesFrom = 'token' }) => scopesFrom,
  decrypt: ({ decrypt }) =>
    decrypt && {
      secret: decrypt.secret,
      key_management: decrypt.keyManagement,
      content_encryption: decrypt.contentEncryption,
      keys: (decrypt.keys ?? []).map(({ kid }) => ({ kid })),
    },
  delegation: ({ delegation, parentScope }, within) => ({
    ...showDelegation(delegation, within),
    ...(parentScope && { parent_scope: claimPathText(parentScope) }),
  }),
}

const showIssuer = (issuer: Issuer, within?: string): Shown => ({
  ...showTable(ISSUER_KEYS, ISSUER, issuer, within),
  ...(issuer.scopeElse.length > 0 && { scope_else: showPaths(issuer.scopeElse) }),
})

const GRANT: Shows<typeof GRANT_KEYS, ClaimGrant, string> = {
  issuer: (_grant, issuer) => issuer,
  claims: ({ claims }) => showClaims(claims),
  agent_type: ({ agentType }) => agentType,
  agent_id: ({ agentId }) => agentId?.source,
}

/** The grants for tokens of an issuer, by where they are written. */
export function showGrants({ name, grants = [] }: Issuer): Readonly<Record<string, Shown>> {
  return Object.fromEntries(
    grants.map((grant) => [grant.name, showTable(GRANT_KEYS, GRANT, grant, name)]),
  )
}

interface RouteContext {
  readonly issuers: readonly Issuer[]
  readonly within: string | undefined
  /** Whether the reader administers one issuer, and the rule also accepts tokens of others: values may be theirs. */
  readonly isShared: boolean
}

/** A value, unless it may be that of another issuer. */
const unshared =
  (show: (route: Route, around: RouteContext) => unknown) =>
  (route: Route, around: RouteContext) => {
    const value = show(route, around)
    return around.isShared && value !== undefined ? REDACTED : value
  }

/** Keys that a public rule does not read are not shown for it. */
const ofReading =
  (show: (route: Route, around: RouteContext) => unknown) => (route: Route, around: RouteContext) =>
    isReading(route) ? show(route, around) : undefined

const orNone = <Item>(items: readonly Item[]): readonly Item[] | undefined =>
  items.length > 0 ? items : undefined

const ROUTE: Shows<typeof ROUTE_KEYS, Route, RouteContext> = {
  match: ({ name }) => name,
  host: ({ host }) => host,
  resource: ({ resource }) => resource,
  scopes: ofReading(({ scopes }) => writtenScopes(scopes)),
  issuers: ofReading((route, { issuers }) => issuerNames(route, issuers)),
  max_lifetime: ({ maxLifetime }) => maxLifetime && secondsText(maxLifetime),
  claims: ofReading(({ claims }, { isShared }) => showClaims(claims, isShared)),
  workflow: ({ workflow }) => workflow && `${workflow.from}:${workflow.name}`,
  delegation_chains: unshared(({ delegationChains }) => delegationChains),
  step_sequences: unshared(({ stepSequences }) => stepSequences),
  delegation: ({ delegation }, { within }) => delegation && showDelegation(delegation, within),
  authorization_details: ({ authorizationDetails }) =>
    authorizationDetails && showDetails(authorizationDetails),
  acr_values: ({ authentication }) => authentication?.acrValues,
  max_age: ({ authentication }) => authentication?.maxAge && secondsText(authentication.maxAge),
  when: unshared(({ when }) => when && writtenCondition(when)),
  cors: ({ cors }) => cors && showCors(cors),
  origin: ({ target }) => originText(target),
  origin_via: ({ target }) => target.via,
  forward_claims: ({ forwardClaims }) => orNone(forwardClaims) && showHeaders(forwardClaims),
  remove_response_headers: ({ removedFromAnswers }) => orNone(removedFromAnswers),
  strip_prefix: ({ target }) => target.stripPrefix || undefined,
  in_flight: ({ inFlight }) => inFlight,
  timeout: ({ target }) => target.timeout && millisecondsText(target.timeout),
  on_revocation: ofReading(({ onRevocation }) => onRevocation),
  on_expiry: ofReading(({ finishWithin }) => (finishWithin > 0 ? 'finish' : 'cut')),
  finish_within: ({ finishWithin }) => (finishWithin > 0 ? secondsText(finishWithin) : undefined),
  inject: ({ inject }) =>
    orNone(inject) && Object.fromEntries(inject.map(([header]) => [header, REDACTED])),
  revocation: ofReading(({ revocation }) => showTerms(revocation)),
  rate_limit: ({ rateLimit }) => rateLimit && showRateLimit(rateLimit),
  mcp: ({ mcp }, { isShared }) => mcp && showTable(MCP_KEYS, MCP, mcp, isShared),
}

/** A rule in the words of the configuration. */
export function showRoute(
  route: Route,
  issuers: readonly Issuer[],
  within?: string,
  isShared = false,
): Shown {
  return showTable(ROUTE_KEYS, ROUTE, route, { issuers, within, isShared })
}

const showCors = ({ maxAge, ...rule }: CorsRule): Shown => ({
  ...rule,
  ...(maxAge !== undefined && { max_age: secondsText(maxAge) }),
})

const showNames =
  (kind: McpKind) =>
  ({ names }: McpRule, isShared: boolean) => {
    const uses = orNone(names[kind].all)
    return uses && Object.fromEntries(uses.map((use) => [use.pattern, showUse(use, isShared)]))
  }

const MCP: Shows<typeof MCP_KEYS, McpRule, boolean> = {
  tools: showNames('tools'),
  prompts: showNames('prompts'),
  resources: showNames('resources'),
  max_body: ({ maxBody }) => maxBody,
}

const showUse = ({ scopes, agentTypes, when }: McpUse, isShared: boolean): unknown =>
  agentTypes || when
    ? {
        scopes: writtenScopes(scopes),
        ...(agentTypes && { agent_types: [...agentTypes] }),
        ...(when && { when: isShared ? REDACTED : writtenCondition(when) }),
      }
    : writtenScopes(scopes)
