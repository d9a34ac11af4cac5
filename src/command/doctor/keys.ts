import { base64UrlDecode, bitLength } from '../../gate/base/bytes.ts'
import { isObject, type JsonObject, own } from '../../gate/base/json.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { ALGORITHMS, type Algorithm, algorithmOf, type Issuer } from '../../gate/model/issuer.ts'
import {
  isOfAnotherTenant,
  type PublicKey,
  publicKeyOf,
  secretMember,
} from '../../gate/model/jwk.ts'
import { type KeySet, keyIdentity, keySetOf, publicKeys } from '../../gate/model/key-set.ts'
import { textOf } from './faults.ts'

/** Why a gate ignores an entry of a JWK set, or refuses it as ambiguous: as the table of keys says it. */
export const IGNORED = {
  private: 'IGNORED: PRIVATE KEY',
  same_kid: 'REFUSED: kid twice',
  no_kid: 'REFUSED: no kid, several keys',
  weak_rsa: 'ignored: too small',
  not_allowed: 'ignored: not allowed',
  malformed: 'ignored: malformed',
  invalid: 'ignored: not a key',
  unsupported: 'ignored: not in this runtime',
  kid_unusable: 'ignored: kid',
  no_object: 'ignored: no JWK',
  other_tenant: 'marked as the key of another tenant',
  not_for_signatures: 'ignored: not for signatures',
  not_svid: 'ignored: not for JWT-SVIDs',
  unknown_type: 'ignored: unknown kty',
  unknown_algorithm: 'ignored: unknown alg',
  repeated: 'the same key again',
} as const

export type Ignored = keyof typeof IGNORED

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
  issuer: Pick<Issuer, 'issuer' | 'algorithms' | 'trustDomain'>,
): Promise<KeyFacts | undefined> {
  const { algorithms, trustDomain } = issuer
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
    const key = publicKeyOf(entry, algorithms, trustDomain)
    const would = publicKeyOf(entry, ALGORITHMS, trustDomain)?.algorithm
    entries.push({
      ...described(entry, place),
      ...(key ? await foundAs(key, set, seen) : { ignored: reasonOf(entry, trustDomain) }),
      ...(!key && would && { would }),
    })
  }
  const usable = entries.filter(({ verifies }) => verifies !== undefined).length
  return { entries, beyond: Math.max(0, all.length - LIMITS.keys), usable }
}

const reasonOf = (entry: JsonObject, svid = false): Ignored => {
  const seen = svid ? { ...entry, use: 'sig' } : entry
  const reason = REASONS.find(([, fits]) => fits(seen))?.[0] ?? 'malformed'
  return svid && own(entry, 'use') !== 'jwt-svid' && reason !== 'private' ? 'not_svid' : reason
}

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
    return typeof value === 'string' ? [[name, textOf(value)]] : []
  })
  return { place, ...Object.fromEntries(texts), ...(bits !== undefined && { bits }) }
}

const bitsOf = (entry: JsonObject): number | undefined => {
  const n = own(entry, 'n')
  const bytes = own(entry, 'kty') === 'RSA' && typeof n === 'string' && base64UrlDecode(n)
  return bytes ? bitLength(bytes) : undefined
}
