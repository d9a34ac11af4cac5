import { base64UrlDecode, bitLength } from '../../core/bytes.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import { ALGORITHMS, type Algorithm, algorithmOf, type Issuer } from '../../core/model/issuer.ts'
import {
  isOfAnotherTenant,
  type PublicKey,
  publicKeyOf,
  secretMember,
} from '../../core/model/jwk.ts'
import { type KeySet, keyIdentity, keySetOf, publicKeys } from '../../core/model/key-set.ts'

/** A reason in the table of keys, and its finding. */
interface Reason {
  readonly cell: string
  readonly found?: readonly [level: 'wrong' | 'warning', what: string, fix: string]
}

/** Why a gate ignores an entry of a JWK set, or refuses it as ambiguous. */
export type Ignored =
  | 'private'
  | 'same_kid'
  | 'no_kid'
  | 'weak_rsa'
  | 'not_allowed'
  | 'malformed'
  | 'invalid'
  | 'unsupported'
  | 'kid_unusable'
  | 'no_object'
  | 'other_tenant'
  | 'not_for_signatures'
  | 'unknown_type'
  | 'unknown_algorithm'
  | 'repeated'

/** All reasons; those with a finding come first, in its order. */
export const IGNORED: Readonly<Record<Ignored, Reason>> = {
  private: {
    cell: 'IGNORED: PRIVATE KEY',
    found: [
      'wrong',
      'PRIVATE KEY MATERIAL IS PUBLISHED',
      'Replace these keys NOW, and revoke them at the gate (npx edgewarden revoke key KID): everyone can sign tokens with them. The gate ignores the entries, but not another one with the same key; publish public members only',
    ],
  },
  same_kid: {
    cell: 'REFUSED: kid twice',
    found: [
      'wrong',
      'different keys have one kid',
      'Tokens that name it are refused, since which is meant is not known: give each key a kid of its own',
    ],
  },
  no_kid: {
    cell: 'REFUSED: no kid, several keys',
    found: [
      'wrong',
      'a key without kid is one of several for its algorithm',
      'Tokens without kid are refused, since which key is meant is not known: give each key a kid, and name it in the tokens',
    ],
  },
  weak_rsa: {
    cell: 'ignored: too small',
    found: [
      'warning',
      `an RSA key has less than ${LIMITS.rsaBits} bits`,
      'Tokens signed with it are refused: replace it by a longer one (RFC 7518 §3.3)',
    ],
  },
  not_allowed: {
    cell: 'ignored: not allowed',
    found: [
      'warning',
      'a key is for an algorithm that is not allowed',
      'Tokens signed with it are refused: add its algorithm to algorithms, if access tokens use it',
    ],
  },
  malformed: {
    cell: 'ignored: malformed',
    found: [
      'warning',
      'a key is not well formed for its type',
      'Tokens signed with it are refused: publish all its public members, each in base64url without padding (RFC 7518 §6)',
    ],
  },
  invalid: {
    cell: 'ignored: not a key',
    found: [
      'warning',
      'a key cannot be imported',
      'Tokens signed with it are refused: its numbers are no key of its type; publish it anew',
    ],
  },
  unsupported: {
    cell: 'ignored: not in this runtime',
    found: [
      'warning',
      'a key is for an algorithm that this runtime does not have',
      'Whether the gate has it is for its runtime: try a token',
    ],
  },
  kid_unusable: {
    cell: 'ignored: kid',
    found: [
      'warning',
      `a kid is no text of at most ${LIMITS.kidLength} characters`,
      'Tokens signed with that key are refused: give it a short name',
    ],
  },
  no_object: { cell: 'ignored: no JWK' },
  other_tenant: { cell: 'marked as the key of another tenant' },
  not_for_signatures: { cell: 'ignored: not for signatures' },
  unknown_type: { cell: 'ignored: unknown kty' },
  unknown_algorithm: { cell: 'ignored: unknown alg' },
  repeated: { cell: 'the same key again' },
}

/** An entry of a key set: the issuer's texts, without key material. */
export interface KeyFact {
  /** The position in the set, from 1. */
  readonly place: number
  readonly kid?: string
  readonly kty?: string
  readonly crv?: string
  readonly alg?: string
  readonly use?: string
  /** Bits of the RSA modulus. */
  readonly bits?: number
  /** The allowed algorithm it verifies, if the gate uses it. */
  readonly verifies?: Algorithm
  readonly ignored?: Ignored
  /** The algorithm of an entry that is ignored only because it is not allowed. */
  readonly would?: Algorithm
}

