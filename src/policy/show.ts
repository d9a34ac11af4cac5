import { own } from '../core/json.ts'
import { claimPathText } from '../core/model/claims.ts'
import type { Decryption, Issuer, KeyLocation, KeyTimes } from '../core/model/issuer.ts'
import type { Gate, Policy } from '../core/model/policy.ts'
import type { RevocationPlacement } from '../core/model/revocation.ts'
import { isWithin } from './rows.ts'
import {
  millisecondsText,
  REDACTED,
  type Shown,
  secondsText,
  showAddressLimit,
  showClaims,
  showDelegation,
  showHeaders,
  showPath,
  showPaths,
  showTerms,
} from './show-parts.ts'
import { showRoute } from './show-route.ts'

export type { Shown } from './show-parts.ts'

/** A policy in the words of the configuration, every default filled in. */
export interface ShownPolicy {
  readonly gate: Shown
  /** By their names in the configuration. */
  readonly issuers: Readonly<Record<string, Shown>>
  /** In file order. */
  readonly routes: readonly Shown[]
  readonly scopes: Readonly<Record<string, readonly string[]>>
}

/**
 * The policy in force, as JSON. Without secrets: an injected header is shown by its name, an inline
 * or private key by its `kid`, an address of keys without its query. With `within`, the `iss` of an
 * issuer, only that issuer, the rules that take its tokens or none at all, and the actors that are
 * its own.
 */
export function showPolicy(policy: Policy, within?: string): ShownPolicy {
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
  ...(gate.addressLimit && { address_limit: showAddressLimit(gate.addressLimit) }),
  revocation: { ...showTerms(gate.revocation), ...showPlacement(gate.placement) },
  journal: { ...gate.journal },
  request_id: gate.requestId,
  errors: gate.errors,
  lift: [...gate.lift],
})

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
  ...(issuer.entityProfiles
    ? { entity_profiles: true }
    : { agent_type: claimPathText(issuer.agentType) }),
  workflow_id: showPath(issuer.workflowId),
  scope: showPaths(issuer.scope),
  ...(issuer.scopeElse.length > 0 && { scope_else: showPaths(issuer.scopeElse) }),
  admin: issuer.admin,
  ...(issuer.decrypt && { decrypt: showDecryption(issuer.decrypt) }),
  delegation: {
    ...showDelegation(issuer.delegation, within),
    ...(issuer.parentScope && { parent_scope: claimPathText(issuer.parentScope) }),
  },
  allow_insecure_http: issuer.allowInsecureHttp,
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
