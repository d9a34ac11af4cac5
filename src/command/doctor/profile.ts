import { type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { parseUrl } from '../../gate/base/url.ts'
import {
  PROFILE_NAMES,
  PROFILES,
  type Profile,
  type ProfileName,
} from '../../gate/policy/keys/profiles.ts'

/** Stands for the id of the operator's own account, where a command writes a policy. */
export const OWNER_ID = 'OWNER_ID'

/** Stands for the id of the agent that gets scopes, where a command writes a grant. */
export const AGENT_ID = 'AGENT_ID'

/** What stands for an id. No token has such a value, so `check` refuses each. */
export const STAND_INS: readonly string[] = [OWNER_ID, AGENT_ID]

/** The suggested profile of an issuer. */
export interface ProfileGuess {
  /** `undefined` if nothing suggests one; then the default, `rfc9068`, applies. */
  readonly profile?: ProfileName
  /** The reason, as the end of a sentence. */
  readonly by: string
}

type Mark = (issuer: URL, metadata: JsonObject) => boolean

/** Whether a metadata member is the issuer's URL with this suffix. */
const endpoint =
  (name: string, tail: string): Mark =>
  ({ href }, metadata) =>
    own(metadata, name) === href.replace(/\/$/, '') + tail

const OKTA_PATH = /^\/oauth2\/[^/]+$/

/** The issuer's path first; then metadata that only one product has. */
const MARKS: readonly (readonly [ProfileName, by: string, Mark])[] = [
  ['keycloak', 'its path', ({ pathname }) => /\/realms\/[^/]+$/.test(pathname)],
  [
    'auth0',
    'mfa_challenge_endpoint in its metadata',
    endpoint('mfa_challenge_endpoint', '/mfa/challenge'),
  ],
  [
    'okta',
    'its path and token_endpoint',
    (issuer, metadata) =>
      OKTA_PATH.test(issuer.pathname) && endpoint('token_endpoint', '/v1/token')(issuer, metadata),
  ],
  [
    'entra',
    'cloud_instance_name in its metadata',
    (_, metadata) => typeof own(metadata, 'cloud_instance_name') === 'string',
  ],
  [
    'agentic-jwt',
    'agent_checksum in grant_types_supported of its metadata',
    (_, metadata) =>
      listOf(own(metadata, 'grant_types_supported')).some(
        (one) => typeof one === 'string' && /(?:^|:)agent_checksum$/.test(one),
      ),
  ],
  [
    'actor',
    'actor_profile_token_types_supported in its metadata',
    (_, metadata) => Array.isArray(own(metadata, 'actor_profile_token_types_supported')),
  ],
]

/** Whether two profiles are for the same product: then address and metadata cannot show which of the two applies. */
export function isSameProduct(one: ProfileName, other: ProfileName): boolean {
  const { mark }: Profile = PROFILES[one]
  return one === other || (mark !== undefined && mark === (PROFILES[other] as Profile).mark)
}

/** Suggests a profile by the issuer's address, or by metadata that only one product has. */
export function guessProfile(issuer: string, metadata: JsonObject = {}): ProfileGuess {
  const url = parseUrl(issuer)
  const profile = PROFILE_NAMES.find((name) => {
    const { mark }: Profile = PROFILES[name]
    return url && mark?.test(`${url.protocol}//${url.hostname}`)
  })
  if (profile) return { profile, by: 'its host' }
  const found = url && MARKS.find(([, , fits]) => fits(url, metadata))
  return found
    ? { profile: found[0], by: found[1] }
    : { by: 'nothing in its address or metadata tells which product it is' }
}

/** Whether an issuer is an Okta org, whose access tokens are only for Okta's API. */
export function isOktaOrg(issuer: string): boolean {
  const url = parseUrl(issuer)
  return (
    url !== undefined && guessProfile(issuer).profile === 'okta' && !OKTA_PATH.test(url.pathname)
  )
}

/** First host labels that do not identify the owner. */
const COMMON = /^(?:www|auth|login|id|idp|sso|accounts?|oauth2?|sts|identity|keycloak|clerk)$/

/** A name for an issuer's table: from its host, or the product's if shared. */
export function nameOf(issuer: string): string {
  const url = parseUrl(issuer)
  const hostname = url?.hostname ?? ''
  const shared = guessProfile(issuer).profile
  const { workload, trustDomain }: Profile = PROFILES[shared ?? 'rfc9068']
  if (shared === 'entra' || shared === 'cognito' || (shared && workload && !trustDomain)) {
    return shared
  }
  if (/^[\d.]+$|^\[|^localhost$/.test(hostname)) return 'local'
  const labels = hostname.split('.')
  const own = labels.slice(0, -1).find((label) => !COMMON.test(label)) ?? labels[0] ?? ''
  return /^[a-z0-9][a-z0-9-]*$/.test(own) ? own : 'issuer'
}
