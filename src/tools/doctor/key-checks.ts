import { LIMITS } from '../../core/limits.ts'
import type { Check, Level } from './facts.ts'
import { faultLine, faultMend, isSilent, shown } from './faults.ts'
import type { Ignored, KeyFact, KeyFacts } from './keys.ts'

/** Keys that one finding names. */
const NAMED = 5

const listed = (keys: readonly KeyFact[]): string => {
  const names = keys
    .slice(0, NAMED)
    .map(({ kid, place }) => (kid === undefined ? `entry ${place}` : shown(kid)))
  return [...names, ...(keys.length > NAMED ? [`${keys.length - NAMED} more`] : [])].join(', ')
}

/** Level, code, what is said of the keys, and how it is mended. */
const IGNORED: Readonly<Partial<Record<Ignored, readonly [Level, string, string]>>> = {
  private: [
    'wrong',
    'PRIVATE KEY MATERIAL IS PUBLISHED',
    'Replace these keys NOW, and revoke them at the gate (npx edgewarden revoke key KID): everyone can sign tokens with them. The gate ignores the entries, but not another one with the same key; publish public members only',
  ],
  same_kid: [
    'wrong',
    'different keys have one kid',
    'Tokens that name it are refused, since which is meant is not known: give each key a kid of its own',
  ],
  no_kid: [
    'wrong',
    'a key without kid is one of several for its algorithm',
    'Tokens without kid are refused, since which key is meant is not known: give each key a kid, and name it in the tokens',
  ],
  weak_rsa: [
    'warning',
    `an RSA key has less than ${LIMITS.rsaBits} bits`,
    'Tokens signed with it are refused: replace it by a longer one (RFC 7518 §3.3)',
  ],
  not_allowed: [
    'warning',
    'a key is for an algorithm that is not allowed',
    'Tokens signed with it are refused: add its algorithm to algorithms, if access tokens use it',
  ],
  malformed: [
    'warning',
    'a key is not well formed for its type',
    'Tokens signed with it are refused: publish all its public members, each in base64url without padding (RFC 7518 §6)',
  ],
  invalid: [
    'warning',
    'a key cannot be imported',
    'Tokens signed with it are refused: its numbers are no key of its type; publish it anew',
  ],
  unsupported: [
    'warning',
    'a key is for an algorithm that this runtime does not have',
    'Whether the gate has it is for its runtime: try a token',
  ],
  kid_unusable: [
    'warning',
    `a kid is no text of at most ${LIMITS.kidLength} characters`,
    'Tokens signed with that key are refused: give it a short name',
  ],
}

const ENTRY_CHECKS: readonly Check[] = Object.entries(IGNORED).map(
  ([ignored, [level, what, mend]]) => [
    level,
    `key_${ignored}`,
    ({ keys }) => {
      const found = keys?.entries.filter((key) => key.ignored === ignored) ?? []
      return found.length > 0 ? `In the key set ${what}: ${listed(found)}` : undefined
    },
    mend,
  ],
)

/** Whether keys could be used, were it known which is meant: that is said of them already. */
const isTold = ({ entries }: KeyFacts): boolean =>
  entries.some(({ ignored }) => ignored === 'same_kid' || ignored === 'no_kid')

/** What is looked for in the key set and its entries. */
export const KEY_CHECKS: readonly Check[] = [
  ...ENTRY_CHECKS,
  [
    'unsure',
    'keys_unreachable',
    ({ gathered: { keySet }, target }) =>
      keySet && isSilent(keySet) ? faultLine(keySet, target) : undefined,
    'Check the address, its DNS and this network; a gate that cannot reach it either has no keys',
  ],
  [
    'wrong',
    'keys_unreadable',
    ({ gathered: { keySet }, target }) =>
      keySet && !isSilent(keySet) ? faultLine(keySet, target) : undefined,
    ({ gathered: { keySet } }) =>
      keySet?.fetched.ok === false ? faultMend(keySet.fetched.reason) : '',
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
    ({ keys, target }) =>
      keys && keys.usable === 0 && keys.entries.length > 0 && !isTold(keys)
        ? `No key of the set can verify a token with ${target.issuer.algorithms.join(', ')}`
        : undefined,
    ({ keys }) => {
      const would = [...new Set(keys?.entries.flatMap((key) => key.would ?? []))]
      return would.length > 0
        ? `Write algorithms = ${JSON.stringify(would)}, if that is what its access tokens are signed with`
        : 'Have the issuer publish a signing key that the list above would not pass over'
    },
  ],
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
]
