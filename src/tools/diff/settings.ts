import {
  accepts,
  algorithms,
  destination,
  elsewhere,
  flag,
  guard,
  type Judge,
  larger,
  neutral,
  neutralPart,
  opaque,
  permission,
  quota,
  requires,
  restriction,
  restrictionBy,
  secured,
  words,
} from './judges.ts'
import { mcp } from './mcp.ts'

/** How each setting is judged; one that has no row cannot be compared. */
export type Table = Readonly<Record<string, Judge>>

/** Settings of GATE, as they are shown; a dot stands before a key of a table. */
export const GATE_TABLE: Table = {
  resource: neutral,
  hosts: elsewhere,
  insecure_http: flag,
  clock_tolerance: larger,
  prefix: neutral,
  'assertion.binding': words('body', 'request', 'identity', 'off'),
  'assertion.algorithm': neutralPart,
  'assertion.max_body': neutralPart,
  // A key that is withdrawn no more may be believed again.
  'assertion.withdrawn': requires,
  strip_headers: requires,
  // Those of a rule are what it takes from here.
  'revocation.consistency': elsewhere,
  'revocation.max_staleness': elsewhere,
  'revocation.shards': neutral,
  'revocation.locations': neutral,
  // Another jurisdiction is another set, in which nothing is revoked.
  'revocation.jurisdiction': opaque,
  'journal.allowed': neutral,
  request_id: neutral,
  errors: words('standard', 'detailed'),
  lift: accepts,
  address_limit: restrictionBy(quota),
}

/** Limits on delegation that are compared together, an issuer's with a rule's. */
const DELEGATION: Table = {
  'delegation.max_depth': elsewhere,
  'delegation.require_actor': elsewhere,
  'delegation.actors': elsewhere,
  'delegation.subjects': elsewhere,
  'delegation.issuers': elsewhere,
  'delegation.may_act': elsewhere,
}

/** Settings of an issuer that both policies have. */
export const ISSUER_TABLE: Table = {
  ...DELEGATION,
  issuer: elsewhere,
  'jwks_cache.max_fresh': larger,
  'jwks_cache.stale_if_error': larger,
  'jwks_cache.cooldown': neutral,
  jwks: accepts,
  algorithms,
  typ: accepts,
  audiences: elsewhere,
  max_lifetime: elsewhere,
  required_claims: requires,
  claims: elsewhere,
  admin: words(false, 'own', 'all'),
  decrypt: permission,
  'delegation.parent_scope': restriction,
  'delegation.actor_issuer': guard,
  allow_insecure_http: flag,
}

/** Settings of two rules that one request falls under, before and after. */
export const RULE_TABLE: Table = {
  ...DELEGATION,
  match: elsewhere,
  host: elsewhere,
  // What it stands for beside the metadata, audiences and details, is compared with them.
  resource: secured,
  access: elsewhere,
  scopes: elsewhere,
  issuers: elsewhere,
  claims: elsewhere,
  audiences: elsewhere,
  max_lifetime: elsewhere,
  agent_types: elsewhere,
  workflow: elsewhere,
  mode: elsewhere,
  origin: destination,
  cors: permission,
  'revocation.late_by': larger,
  on_revocation: words('end-all', 'end-streams', 'ignore'),
  timeout: neutral,
  inject: permission,
  remove_response_headers: requires,
  forward_token: flag,
  encoded_slash: flag,
  ambiguous_paths: permission,
  when: restriction,
  rate_limit: restrictionBy(quota),
  single_use: guard,
  mcp,
  authorization_details: restriction,
  acr_values: restrictionBy(accepts),
  max_age: restrictionBy(larger),
}

/** Tables whose keys are judged one by one. */
export const NESTED: ReadonlySet<string> = new Set([
  'assertion',
  'delegation',
  'journal',
  'jwks_cache',
  'revocation',
])
