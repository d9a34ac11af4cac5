import { deepFreeze, isObject, own } from '../base/json.ts'
import { isPrivateHost } from '../base/network.ts'
import { isLoopback } from '../base/url.ts'
import { claimPath } from '../model/claims.ts'
import type { Issuer, KeyLocation } from '../model/issuer.ts'
import { publicKeyOf } from '../model/jwk.ts'
import { isTrustDomain } from '../model/spiffe.ts'
import { sharedEndpoint } from './advice.ts'
import { claimRules } from './keys/claim-rules.ts'
import { decryptionOf } from './keys/decrypt.ts'
import { checkActors, DEFAULT_DEPTH, delegationOf, type IssuerNames } from './keys/delegation.ts'
import { checkEvents, transmittersOf } from './keys/events.ts'
import { grantsOf, type WrittenGrant } from './keys/grants.ts'
import { DEFAULT_ALGORITHMS, ISSUER_KEYS, type IssuerEntry } from './keys/issuer-keys.ts'
import { checkKeyTimes, keyTimesOf } from './keys/keys.ts'
import { checkPerson, signInOf } from './keys/person.ts'
import { PROFILES, type Profile } from './keys/profiles.ts'
import type { PolicyEnv } from './reading/env.ts'
import type { WrittenUrl } from './reading/fields.ts'
import { quote, type Report, under } from './reading/issues.ts'
import { keptOf } from './reading/kept.ts'
import { namedEntries, readField, readTable } from './reading/table.ts'

const PRIVATE =
  'is a private address, from which the gate fetches no keys; write a public host name, or jwks'

/** Reads one table of ISSUERS by itself. */
const readIssuer = (value: unknown, report: Report): IssuerEntry => {
  const entry = readTable(ISSUER_KEYS, value, report)
  const { issuer, jwks, jwks_uri, allow_insecure_http: insecure = false } = entry
  const profile: Profile = PROFILES[entry.profile ?? 'rfc9068']
  const server = profile.trustDomain ? jwks_uri : issuer
  if (insecure && server && !isLoopback(server.url.hostname)) {
    report(['allow_insecure_http'], 'is only for an issuer on a loopback host')
  }
  if (profile.trustDomain) checkTrustDomain(entry, report)
  else checkScheme(issuer, insecure, under(report, 'issuer'))
  checkScheme(jwks_uri, insecure, under(report, 'jwks_uri'))
  if (!insecure && isObject(value))
    checkKeyTimes(own(value, 'jwks_cache'), under(report, 'jwks_cache'))
  const shared = issuer && sharedEndpoint(issuer.url)
  if (shared !== undefined) report(['issuer'], shared)
  const place = jwks_uri ?? (jwks ? undefined : issuer)
  if (place?.url.protocol === 'https:' && !insecure && isPrivateHost(place.url.hostname)) {
    report([place === issuer ? 'issuer' : 'jwks_uri'], PRIVATE)
  }
  if (jwks && jwks_uri)
    report(['jwks_uri'], 'and jwks cannot both be set: keys come from one place')
  if (entry.agent_type && entry.entity_profiles) {
    report(['entity_profiles'], 'and agent_type cannot both be set: types come from one place')
  }
  if (entry.scopes_from === 'grants' && (entry.admin ?? false) !== false) {
    report(
      ['admin'],
      'has no effect with scopes_from = "grants": no grant gives edgewarden: scopes',
    )
  }
  if (entry.rules === false && (entry.admin ?? false) === false) {
    report(['rules'], 'is false and admin is not set: nothing would accept tokens of this issuer')
  }
  if (entry.operator !== undefined && (entry.rules !== false || !jwks)) {
    report(
      ['operator'],
      'is only for the key of one person, which no rule accepts: write `jwks` and `rules = false`, or leave it out',
    )
  }
  checkPerson(entry, profile, report)
  const checkUrl = (written: WrittenUrl | undefined, path: readonly (string | number)[]) => {
    const at: Report = (rest, message) => report([...path, ...rest], message)
    checkScheme(written, insecure, at)
    if (written?.url.protocol === 'https:' && !insecure && isPrivateHost(written.url.hostname)) {
      at([], PRIVATE)
    }
  }
  checkEvents(entry.events ?? [], checkUrl, under(report, 'events'))
  for (const key of ['agentic_forms', 'changed'] as const) {
    if (entry[key] && !profile.agentic) report([key], 'is only for profile `agentic-jwt`')
  }
  if (profile.workload && !profile.trustDomain && entry.audiences) {
    report(
      ['audiences'],
      `must be left out with profile ${quote(entry.profile ?? '')}: its tokens are ID tokens by shape, and are accepted only with the rule's resource as their one audience`,
    )
  }
  const algorithms = algorithmsOf(entry, profile)
  if (jwks && !jwks.some((key) => publicKeyOf(key, algorithms, profile.trustDomain))) {
    report(['jwks'], `must contain a public key for one of ${algorithms.map(quote).join(', ')}`)
  }
  return entry
}

const algorithmsOf = (entry: IssuerEntry, profile: Profile) =>
  entry.algorithms ?? profile.algorithms ?? DEFAULT_ALGORITHMS

const checkTrustDomain = ({ issuer, jwks, jwks_uri }: IssuerEntry, report: Report) => {
  if (issuer && !isTrustDomain(issuer.text)) {
    report(
      ['issuer'],
      'must be a trust domain with profile `spiffe`, like `spiffe://prod.example.com`: lower-case, without port and path',
    )
  }
  if (!jwks && !jwks_uri) {
    report(
      ['jwks_uri'],
      'is required with profile `spiffe`, or jwks is: write the address of the bundle, which a trust domain does not publish',
    )
  }
}

