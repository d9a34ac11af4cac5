import { own } from '../base/json.ts'
import type { ClaimHeader } from '../model/claim-headers.ts'
import { type ClaimPath, type ClaimRule, claimPathText } from '../model/claims.ts'
import type { Decryption } from '../model/decryption.ts'
import type { DelegationRule, Issuer, KeyLocation, KeyTimes } from '../model/issuer.ts'
import type { Gate, Policy } from '../model/policy.ts'
import type { RevocationPlacement, RevocationTerms } from '../model/revocation.ts'
import type { CorsRule, Route } from '../model/route.ts'
import { isReading, issuerNames, isWithin, originText, writtenScopes } from './rows.ts'

/** A table in the words of the configuration; what is not set is not there. */
export type Shown = Readonly<Record<string, unknown>>

/** A policy in the words of the configuration, every default filled in. */
export interface ShownPolicy {
  readonly gate: Shown
  /** By their names in the configuration. */
  readonly issuers: Readonly<Record<string, Shown>>
  /** In file order. */
  readonly routes: readonly Shown[]
  readonly scopes: Readonly<Record<string, readonly string[]>>
}

/** Stands for every value that is the operator's secret, or was made with one. */
const REDACTED = 'redacted'

/**
 * The policy in force, as JSON. Without secrets: an injected header is shown by its name, an inline
 * or private key by its `kid`, an address of keys without its query. With `within`, the `iss` of an
 * issuer, only that issuer, the rules that take its tokens or none at all, and the actors that are
 * its own.
 */
export const showPolicy = (policy: Policy, within?: string): ShownPolicy => {
  const issuers = [...policy.issuers.values()].filter(
    ({ issuer }) => within === undefined || issuer === within,
  )
  return {
    gate: showGate(policy.gate),
    issuers: Object.fromEntries(issuers.map((one) => [one.name, showIssuer(one, within)])),
    routes: policy.routes
      .filter((route) => within === undefined || isWithin(route, within))
      .map((route) => showRoute(route, issuers, within)),
    scopes: Object.fromEntries(policy.scopes),
  }
}

const showGate = (gate: Gate): Shown => ({
  resource: gate.resource,
  hosts: [...gate.hosts],
  insecure_http: gate.insecureHttp,
  clock_tolerance: secondsText(gate.clockTolerance),
  prefix: gate.prefix,
  assertion: gate.assertion
    ? {
        binding: gate.assertion.binding,
        algorithm: gate.assertion.algorithm,
        max_body: gate.assertion.maxBody,
        withdrawn: [...gate.assertion.withdrawn],
      }
    : 'off',
  identity_prefix: gate.identityPrefix,
  identity_headers: showHeaders(gate.identityHeaders),
  strip_headers: [...gate.stripHeaders],
  client_ip: gate.clientIp.from === 'header' ? gate.clientIp.name : gate.clientIp.from,
  revocation: { ...showTerms(gate.revocation), ...showPlacement(gate.placement) },
  journal: { ...gate.journal },
  errors: gate.errors,
  lift: [...gate.lift],
})

const showHeaders = (headers: readonly ClaimHeader[]): Shown =>
  Object.fromEntries(headers.map(({ header, path }) => [header, claimPathText(path)]))

const showIssuer = (issuer: Issuer, within?: string): Shown => ({
  issuer: issuer.issuer,
  profile: issuer.profile,
  ...showKeys(issuer.keys),
  ...(issuer.keys.kind !== 'inline' && { jwks_cache: showTimes(issuer.keyTimes) }),
  algorithms: issuer.algorithms,
  typ: [...issuer.types],
  ...(issuer.audiences && { audiences: issuer.audiences }),
  max_lifetime: secondsText(issuer.maxLifetime),
  required_claims: issuer.requiredClaims,
  claims: showClaims(issuer.claims),
  agent_id: showPaths(issuer.agentId),
  agent_prefix: issuer.agentPrefix,
  agent_type: claimPathText(issuer.agentType),
  workflow_id: claimPathText(issuer.workflowId),
  scope: showPaths(issuer.scope),
  ...(issuer.scopeElse.length > 0 && { scope_else: showPaths(issuer.scopeElse) }),
  admin: issuer.admin,
  ...(issuer.decrypt && { decrypt: showDecryption(issuer.decrypt) }),
  delegation: showDelegation(issuer.delegation, within),
  allow_insecure_http: issuer.allowInsecureHttp,
})

const showTerms = ({ consistency, maxStaleness }: RevocationTerms): Shown => ({
  consistency,
  max_staleness: millisecondsText(maxStaleness),
})

const showPlacement = ({ shards, locations, jurisdiction }: RevocationPlacement): Shown => ({
  shards,
  ...(locations.length > 0 && { locations: [...locations] }),
  ...(jurisdiction !== undefined && { jurisdiction }),
})

const showTimes = ({ maxFresh, staleIfError, cooldown }: KeyTimes): Shown => ({
  max_fresh: millisecondsText(maxFresh),
  stale_if_error: millisecondsText(staleIfError),
  cooldown: millisecondsText(cooldown),
})

const showRoute = (route: Route, issuers: readonly Issuer[], within?: string): Shown => {
  const { target, workflow } = route
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
    ...(route.cors && { cors: showCors(route.cors) }),
    mode: route.mode,
    ...(isReading(route) && { revocation: showTerms(route.revocation) }),
    origin: originText(target),
    ...(target.stripPrefix !== '' && { strip_prefix: target.stripPrefix }),
    timeout: millisecondsText(target.timeout),
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
  }
}

const showKeys = (keys: KeyLocation): Shown => {
  switch (keys.kind) {
    case 'inline':
      return { jwks: { keys: keys.keys.map((key) => ({ kid: own(key, 'kid') })) } }
    case 'uri':
      return { jwks_uri: keys.uri.replace(/\?.*$/s, `?${REDACTED}`) }
    case 'discovery':
      return {}
  }
}

const showDecryption = (decrypt: Decryption): Shown => ({
  secret: decrypt.secret,
  key_management: decrypt.keyManagement,
  content_encryption: decrypt.contentEncryption,
  keys: (decrypt.keys ?? []).map(({ kid }) => ({ kid })),
})

const showClaims = (rules: readonly ClaimRule[]): Shown =>
  Object.fromEntries(rules.map(({ path, expected }) => [claimPathText(path), expected]))

const showPaths = (paths: readonly ClaimPath[]): readonly string[] => paths.map(claimPathText)

const showDelegation = (rule: DelegationRule, within?: string): Shown => {
  const isShown = (issuer: string) => within === undefined || issuer === within
  const withheld = rule.actors?.some(({ issuer }) => issuer !== undefined && !isShown(issuer))
  return {
    max_depth: rule.maxDepth,
    require_actor: rule.requireActor,
    ...(rule.actors && {
      actors: rule.actors
        .filter(({ issuer }) => issuer === undefined || isShown(issuer))
        .map((actor) => (actor.issuer === undefined ? actor.sub : { ...actor })),
    }),
    ...(withheld && { other_actors: REDACTED }),
    ...(rule.subjects && { subjects: [...rule.subjects] }),
    issuers: [...rule.issuers].filter(isShown),
  }
}

const showCors = ({ maxAge, ...rule }: CorsRule): Shown => ({
  ...rule,
  ...(maxAge !== undefined && { max_age: secondsText(maxAge) }),
})

/** Scheme, host and path of the origin, or the binding's name. */
const secondsText = (seconds: number): string => `${seconds}s`

const millisecondsText = (milliseconds: number): string =>
  milliseconds % 1000 === 0 ? secondsText(milliseconds / 1000) : `${milliseconds}ms`