/** The evaluation of a key set. */
export interface KeyFacts {
  /** At most {@link LIMITS.keys}; the gate ignores further ones. */
  readonly entries: readonly KeyFact[]
  /** The number of further entries. */
  readonly beyond: number
  readonly usable: number
}

/** Reasons in the order of the gate's checks, for ignored entries only. */
const REASONS: readonly (readonly [Ignored, fits: (entry: JsonObject) => boolean])[] = [
  ['private', (entry) => secretMember(entry) !== undefined],
  ['kid_unusable', ({ kid = '' }) => typeof kid !== 'string' || kid.length > LIMITS.kidLength],
  [
    'not_for_signatures',
    (entry) => {
      const operations = own(entry, 'key_ops') ?? ['verify']
      const verifies = Array.isArray(operations) && operations.includes('verify')
      return (own(entry, 'use') ?? 'sig') !== 'sig' || !verifies
    },
  ],
  ['unknown_type', (entry) => !['RSA', 'EC', 'OKP', 'AKP'].includes(String(own(entry, 'kty')))],
  [
    'unknown_algorithm',
    (entry) => own(entry, 'alg') !== undefined && algorithmOf(own(entry, 'alg')) === undefined,
  ],
  ['not_allowed', (entry) => publicKeyOf(entry, ALGORITHMS) !== undefined],
  ['weak_rsa', (entry) => (bitsOf(entry) ?? LIMITS.rsaBits) < LIMITS.rsaBits],
  ['malformed', () => true],
]

/**
 * Evaluates each entry of a key set with the gate's code, and explains why entries are ignored.
 * `undefined` if it is not a JWK set.
 */
export async function keyFactsOf(
  document: unknown,
  issuer: Pick<Issuer, 'issuer' | 'algorithms'>,
): Promise<KeyFacts | undefined> {
  const { algorithms } = issuer
  const kept = publicKeys(document)
  if (!kept) return undefined
  const all = (document as { readonly keys: readonly unknown[] }).keys
  const set = keySetOf(kept, issuer)
  const seen = new Set<string>()
  const entries: KeyFact[] = []
  for (const [i, entry] of all.slice(0, LIMITS.keys).entries()) {
    const place = i + 1
    if (!isObject(entry)) {
      entries.push({ place, ignored: 'no_object' })
      continue
    }
    if (isOfAnotherTenant(entry, issuer.issuer)) {
      entries.push({ ...described(entry, place), ignored: 'other_tenant' })
      continue
    }
    const key = publicKeyOf(entry, algorithms)
    const would = publicKeyOf(entry, ALGORITHMS)?.algorithm
    entries.push({
      ...described(entry, place),
      ...(key ? await foundAs(key, set, seen) : { ignored: reasonOf(entry) }),
      ...(!key && would && { would }),
    })
  }
  const usable = entries.filter(({ verifies }) => verifies !== undefined).length
  return { entries, beyond: Math.max(0, all.length - LIMITS.keys), usable }
}

const reasonOf = (entry: JsonObject): Ignored =>
  REASONS.find(([, fits]) => fits(entry))?.[0] ?? 'malformed'

const foundAs = async (
  key: PublicKey,
  set: KeySet,
  seen: Set<string>,
): Promise<Pick<KeyFact, 'verifies' | 'ignored'>> => {
  const { algorithm, kid } = key
  const identity = keyIdentity(key)
  if (seen.has(identity)) return { ignored: 'repeated' }
  seen.add(identity)
  const found = await set.find({ algorithm, ...(kid !== undefined && { kid }) })
  const outcome = set.candidates.get(identity)?.outcome
  if (outcome === 'unsupported') return { ignored: 'unsupported' }
  if (outcome === 'unknown') return { ignored: 'invalid' }
  if (found === 'ambiguous') return { ignored: kid === undefined ? 'no_kid' : 'same_kid' }
  return { verifies: algorithm }
}

const described = (entry: JsonObject, place: number): KeyFact => {
  const bits = bitsOf(entry)
  const texts = (['kid', 'kty', 'crv', 'alg', 'use'] as const).flatMap((name) => {
    const value = own(entry, name)
    return typeof value === 'string' ? [[name, value]] : []
  })
  return { place, ...Object.fromEntries(texts), ...(bits !== undefined && { bits }) }
}

const bitsOf = (entry: JsonObject): number | undefined => {
  const n = own(entry, 'n')
  const bytes = own(entry, 'kty') === 'RSA' && typeof n === 'string' && base64UrlDecode(n)
  return bytes ? bitLength(bytes) : undefined
}
