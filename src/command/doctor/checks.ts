import { type JsonObject, own, ownText } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { PROOF_ALGORITHMS } from '../../gate/guard/possession/dpop.ts'
import { PROFILES, type Profile } from '../../gate/policy/keys/profiles.ts'
import { documentOf, type Facts, PROOFS } from './facts.ts'
import { faultFix, faultLine, faultList, isSilent, issuerDifference, shown } from './faults.ts'
import type { Ignored, KeyFact } from './keys.ts'
import { isOktaOrg, isSameProduct } from './profile.ts'

/** In the order of a report. `unsure`: the issuer did not answer, so there may be a problem. */
const LEVELS = ['wrong', 'unsure', 'warning'] as const
type Level = (typeof LEVELS)[number]

/** A problem or warning, and how to fix it. */
export interface Finding {
  readonly level: Level
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** A check: a message if something is found, and how to fix it. */
type Check<Of> = readonly [
  finds: (facts: Of) => string | false | undefined,
  fix: string | ((facts: Of) => string),
]

/** Checks by the level and the code of what they find. */
export type Checks<Of> = Readonly<Record<Level, Readonly<Record<string, Check<Of>>>>>

/** The findings of checks: problems first, then unsure ones, then warnings. */
export function findingsOf<Of>(facts: Of, checks: Checks<Of>): readonly Finding[] {
  return LEVELS.flatMap((level) =>
    Object.entries(checks[level]).flatMap(([code, [finds, fix]]) => {
      const message = finds(facts)
      if (!message) return []
      return [{ level, code, message, fix: typeof fix === 'string' ? fix : fix(facts) }]
    }),
  )
}

/** The most keys named in a finding. */
const NAMED = 5

/** Finds entries of the key set that are ignored for one reason. */
const ignoredKeys =
  (ignored: Ignored, what: string) =>
  ({ keys }: Facts) => {
    const found = keys?.entries.filter((key) => key.ignored === ignored) ?? []
    return found.length > 0 && `In the key set ${what}: ${listed(found)}`
  }

const listed = (keys: readonly KeyFact[]): string => {
  const names = keys
    .slice(0, NAMED)
    .map(({ kid, place }) => (kid === undefined ? `entry ${place}` : shown(kid)))
  return [...names, ...(keys.length > NAMED ? [`${keys.length - NAMED} more`] : [])].join(', ')
}

const UNREACHABLE =
  'Check the address, its DNS and this network; if the gate cannot reach it either, it has no keys'

/** The message about metadata of another issuer, if there is any. */
const mismatch = ({ gathered, target }: Facts): string | undefined => {
  for (const asked of gathered.metadata) {
    const document = documentOf(asked)
    const difference = document && issuerDifference(document, target.issuer.issuer)
    if (difference !== undefined) {
      return `${shown(asked.url)} is metadata of another issuer: ${difference}`
    }
  }
  return undefined
}

const MTLS = 'tls_client_certificate_bound_access_tokens'

/** Whether the metadata names algorithms for DPoP proofs, and none of those that are accepted here. */
const namesOtherProofs = (metadata: JsonObject): boolean => {
  const names = own(metadata, PROOFS)
  if (!Array.isArray(names) || names.length === 0) return false
  return !names.some((one) => PROOF_ALGORITHMS.includes(one === 'EdDSA' ? 'Ed25519' : one))
}

const wrong: Checks<Facts>['wrong'] = {
  key_private: [
    ignoredKeys('private', 'PRIVATE KEY MATERIAL IS PUBLISHED'),
    'Replace these keys NOW, and revoke them at the gate (npx edgewarden revoke key KID): everyone can sign tokens with them. The gate ignores these entries, but not another entry with the same key; publish public members only',
  ],
  key_same_kid: [
    ignoredKeys('same_kid', 'different keys have one kid'),
    'Tokens that name it are refused, because it is unclear which key is meant: give each key a kid of its own',
  ],
  key_no_kid: [
    ignoredKeys('no_kid', 'a key without kid is one of several for its algorithm'),
    'Tokens without kid are refused, because it is unclear which key is meant: give each key a kid, and name it in the tokens',
  ],
  keys_unreadable: [
    ({ gathered: { keySet } }) => keySet && !isSilent(keySet) && faultLine(keySet),
    ({ gathered: { keySet } }) =>
      keySet?.fetched.ok === false ? faultFix(keySet.fetched.reason) : '',
  ],
  not_a_key_set: [
    ({ gathered: { keySet }, keys }) =>
      keySet?.fetched.ok && !keys && `${shown(keySet.url)} is not a JWK set: it has no list "keys"`,
    'jwks_uri must be the address of a JWK set (RFC 7517 §5)',
  ],
  no_keys: [
    ({ keys }) => keys?.entries.length === 0 && 'The key set is empty',
    'Have the issuer publish the keys it signs with; a gate that already has its keys uses those for a while',
  ],
  no_usable_key: [
    ({ keys, target }) => {
      if (!keys || keys.usable > 0 || keys.entries.length === 0) return undefined
      // Ambiguous keys have a finding of their own.
      const isReported = keys.entries.some(({ ignored = '' }) => /^(?:same|no)_kid$/.test(ignored))
      const { algorithms } = target.issuer
      return !isReported && `No key of the set can verify a token with ${algorithms.join(', ')}`
    },
    ({ keys, target: { issuer } }) => {
      const would = [...new Set(keys?.entries.flatMap((key) => key.would ?? []))]
      return would.length > 0
        ? `Write algorithms = ${JSON.stringify(would)}, if that is what its access tokens are signed with`
        : issuer.trustDomain
          ? 'Give the address of the trust domain\'s bundle, whose keys have use "jwt-svid". Keys of an OIDC discovery provider are for profile generic, with its URL as issuer'
          : 'Have the issuer publish a signing key without the faults that are listed above'
    },
  ],
  issuer_mismatch: [
    (facts) => !facts.gathered.discovered?.ok && mismatch(facts),
    '`issuer` must be exactly the iss of its tokens: examine that URL, and write it as issuer. If you did, the metadata is wrong',
  ],
  metadata_missing: [
    (facts) => {
      const { metadata, discovered } = facts.gathered
      if (!discovered || discovered.ok || discovered.reason === 'no jwks_uri') return undefined
      if (metadata.some(isSilent) || mismatch(facts)) return undefined
      return `There is no metadata of this issuer: ${faultList(metadata)}`
    },
    ({ gathered: { discovered } }) => (discovered?.ok === false ? faultFix(discovered.reason) : ''),
  ],
  jwks_uri_missing: [
    ({ gathered: { discovered } }) =>
      discovered?.ok === false &&
      discovered.reason === 'no jwks_uri' &&
      'The metadata names no jwks_uri',
    'Have the issuer name it, or write the address of its keys as jwks_uri',
  ],
  token_refused: [
    ({ token }) => {
      if (!token?.denial) return undefined
      const { code, title, claims } = token.denial
      const named = claims.length > 0 ? `: ${claims.join(', ')}` : ''
      return `The sample token is refused by profile ${token.profile}: ${title} (${code}${named})`
    },
    ({ token }) => {
      const { fits = [], denial } = token ?? {}
      return fits.length > 0 ? `It passes with profile ${fits.join(', ')}` : (denial?.hint ?? '')
    },
  ],
}

const unsure: Checks<Facts>['unsure'] = {
  keys_unreachable: [
    ({ gathered: { keySet } }) => keySet && isSilent(keySet) && faultLine(keySet),
    UNREACHABLE,
  ],
  issuer_unreachable: [
    ({ gathered: { metadata } }) => faultLine(metadata.find(isSilent)),
    UNREACHABLE,
  ],
}

const warning: Checks<Facts>['warning'] = {
  key_weak_rsa: [
    ignoredKeys('weak_rsa', `an RSA key has less than ${LIMITS.rsaBits} bits`),
    'Tokens signed with it are refused: replace it by a longer one (RFC 7518 §3.3)',
  ],
  key_not_allowed: [
    ignoredKeys('not_allowed', 'a key is for an algorithm that is not allowed'),
    'Tokens signed with it are refused: add its algorithm to algorithms, if access tokens use it',
  ],
  key_malformed: [
    ignoredKeys('malformed', 'a key is not well formed for its type'),
    'Tokens signed with it are refused: publish all its public members, each in base64url without padding (RFC 7518 §6)',
  ],
  key_invalid: [
    ignoredKeys('invalid', 'a key cannot be imported'),
    'Tokens signed with it are refused: its numbers are not a key of its type; publish it again',
  ],
  key_unsupported: [
    ignoredKeys('unsupported', 'a key is for an algorithm that this runtime does not have'),
    'Whether the gate supports it depends on its runtime: try a token',
  ],
  key_kid_unusable: [
    ignoredKeys('kid_unusable', `a kid is not a text of at most ${LIMITS.kidLength} characters`),
    'Tokens signed with that key are refused: give it a short name',
  ],
  too_many_keys: [
    ({ keys }) =>
      keys &&
      keys.beyond > 0 &&
      `${keys.beyond} entries come after the first ${LIMITS.keys} and are ignored`,
    'Have the issuer withdraw old keys',
  ],
  post_quantum: [
    ({ keys }) =>
      keys?.entries.some(({ verifies }) => verifies?.startsWith('ML-DSA')) &&
      'ML-DSA keys work only if the runtime of the gate has the algorithm',
    'On Cloudflare set compatibility_flags = ["webcrypto_modern_algorithms"], and try a token',
  ],
  metadata_disagrees: [
    (facts) => facts.gathered.discovered?.ok && mismatch(facts),
    'The gate goes on to the other document; have the issuer correct this one',
  ],
  token_endpoint_missing: [
    ({ gathered, metadata, profile }) =>
      gathered.discovered?.ok &&
      !(PROFILES[profile] as Profile).workload &&
      ownText(metadata, 'token_endpoint') === undefined &&
      'The metadata names no token_endpoint',
    'Agents that find their authorization server by metadata (MCP) cannot get a token: have the issuer name it',
  ],
  proof_algorithms_differ: [
    ({ metadata }) =>
      namesOtherProofs(metadata) &&
      `The metadata names no algorithm for DPoP proofs that the gate accepts (${PROOF_ALGORITHMS.join(', ')})`,
    'A client signs all proofs with the key of its token: have the issuer accept one of these algorithms',
  ],
  possession_unsupported: [
    ({ gathered, metadata, target: { issuer } }) =>
      issuer.possession &&
      gathered.discovered?.ok &&
      !own(metadata, PROOFS) &&
      !own(metadata, MTLS) &&
      `The table has possession = "required", and the metadata names neither DPoP (${PROOFS}) nor mutual TLS`,
    'A token without a key is 401 possession_required: have the issuer bind its tokens (RFC 9449, RFC 8705), or leave possession out',
  ],
  not_kept: [
    ({ caching }) => caching?.maxAge === 0 && "The key set's headers forbid caching",
    ({ caching }) =>
      `The gate still keeps it for ${caching?.fresh} s, and asks that often: have it sent with Cache-Control: max-age=600 or more`,
  ],
  clock: [
    ({ clock, target }) =>
      clock &&
      Math.abs(clock.ahead) > target.tolerance &&
      `The issuer's clock is ${Math.abs(clock.ahead)} s ${clock.ahead > 0 ? 'ahead of' : 'behind'} the clock of this machine`,
    ({ clock, target }) =>
      `Find out which clock is wrong, and synchronise it (NTP). ${
        (clock?.ahead ?? 0) > 0
          ? `Tokens of a clock more than ${target.tolerance} s ahead (GATE.clock_tolerance) are refused as not yet valid`
          : 'Tokens of a clock that is behind expire early'
      }. Clients make DPoP proofs by their own clock: a client whose clock is wrong gets 401 proof_expired`,
  ],
  profile_differs: [
    ({ guess, profile }) =>
      guess.profile !== undefined &&
      !isSameProduct(guess.profile, profile) &&
      `The profile is ${profile}, but by ${guess.by} this is ${guess.profile}`,
    ({ guess }) => `Write profile = "${guess.profile}", unless a sample token passes as it is`,
  ],
  okta_org: [
    ({ target }) =>
      isOktaOrg(target.issuer.issuer) &&
      "This is the Okta org itself, whose access tokens are for Okta's own API",
    'Use a custom authorization server: its issuer ends in /oauth2/default or /oauth2/ID',
  ],
}

/** The checks of an issuer. */
export const CHECKS: Checks<Facts> = { wrong, unsure, warning }
