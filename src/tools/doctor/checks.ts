import { own, ownText } from '../../core/json.ts'
import { type Check, documentOf, type Facts, type Finding, type Level } from './facts.ts'
import { faultLine, faultMend, faultText, isSilent, issuerDifference, shown } from './faults.ts'
import { KEY_CHECKS } from './key-checks.ts'
import { isOktaOrg } from './profile.ts'

const METADATA: readonly Check[] = [
  [
    'unsure',
    'issuer_unreachable',
    ({ gathered: { metadata }, target }) => faultLine(metadata.find(isSilent), target),
    'Check the address, its DNS and this network; a gate that cannot reach it either has no keys',
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
      if (!discovered || discovered.ok || metadata.some(isSilent) || mismatch(facts))
        return undefined
      if (discovered.reason === 'no jwks_uri') return undefined
      const all = metadata.map((asked) => `${shown(asked.url)} (${faultText(asked, facts.target)})`)
      return `There is no metadata of this issuer: ${all.join(', ')}`
    },
    ({ gathered }) =>
      gathered.discovered?.ok === false ? faultMend(gathered.discovered.reason) : '',
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
    ({ metadata, target: { issuer } }) => {
      const names = own(metadata, 'id_token_signing_alg_values_supported')
      if (!Array.isArray(names) || names.length === 0) return undefined
      const common = names.some((name) =>
        (issuer.algorithms as readonly unknown[]).includes(name === 'EdDSA' ? 'Ed25519' : name),
      )
      return common
        ? undefined
        : `The metadata names no algorithm for ID tokens that is allowed here (${issuer.algorithms.join(', ')})`
    },
    'Only a hint, since access tokens may be signed otherwise: look at the alg of one, and write it into algorithms',
  ],
]

const REST: readonly Check[] = [
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
      }`,
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
]

/** What is wrong, what cannot be told and what deserves a word, the worst first. */
export function findingsOf(facts: Facts): readonly Finding[] {
  return LEVELS.flatMap((level) =>
    [...KEY_CHECKS, ...METADATA, ...REST].flatMap(([of, code, finds, mend]) => {
      const message = of === level ? finds(facts) : undefined
      if (message === undefined) return []
      return [{ level, code, message, mend: typeof mend === 'string' ? mend : mend(facts) }]
    }),
  )
}

const LEVELS: readonly Level[] = ['wrong', 'unsure', 'warning']

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
