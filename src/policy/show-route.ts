import type { Issuer } from '../core/model/issuer.ts'
import type { CorsRule, Route } from '../core/model/route.ts'
import { showMcp } from '../mcp/options/show.ts'
import { writtenCondition } from './conditions/field.ts'
import { showDetails } from './details.ts'
import { isReading, issuerNames, originText, writtenScopes } from './rows.ts'
import {
  millisecondsText,
  REDACTED,
  type Shown,
  secondsText,
  showClaims,
  showDelegation,
  showHeaders,
  showRateLimit,
  showTerms,
} from './show-parts.ts'

/** A rule in the words of the configuration. */
export function showRoute(route: Route, issuers: readonly Issuer[], within?: string): Shown {
  const { target, workflow } = route
  const { acrValues, maxAge } = route.authentication ?? {}
  return {
    match: route.name,
    ...(route.host !== undefined && { host: route.host }),
    resource: route.resource,
    access: route.access,
    ...(isReading(route) && {
      scopes: writtenScopes(route.scopes),
      issuers: issuerNames(route, issuers),
      claims: showClaims(route.claims),
    }),
    ...(route.audiences && { audiences: route.audiences }),
    ...(route.maxLifetime !== undefined && { max_lifetime: secondsText(route.maxLifetime) }),
    ...(route.agentTypes && { agent_types: [...route.agentTypes] }),
    ...(workflow && { workflow: `${workflow.from}:${workflow.name}` }),
    ...(route.delegation && { delegation: showDelegation(route.delegation, within) }),
    ...(route.authorizationDetails && {
      authorization_details: showDetails(route.authorizationDetails),
    }),
    ...(acrValues && { acr_values: acrValues }),
    ...(maxAge !== undefined && { max_age: secondsText(maxAge) }),
    ...(route.when && { when: writtenCondition(route.when) }),
    ...(route.cors && { cors: showCors(route.cors) }),
    mode: route.mode,
    ...(isReading(route) && {
      revocation: showTerms(route.revocation),
      on_revocation: route.onRevocation,
    }),
    ...(route.rateLimit && { rate_limit: showRateLimit(route.rateLimit) }),
    ...(route.singleUse && { single_use: true }),
    origin: originText(target),
    ...(target.stripPrefix !== '' && { strip_prefix: target.stripPrefix }),
    ...(target.timeout !== undefined && { timeout: millisecondsText(target.timeout) }),
    ...(route.inject.length > 0 && {
      inject: Object.fromEntries(route.inject.map(([header]) => [header, REDACTED])),
    }),
    ...(target.via !== undefined && { origin_via: target.via }),
    ...(route.forwardClaims.length > 0 && { forward_claims: showHeaders(route.forwardClaims) }),
    ...(route.removedFromAnswers.length > 0 && {
      remove_response_headers: route.removedFromAnswers,
    }),
    forward_token: route.forwardToken,
    encoded_slash: route.encodedSlash,
    ...(route.ambiguousPaths && { ambiguous_paths: route.ambiguousPaths }),
    ...(route.mcp && { mcp: showMcp(route.mcp) }),
  }
}

const showCors = ({ maxAge, ...rule }: CorsRule): Shown => ({
  ...rule,
  ...(maxAge !== undefined && { max_age: secondsText(maxAge) }),
})
