import { type JsonObject, own, ownText } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import { PROOF_ALGORITHMS } from '../../core/stages/possession/dpop.ts'
import { documentOf, type Facts, PROOFS } from './facts.ts'
import { faultFix, faultLine, faultText, isSilent, issuerDifference, shown } from './faults.ts'
import { IGNORED, type KeyFact } from './keys.ts'
import { isOktaOrg } from './profile.ts'

/** `unsure`: the issuer did not answer, so a problem may exist. */
export type Level = 'wrong' | 'unsure' | 'warning'

/** A problem or warning, and how to fix it. */
export interface Finding {
  readonly level: Level
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** A check: `finds` returns a message, or `undefined`; `fix` says how to fix it. */
export type Check<Of> = readonly [
  level: Level,
  code: string,
  finds: (facts: Of) => string | undefined,
  fix: string | ((facts: Of) => string),
]

/** The findings of a list of checks, in its order: problems first, then unsure ones, then warnings. */
export function findingsOf<Of>(facts: Of, checks: readonly Check<Of>[]): readonly Finding[] {
  return checks.flatMap(([level, code, finds, fix]) => {
    const message = finds(facts)
    if (message === undefined) return []
    return [{ level, code, message, fix: typeof fix === 'string' ? fix : fix(facts) }]
  })
}

/** The most keys named in a finding. */
const NAMED = 5

const listed = (keys: readonly KeyFact[]): string => {
  const names = keys
    .slice(0, NAMED)
    .map(({ kid, place }) => (kid === undefined ? `entry ${place}` : shown(kid)))
  return [...names, ...(keys.length > NAMED ? [`${keys.length - NAMED} more`] : [])].join(', ')
}

/** Checks for ignored entries of the key set. */
const entryChecks = (level: 'wrong' | 'warning'): readonly Check<Facts>[] =>
  Object.entries(IGNORED).flatMap(([ignored, { found }]): readonly Check<Facts>[] => {
    const [of, what, fix = ''] = found ?? []
    if (of !== level) return []
    const finds = ({ keys }: Facts) => {
      const entries = keys?.entries.filter((key) => key.ignored === ignored) ?? []
      return entries.length > 0 ? `In the key set ${what}: ${listed(entries)}` : undefined
    }
    return [[level, `key_${ignored}`, finds, fix]]
  })

const UNREACHABLE =
  'Check the address, its DNS and this network; a gate that cannot reach it either has no keys'

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

/** Whether the metadata names algorithms, and none of those that are accepted here. */
const namesOthers = (metadata: JsonObject, name: string, accepted: readonly unknown[]): boolean => {
  const names = own(metadata, name)
  if (!Array.isArray(names) || names.length === 0) return false
  return !names.some((one) => accepted.includes(one === 'EdDSA' ? 'Ed25519' : one))
}

/** What is examined of an issuer. */
export const CHECKS: readonly Check<Facts>[] = [
  ...entryChecks('wrong'),
  [
    'wrong',
    'keys_unreadable',
    ({ gathered: { keySet }, target }) =>
      keySet && !isSilent(keySet) ? faultLine(keySet, target) : undefined,
    ({ gathered: { keySet } }) =>
      keySet?.fetched.ok === false ? faultFix(keySet.fetched.reason) : '',
  ],
  [
    'wrong',
    'not_a_key_set',
    ({ gathered: { keySet }, keys }) =>
      keySet?.fetched.ok && !keys
        ? `${shown(keySet.url)} is no JWK set: it has no list "keys"`
        : undefined,
    'jwks_uri must be the address of a JWK set (RFC 7517 §5)',
  ],
  [
    'wrong',
    'no_keys',
    ({ keys }) => (keys?.entries.length === 0 ? 'The key set is empty' : undefined),
    'Have the issuer publish the keys it signs with; a gate that has keys of it goes on with those for a while',
  ],
  [
    'wrong',
    'no_usable_key',
    ({ keys, target }) => {
      if (!keys || keys.usable > 0 || keys.entries.length === 0) return undefined
      // Ambiguous keys have a finding of their own.
      const isTold = keys.entries.some(({ ignored = '' }) => /^(?:same|no)_kid$/.test(ignored))
      return isTold
        ? undefined
        : `No key of the set can verify a token with ${target.issuer.algorithms.join(', ')}`
    },
    ({ keys }) => {
      const would = [...new Set(keys?.entries.flatMap((key) => key.would ?? []))]
      return would.length > 0
        ? `Write algorithms = ${JSON.stringify(would)}, if that is what its access tokens are signed with`
        : 'Have the issuer publish a signing key that the list above would not pass over'
    },
  ],
  [
    'wrong',
    'issuer_mismatch',
    (facts) => (facts.gathered.discovered?.ok ? undefined : mismatch(facts)),
    'What iss says in the tokens is the issuer, to the letter: ask for that one and write it as issuer. If it is the one that was asked for, the metadata is wrong',
  ],
  [
    'wrong',
    'metadata_missing',
    (facts) => {
      const { metadata, discovered } = facts.gathered
      if (!discovered || discovered.ok || discovered.reason === 'no jwks_uri') return undefined
      if (metadata.some(isSilent) || mismatch(facts)) return undefined
      const all = metadata.map((asked) => `${shown(asked.url)} (${faultText(asked, facts.target)})`)
      return `There is no metadata of this issuer: ${all.join(', ')}`
    },
    ({ gathered: { discovered } }) => (discovered?.ok === false ? faultFix(discovered.reason) : ''),
  ],
  [
    'wrong',
    'jwks_uri_missing',
    ({ gathered: { discovered } }) =>
      discovered?.ok === false && discovered.reason === 'no jwks_uri'
        ? 'The metadata names no jwks_uri'
        : undefined,
    'Have the issuer name it, or write the address of its keys as jwks_uri',
  ],
  [
    'wrong',
    'token_refused',
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
  [
    'unsure',
    'keys_unreachable',
    ({ gathered: { keySet }, target }) =>
      keySet && isSilent(keySet) ? faultLine(keySet, target) : undefined,
    UNREACHABLE,
  ],
  [
    'unsure',
    'issuer_unreachable',
    ({ gathered: { metadata }, target }) => faultLine(metadata.find(isSilent), target),
    UNREACHABLE,
  ],
  ...entryChecks('warning'),
  [
    'warning',
    'too_many_keys',
    ({ keys }) =>
      keys && keys.beyond > 0
        ? `${keys.beyond} entries stand behind the first ${LIMITS.keys} and are never looked at`
        : undefined,
    'Have the issuer withdraw old keys',
  ],
  [
    'warning',
    'post_quantum',
    ({ keys }) =>
      keys?.entries.some(({ verifies }) => verifies?.startsWith('ML-DSA'))
        ? 'ML-DSA keys are good only where the runtime of the gate has the algorithm'
        : undefined,
    'On Cloudflare set compatibility_flags = ["webcrypto_modern_algorithms"], and try a token',
  ],
  [
    'warning',
    'metadata_disagrees',
    (facts) => (facts.gathered.discovered?.ok ? mismatch(facts) : undefined),
    'The gate goes on to the other document; have the issuer correct this one',
  ],
  [
    'warning',
    'token_endpoint_missing',
    ({ gathered, metadata }) =>
      gathered.discovered?.ok && ownText(metadata, 'token_endpoint') === undefined
        ? 'The metadata names no token_endpoint'
        : undefined,
    'Agents that find their authorization server by metadata (MCP) cannot get a token: have the issuer name it',
  ],
  [
    'warning',
    'algorithms_differ',
    ({ metadata, target: { issuer } }) =>
      namesOthers(metadata, 'id_token_signing_alg_values_supported', issuer.algorithms)
        ? `The metadata names no algorithm for ID tokens that is allowed here (${issuer.algorithms.join(', ')})`
        : undefined,
    'Only a hint, since access tokens may be signed otherwise: look at the alg of one, and write it into algorithms',
  ],
  [
    'warning',
    'proof_algorithms_differ',
    ({ metadata }) =>
      namesOthers(metadata, PROOFS, PROOF_ALGORITHMS)
        ? `The metadata names no algorithm for DPoP proofs that the gate accepts (${PROOF_ALGORITHMS.join(', ')})`
        : undefined,
    'A client signs all proofs with the key of its token: have the issuer accept one of these algorithms',
  ],
  [
    'warning',
    'possession_unsupported',
    ({ gathered, metadata, target: { issuer } }) =>
      issuer.possession && gathered.discovered?.ok && !own(metadata, PROOFS) && !own(metadata, MTLS)
        ? `The table has possession = "required", and the metadata names neither DPoP (${PROOFS}) nor mutual TLS`
        : undefined,
    'A token without a key is 401 possession_required: have the issuer bind its tokens (RFC 9449, RFC 8705), or leave possession out',
  ],
  [
    'warning',
    'not_kept',
    ({ caching }) =>
      caching?.maxAge === 0 ? 'The key set is sent so that it must not be kept' : undefined,
    ({ caching }) =>
      `The gate keeps it for ${caching?.fresh} s all the same, and asks that often: have it sent with Cache-Control: max-age=600 or more`,
  ],
  [
    'warning',
    'clock',
    ({ clock, target }) =>
      clock && Math.abs(clock.ahead) > target.tolerance
        ? `The issuer's clock is ${Math.abs(clock.ahead)} s ${clock.ahead > 0 ? 'ahead of' : 'behind'} this machine's`
        : undefined,
    ({ clock, target }) =>
      `Find out which is wrong, and synchronise it (NTP). ${
        (clock?.ahead ?? 0) > 0
          ? `Tokens of a clock more than ${target.tolerance} s ahead (GATE.clock_tolerance) are refused as not yet valid`
          : 'Tokens of a clock that is behind expire early'
      }. Clients make DPoP proofs by their own clock: one that is wrong gets 401 proof_expired`,
  ],
  [
    'warning',
    'profile_differs',
    ({ guess, profile }) =>
      guess.profile !== undefined && guess.profile !== profile
        ? `The profile is ${profile}, but by ${guess.by} this is ${guess.profile}`
        : undefined,
    ({ guess }) => `Write profile = "${guess.profile}", unless a sample token passes as it is`,
  ],
  [
    'warning',
    'okta_org',
    ({ target }) =>
      isOktaOrg(target.issuer.issuer)
        ? "This is the Okta org itself, whose access tokens are for Okta's own API"
        : undefined,
    'Use a custom authorization server: its issuer ends in /oauth2/default or /oauth2/ID',
  ],
]
