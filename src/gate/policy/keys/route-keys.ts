import type { Issuer } from '../../model/issuer.ts'
import type { Route } from '../../model/route.ts'
import { conditionField, writtenCondition } from '../conditions/field.ts'
import {
  agentsField,
  bindingName,
  flag,
  hostName,
  literalPath,
  milliseconds,
  modeField,
  nameList,
  originField,
  possessionField,
  resourceField,
  seconds,
  word,
} from '../reading/fields.ts'
import { kept } from '../reading/kept.ts'
import { issuerNames, originText, writtenScopes } from '../reading/rows.ts'
import { type Field, list, type Readable, required } from '../reading/table.ts'
import { agenticId, expectedChain } from './agentic.ts'
import { approvalField, showApproval } from './approval.ts'
import { claimHeaders } from './claim-headers.ts'
import { claimRules } from './claim-rules.ts'
import { corsField, showCors } from './cors.ts'
import { credentialField } from './credential.ts'
import { delegationField } from './delegation.ts'
import { detailsField, showDetails } from './details.ts'
import { ENDING_KEYS } from './ending.ts'
import { injectField } from './inject.ts'
import { inFlightField, rateLimitField } from './limit.ts'
import { MCP_KEYS, mcpField } from './mcp.ts'
import { revocationField } from './revocation.ts'
import {
  acrValue,
  matchField,
  removableHeader,
  tokenSubprotocol,
  workflowField,
} from './route-fields.ts'
import { scopeRule } from './scopes.ts'
import {
  type IsShown,
  millisecondsText,
  orNone,
  REDACTED,
  type Show,
  secondsText,
  showClaims,
  showDelegation,
  showHeaders,
  showRateLimit,
  showTable,
  showTerms,
} from './show-parts.ts'

/** To whom a rule is shown. */
export interface RouteContext {
  readonly issuers: readonly Issuer[]
  readonly within: string | undefined
  /** Whether the reader administers one issuer, and the rule also accepts tokens of others: values may be theirs. */
  readonly isShared: boolean
}

/**
 * What a key of a rule is about. `token`: a public rule, which reads no token, must not have it, and it is not shown
 * for one. `agent`: also, an agent needs something to fulfil it, which `routes` lists.
 */
export interface IsAbout {
  readonly about: 'request' | 'token' | 'agent'
}

/** The keys of a rule. */
export type RuleRows = Readonly<Record<string, Field<unknown> & IsAbout>>

type ShowRoute = Show<Route, RouteContext>

const rowAbout = (about: IsAbout['about']) => {
  function row<One extends Field<unknown>>(field: One): One & IsAbout
  function row<One extends Field<unknown>>(
    field: One,
    show: ShowRoute,
  ): One & IsAbout & IsShown<Route, RouteContext>
  function row(field: Field<unknown>, show?: ShowRoute) {
    return { ...field, about, ...(show && { show }) }
  }
  return row
}

const ofRequest = rowAbout('request')
const ofToken = rowAbout('token')
const ofAgent = rowAbout('agent')

/** A value, unless it may be that of another issuer. */
const unshared =
  (show: (route: Route) => unknown): ShowRoute =>
  (route, { isShared }) => {
    const value = show(route)
    return isShared && value !== undefined ? REDACTED : value
  }

