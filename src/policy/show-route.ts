import type { Issuer } from '../core/model/issuer.ts'
import type { McpKind, McpRule, McpUse } from '../core/model/mcp.ts'
import type { CorsRule, Route } from '../core/model/route.ts'
import { MCP_KEYS } from '../mcp/options/options.ts'
import { writtenCondition } from './conditions/field.ts'
import { showDetails } from './details.ts'
import { ROUTE_KEYS } from './route-keys.ts'
import { isReading, issuerNames, originText, writtenScopes } from './rows.ts'
import {
  millisecondsText,
  REDACTED,
  type Shown,
  type Shows,
  secondsText,
  showClaims,
  showDelegation,
  showHeaders,
  showRateLimit,
  showTable,
  showTerms,
} from './show-parts.ts'

interface RouteContext {
  readonly issuers: readonly Issuer[]
  readonly within: string | undefined
}

/** What a public rule does not read is not shown of it. */
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
  audiences: ({ audiences }) => audiences,
  max_lifetime: ({ maxLifetime }) => maxLifetime && secondsText(maxLifetime),
  claims: ofReading(({ claims }) => showClaims(claims)),
  agent_types: ({ agentTypes }) => agentTypes && [...agentTypes],
  workflow: ({ workflow }) => workflow && `${workflow.from}:${workflow.name}`,
  delegation: ({ delegation }, { within }) => delegation && showDelegation(delegation, within),
  authorization_details: ({ authorizationDetails }) =>
    authorizationDetails && showDetails(authorizationDetails),
  acr_values: ({ authentication }) => authentication?.acrValues,
  max_age: ({ authentication }) => authentication?.maxAge && secondsText(authentication.maxAge),
  when: ({ when }) => when && writtenCondition(when),
  cors: ({ cors }) => cors && showCors(cors),
  origin: ({ target }) => originText(target),
  origin_via: ({ target }) => target.via,
  forward_claims: ({ forwardClaims }) => orNone(forwardClaims) && showHeaders(forwardClaims),
  remove_response_headers: ({ removedFromAnswers }) => orNone(removedFromAnswers),
  strip_prefix: ({ target }) => target.stripPrefix || undefined,
  timeout: ({ target }) => target.timeout && millisecondsText(target.timeout),
  on_revocation: ofReading(({ onRevocation }) => onRevocation),
  on_expiry: ofReading(({ finishWithin }) => (finishWithin > 0 ? 'finish' : 'cut')),
  finish_within: ({ finishWithin }) => (finishWithin > 0 ? secondsText(finishWithin) : undefined),
  inject: ({ inject }) =>
    orNone(inject) && Object.fromEntries(inject.map(([header]) => [header, REDACTED])),
  revocation: ofReading(({ revocation }) => showTerms(revocation)),
  rate_limit: ({ rateLimit }) => rateLimit && showRateLimit(rateLimit),
  token_subprotocols: ({ tokenSubprotocols }) => tokenSubprotocols,
  mcp: ({ mcp }) => mcp && showTable(MCP_KEYS, MCP, mcp, undefined),
}

/** A rule in the words of the configuration. */
export function showRoute(route: Route, issuers: readonly Issuer[], within?: string): Shown {
  return showTable(ROUTE_KEYS, ROUTE, route, { issuers, within })
}

const showCors = ({ maxAge, ...rule }: CorsRule): Shown => ({
  ...rule,
  ...(maxAge !== undefined && { max_age: secondsText(maxAge) }),
})

const showNames =
  (kind: McpKind) =>
  ({ names }: McpRule) => {
    const uses = orNone(names[kind].all)
    return uses && Object.fromEntries(uses.map((use) => [use.pattern, showUse(use)]))
  }

const MCP: Shows<typeof MCP_KEYS, McpRule> = {
  tools: showNames('tools'),
  prompts: showNames('prompts'),
  resources: showNames('resources'),
  methods: ({ methods }) => [...methods],
  revisions: ({ revisions }) => [...revisions],
  origins: ({ origins }) => [...origins],
  max_body: ({ maxBody }) => maxBody,
  offered_scopes: ({ offeredScopes }) => offeredScopes,
}

const showUse = ({ scopes, agentTypes, when }: McpUse): unknown =>
  agentTypes || when
    ? {
        scopes: writtenScopes(scopes),
        ...(agentTypes && { agent_types: [...agentTypes] }),
        ...(when && { when: writtenCondition(when) }),
      }
    : writtenScopes(scopes)
