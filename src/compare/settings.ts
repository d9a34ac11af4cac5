import { isObject } from '../gate/base/json.ts'
import type { Shown } from '../gate/policy/keys/show-parts.ts'
import {
  accepts,
  acceptsMore,
  algorithms,
  type Direction,
  destination,
  elsewhere,
  flag,
  grants,
  guard,
  isSame,
  type Judge,
  larger,
  neutral,
  opaque,
  permission,
  quota,
  requires,
  restriction,
  restrictionBy,
  secured,
  whereBoth,
  words,
} from './judges.ts'
import { mcp } from './mcp.ts'
import { valueText } from './words.ts'

/** The judge of each setting. A setting without a judge cannot be compared. */
export type Table = Readonly<Record<string, Judge>>

const each = (judge: Judge, ...keys: readonly string[]): Table =>
  Object.fromEntries(keys.map((key) => [key, judge]))

/** The settings of GATE as shown; `table.key` for those of nested tables. */
export const GATE_TABLE: Table = {
  ...each(neutral, 'resource', 'prefix', 'request_id', 'journal.allowed', 'denial_docs'),
  'console.host': neutral,
  ...each(neutral, 'revocation.shards', 'revocation.locations'),
  // Compared as settings of rules.
  ...each(elsewhere, 'hosts', 'revocation.consistency', 'revocation.max_staleness'),
  insecure_http: flag,
  ...each(larger, 'clock_tolerance', 'proof_max_age', 'proof_max_ahead', 'in_flight'),
  'assertion.binding': words('body', 'request', 'identity', 'off'),
  ...each(whereBoth(neutral), 'assertion.algorithm', 'assertion.max_body'),
  // A key that is no longer withdrawn may be trusted again.
  'assertion.withdrawn': requires,
  dpop_nonce: guard,
  strip_headers: requires,
  // Another jurisdiction has another, empty set.
  'revocation.jurisdiction': opaque,
  agents: restriction,
  // WATCH has tables of its own, which may stop agents.
  watch: restriction,
  lift: accepts,
  address_limit: restrictionBy(quota),
}

/** Delegation limits of issuer and rule are compared together. */
const DELEGATION = ['max_depth', 'require_actor', 'actors', 'subjects', 'issuers', 'may_act'].map(
  (key) => `delegation.${key}`,
)

/** The settings of an issuer in both policies. */
export const ISSUER_TABLE: Table = {
  ...each(elsewhere, ...DELEGATION, 'issuer', 'audiences', 'max_lifetime', 'claims', 'rules'),
  ...each(larger, 'jwks_cache.max_fresh', 'jwks_cache.stale_if_error'),
  'jwks_cache.cooldown': neutral,
  ...each(accepts, 'jwks', 'typ'),
  algorithms,
  required_claims: requires,
  scopes_from: words('token', 'both'),
  agents: restriction,
  grants,
  agentic_forms: acceptsMore,
  changed: permission,
  possession: restriction,
  admin: words(false, 'own', 'all'),
  decrypt: permission,
  'delegation.parent_scope': restriction,
  'delegation.actor_issuer': guard,
  allow_insecure_http: flag,
}

/** The settings of the two rules of one request. */
export const RULE_TABLE: Table = {
  ...each(elsewhere, ...DELEGATION, 'match', 'host', 'access', 'scopes', 'issuers', 'claims'),
  ...each(elsewhere, 'audiences', 'max_lifetime', 'agent_types', 'workflow', 'mode'),
  // Where the resource is used, in metadata, audiences and details, it is compared there.
  resource: secured,
  origin: destination,
  ...each(permission, 'cors', 'inject', 'ambiguous_paths'),
  ...each(larger, 'revocation.late_by', 'in_flight'),
  on_revocation: words('end-all', 'end-streams', 'ignore'),
  on_expiry: words('cut', 'finish'),
  finish_within: whereBoth(larger),
  timeout: neutral,
  remove_response_headers: requires,
  ...each(flag, 'forward_token', 'encoded_slash'),
  ...each(restriction, 'when', 'authorization_details'),
  rate_limit: restrictionBy(quota),
  single_use: guard,
  token_subprotocols: acceptsMore,
  possession: restriction,
  agents: restriction,
  replay: permission,
  mcp,
  ...each(restrictionBy(accepts), 'steps', 'delegation_chains', 'step_sequences', 'acr_values'),
  max_age: restrictionBy(larger),
}

/** Tables whose keys are compared one by one. */
const NESTED: ReadonlySet<string> = new Set([
  ...['assertion', 'delegation', 'journal', 'jwks_cache', 'revocation'],
])

/** The settings with `table.key` for those of nested tables. */
const flat = (shown: Shown): ReadonlyMap<string, unknown> =>
  new Map(
    Object.entries(shown).flatMap(([key, value]) =>
      NESTED.has(key) && isObject(value)
        ? Object.entries(value).map(([inner, one]) => [`${key}.${inner}`, one] as const)
        : [[key, value] as const],
    ),
  )

/** Settings as shown, and fuller ones to compare. */
export interface Compared {
  readonly shown: Shown
  readonly hidden?: Readonly<Record<string, unknown>>
}

/** A changed setting. */
export interface Changed {
  readonly key: string
  readonly before: string
  readonly after: string
  readonly directions: readonly Direction[]
}

/** All changed settings, compared by their judges. Settings without a judge are included. */
export function changesOf(table: Table, before: Compared, after: Compared): readonly Changed[] {
  const [old, now] = [flat(before.shown), flat(after.shown)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key): readonly Changed[] => {
    const judge = Object.hasOwn(table, key) ? (table[key] ?? opaque) : opaque
    const [one, other] = [old.get(key), now.get(key)]
    const hidden = [before.hidden?.[key] ?? one, after.hidden?.[key] ?? other] as const
    const directions = isSame(...hidden) ? [] : judge(...hidden)
    if (directions.length === 0) return []
    const [was, is] = [valueText(one), valueText(other)]
    return [
      { key, before: was, after: was === is ? is + otherwise(key, one, other) : is, directions },
    ]
  })
}

/** The explanation if a setting's text is unchanged. */
const OTHERWISE: Readonly<Record<string, string>> = {
  when: ', of other parts of the path',
  authorization_details: ', of other parts of the path or for another resource',
  inject: ', of other secrets or text',
  origin: ', under another host',
  mcp: ', of other parts of the path or with other SCOPES',
}

const otherwise = (key: string, before: unknown, after: unknown): string => {
  const known = isSame(before, after) && Object.hasOwn(OTHERWISE, key) ? OTHERWISE[key] : undefined
  return known ?? ', with other contents'
}