export const ROUTE_KEYS = {
  match: ofRequest(required(matchField), ({ name }) => name),
  host: ofRequest(kept(hostName), ({ host }) => host),
  resource: ofRequest(resourceField, ({ resource }) => resource),
  scopes: ofAgent(kept(scopeRule, { mode: 'all', scopes: [] }), ({ scopes }) =>
    writtenScopes(scopes),
  ),
  access: ofRequest(kept(word(['required', 'public', 'optional']), 'required')),
  issuers: ofToken(nameList, (route, { issuers }) => issuerNames(route, issuers)),
  claims: ofAgent(kept(claimRules, []), ({ claims }, { isShared }) => showClaims(claims, isShared)),
  audiences: ofAgent(kept(nameList)),
  max_lifetime: ofAgent(
    kept(seconds()),
    ({ maxLifetime }) => maxLifetime && secondsText(maxLifetime),
  ),
  agent_types: ofAgent(nameList),
  workflow: ofAgent(
    kept(workflowField),
    ({ workflow: source }) => source && `${source.from}:${source.name}`,
  ),
  steps: ofAgent(list(agenticId)),
  delegation_chains: ofAgent(
    kept(list(expectedChain)),
    unshared(({ delegationChains }) => delegationChains),
  ),
  step_sequences: ofAgent(
    kept(list(expectedChain)),
    unshared(({ stepSequences }) => stepSequences),
  ),
  delegation: ofAgent(
    delegationField,
    ({ delegation }, { within }) => delegation && showDelegation(delegation, within),
  ),
  authorization_details: ofAgent(
    kept(detailsField),
    ({ authorizationDetails }) => authorizationDetails && showDetails(authorizationDetails),
  ),
  acr_values: ofAgent(list(acrValue), ({ authentication }) => authentication?.acrValues),
  max_age: ofAgent(
    seconds(),
    ({ authentication }) => authentication?.maxAge && secondsText(authentication.maxAge),
  ),
  when: ofAgent(
    kept(conditionField),
    unshared(({ when }) => when && writtenCondition(when)),
  ),
  approval: ofAgent(
    kept(approvalField),
    unshared(({ approval }) => approval && showApproval(approval)),
  ),
  cors: ofRequest(corsField, ({ cors }) => cors && showCors(cors)),
  origin: ofRequest(originField, ({ target }) => originText(target)),
  origin_via: ofRequest(bindingName, ({ target }) => target.via),
  forward_claims: ofToken(
    kept(claimHeaders, []),
    ({ forwardClaims }) => orNone(forwardClaims) && showHeaders(forwardClaims),
  ),
  remove_response_headers: ofRequest(list(removableHeader), ({ removedFromAnswers }) =>
    orNone(removedFromAnswers),
  ),
  strip_prefix: ofRequest(literalPath, ({ target }) => target.stripPrefix || undefined),
  timeout: ofRequest(
    milliseconds(),
    ({ target }) => target.timeout && millisecondsText(target.timeout),
  ),
  on_revocation: ofToken(ENDING_KEYS.on_revocation),
  on_expiry: ofToken(ENDING_KEYS.on_expiry, ({ finishWithin }) =>
    finishWithin > 0 ? 'finish' : 'cut',
  ),
  finish_within: ofToken(ENDING_KEYS.finish_within, ({ finishWithin }) =>
    finishWithin > 0 ? secondsText(finishWithin) : undefined,
  ),
  inject: ofRequest(
    injectField,
    ({ inject }) =>
      orNone(inject) && Object.fromEntries(inject.map(([header]) => [header, REDACTED])),
  ),
  audit_path: ofRequest(word(['template', 'values', 'full'])),
  audit_mask: ofRequest(nameList),
  forward_token: ofRequest(kept(flag, false)),
  encoded_slash: ofRequest(kept(flag, false)),
  ambiguous_paths: ofRequest(word(['refuse', 'allow'])),
  mode: ofRequest(modeField),
  revocation: ofToken(revocationField, ({ revocation }) => showTerms(revocation)),
  rate_limit: ofAgent(
    kept(rateLimitField),
    ({ rateLimit }) => rateLimit && showRateLimit(rateLimit),
  ),
  in_flight: ofToken(kept(inFlightField), ({ inFlight }) => inFlight),
  single_use: ofAgent(flag),
  credential: ofToken(kept(credentialField), ({ credential }) => credential),
  token_subprotocols: ofToken(kept(list(tokenSubprotocol))),
  possession: ofAgent(possessionField),
  agents: ofAgent(agentsField),
  replay: ofAgent(word(['exact', 'window'])),
  mcp: ofRequest(
    kept(mcpField),
    ({ mcp }, { isShared }) => mcp && showTable(MCP_KEYS, mcp, isShared),
  ),
} satisfies RuleRows

/** Whether there is a key of a rule that is about this. */
export function isAbout(key: string, what: IsAbout['about']): boolean {
  const rows: Readonly<Record<string, IsAbout>> = ROUTE_KEYS
  return Object.hasOwn(rows, key) && rows[key]?.about === what
}

/** One table of ROUTES as configured, without what could not be read. */
export type RouteEntry = Readable<typeof ROUTE_KEYS>