const checkScheme = (written: WrittenUrl | undefined, insecure: boolean, report: Report) => {
  if (!written || written.url.protocol === 'https:') return
  if (insecure && isLoopback(written.url.hostname)) return
  report([], 'must be an https URL; http needs allow_insecure_http = true and a loopback host')
}

const keysOf = ({ jwks, jwks_uri }: IssuerEntry, never: readonly string[]): KeyLocation => {
  if (jwks) return { kind: 'inline', keys: jwks }
  return jwks_uri ? { kind: 'uri', uri: jwks_uri.text } : { kind: 'discovery', never }
}

/** What an issuer needs beside its entry. Discovery never leads to `never`, the gate's own origins. */
interface Around {
  readonly never: readonly string[]
  readonly env: PolicyEnv
  readonly grants: readonly WrittenGrant[]
}

/** The issuer with every default filled in. */
const issuerOf = (
  name: string,
  iss: string,
  entry: IssuerEntry,
  { names, never, env, grants }: Around & { readonly names: IssuerNames },
  report: Report,
): Issuer => {
  const profileName = entry.profile ?? 'rfc9068'
  const profile: Profile = PROFILES[profileName]
  const at = under(report, 'delegation')
  const unset = { maxDepth: DEFAULT_DEPTH, issuers: new Set<string>() }
  const delegation = delegationOf(entry.delegation, unset, names, at)
  const { maxDepth, issuers } = delegation
  const counts = (one: string) => one === iss || issuers.has(one)
  const takes = (one: string) => one === iss
  checkActors(entry.delegation ?? {}, { maxDepth, counts, takes, names }, at)
  if (profile.audienceClaim !== 'aud' && !entry.audiences) {
    report(
      ['audiences'],
      `is required with profile ${quote(profileName)}: its access tokens have no aud; write the ids of the clients whose tokens are for this API, which are compared with ${profile.audienceClaim}`,
    )
  }
  const decrypt = entry.decrypt && decryptionOf(entry.decrypt, env, under(report, 'decrypt'))
  const ofProfile = readField(claimRules, profile.claims, under(report, 'profile')) ?? []
  const made: Issuer = {
    ...keptOf(ISSUER_KEYS, entry),
    name,
    profile: profileName,
    issuer: iss,
    keys: keysOf(entry, never),
    keyTimes: keyTimesOf(entry.jwks_cache),
    algorithms: algorithmsOf(entry, profile),
    types: new Set<string>(entry.typ ?? profile.types),
    audienceClaim: profile.audienceClaim,
    maxLifetime: entry.max_lifetime ?? profile.maxLifetime,
    requiredClaims: entry.required_claims ?? profile.requiredClaims,
    claims: [...ofProfile, ...(entry.claims ?? [])],
    clientId: profile.clientId,
    clientRequired: profile.clientRequired,
    agentId: entry.agent_id ?? profile.agentId,
    agentType: entry.agent_type ?? claimPath('agent_type'),
    ...((entry.entity_profiles ?? (profile.entityProfiles && !entry.agent_type)) && {
      entityProfiles: true,
    }),
    workflowId: entry.workflow_id ?? profile.workflowId ?? [claimPath('workflow_id')],
    sessionId: entry.session_id ?? profile.sessionId ?? claimPath('sid'),
    scope: entry.scope ?? profile.scope,
    scopeElse: entry.scope ? [] : profile.scopeElse,
    ...(entry.scopes_from &&
      entry.scopes_from !== 'token' && {
        scopesFrom: entry.scopes_from,
        grants: grantsOf(name, grants),
      }),
    ...(profile.workload && { workload: true }),
    ...(profile.audienceHint !== undefined && { audienceHint: profile.audienceHint }),
    ...(profile.trustDomain && { trustDomain: true }),
    ...(profile.agentic && { agentic: new Set(entry.agentic_forms ?? []) }),
    ...(entry.changed === 'alert' && { changed: 'alert' }),
    ...(entry.rules !== undefined && entry.rules !== true && { rules: entry.rules }),
    ...(entry.possession === 'required' && { possession: 'required' }),
    ...(entry.agents === 'approved' && { agents: 'approved' }),
    ...(decrypt && { decrypt }),
    ...(entry.person && { person: signInOf(entry.person, profile) }),
    delegation,
    ...(profile.actorIssuer && { actorIssuer: true }),
    ...(entry.delegation?.parent_scope && { parentScope: entry.delegation.parent_scope }),
  }
  const { events } = entry
  const { trustDomain: _, ...like } = made
  const source = { ...like, algorithms: DEFAULT_ALGORITHMS }
  return deepFreeze({
    ...made,
    ...(events && { events: transmittersOf(events, source, env, under(report, 'events')) }),
  })
}

/** Reads every issuer: its table as configured, and the issuer if the table is readable. */
export function readIssuers(value: unknown, around: Around, report: Report) {
  const entries = new Map<string, IssuerEntry>()
  const otherwise = 'must be a table of name → issuer: [vars.ISSUERS.name]'
  for (const [name, raw] of namedEntries(value, report, otherwise)) {
    entries.set(name, readIssuer(raw, under(report, name)))
  }
  const names = new Map<string, string>()
  for (const [name, { issuer }] of entries) if (issuer) names.set(name, issuer.text)
  const issuers = new Map<string, Issuer>()
  for (const [name, iss] of names) {
    const entry = entries.get(name) ?? {}
    issuers.set(name, issuerOf(name, iss, entry, { names, ...around }, under(report, name)))
  }
  return { entries, names, issuers, declared: new Set(entries.keys()) }
}
