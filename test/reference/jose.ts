/** Compact JWS and JWE (RFC 7515, RFC 7516): reading, signatures, thumbprints. Decryption is in `jwe.ts`. */
import { constants, createHash, createPublicKey, verify as verifyBytes } from 'node:crypto'
import { fromBase64url } from './base64url.ts'
import { isObject, readJsonBytes } from './json.ts'
import type { JsonObject, Jwk } from './types.ts'

export { fromBase64url } from './base64url.ts'
export { decrypt, type Encrypted, readEncrypted } from './jwe.ts'

/** A compact JWS that was read, and not verified. */
export interface Parts {
  header: JsonObject
  /** The claims, if the payload is a JSON object; otherwise `undefined`. */
  claims: JsonObject | undefined
  payload: Uint8Array
  /** The first two parts, as they are signed. */
  signed: string
  signature: Uint8Array
}

/**
 * Reads a compact JWS: three parts in base64url without padding, none of them empty. The header is a JSON object.
 * `undefined` if it is not one.
 */
export function readCompact(token: string): Parts | undefined {
  const parts = token.split('.')
  const [header, payload, signature] = parts.map(fromBase64url)
  if (parts.length !== 3 || parts.includes('')) return undefined
  if (!header || !payload || !signature) return undefined
  const readHeader = readJsonBytes(header)
  if (!readHeader.ok || !isObject(readHeader.value)) return undefined
  const claims = readJsonBytes(payload)
  return {
    header: readHeader.value,
    claims: claims.ok && isObject(claims.value) ? claims.value : undefined,
    payload,
    signed: `${parts[0]}.${parts[1]}`,
    signature,
  }
}

const CURVES: Record<string, { curve: string; bytes: number; alg: string }> = {
  'P-256': { curve: 'P-256', bytes: 32, alg: 'ES256' },
  'P-384': { curve: 'P-384', bytes: 48, alg: 'ES384' },
  'P-521': { curve: 'P-521', bytes: 66, alg: 'ES512' },
}

/** Bytes of a public key of ML-DSA (RFC 9964). */
const ML_DSA: Record<string, number> = { 'ML-DSA-44': 1312, 'ML-DSA-65': 1952, 'ML-DSA-87': 2592 }

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? fromBase64url(value) : undefined
}

const isLong = (value: unknown, bytes: number): boolean => bytesOf(value)?.length === bytes

/** Whether an RSA key has 2048 to 16384 bits and an odd exponent of 3 or more. */
function isRsaKey(jwk: JsonObject): boolean {
  const [modulus, exponent] = [bytesOf(jwk.n), bytesOf(jwk.e)]
  if (!modulus?.length || !exponent?.length) return false
  const bits = BigInt(`0x${Buffer.from(modulus).toString('hex')}`).toString(2).length
  const e = BigInt(`0x${Buffer.from(exponent).toString('hex')}`)
  return bits >= 2048 && bits <= 16384 && e >= 3n && e % 2n === 1n
}

/**
 * Whether a public key can be used with this algorithm: its type, its curve, its sizes, and no private or symmetric
 * member. It does not look at `alg`, `use`, `key_ops` and `kid` of the key.
 */
export function keyFits(jwk: JsonObject, alg: string): boolean {
  if (PRIVATE.some((name) => jwk[name] !== undefined)) return false
  if (/^[RP]S(256|384|512)$/.test(alg)) return jwk.kty === 'RSA' && isRsaKey(jwk)
  if (/^ES(256|384|512)$/.test(alg)) {
    const curve = CURVES[String(jwk.crv)]
    if (jwk.kty !== 'EC' || curve?.alg !== alg) return false
    return isLong(jwk.x, curve.bytes) && isLong(jwk.y, curve.bytes)
  }
  if (alg === 'Ed25519' || alg === 'EdDSA') {
    return jwk.kty === 'OKP' && jwk.crv === 'Ed25519' && isLong(jwk.x, 32)
  }
  const size = Object.hasOwn(ML_DSA, alg) ? ML_DSA[alg] : undefined
  if (size === undefined) return false
  return jwk.kty === 'AKP' && jwk.alg === alg && isLong(jwk.pub, size)
}

/** Ed25519 may be written `EdDSA`. */
export function plainAlgorithm(alg: string): string {
  return alg === 'EdDSA' ? 'Ed25519' : alg
}

/**
 * The algorithm of a public key: its `alg`, or else the first of the accepted ones that fits its type. `undefined` if it
 * cannot be used: `use`, `key_ops` and `kid` are looked at too.
 */
export function algorithmOfKey(
  key: JsonObject,
  accepted: string[],
  wantedUse: 'sig' | 'jwt-svid' = 'sig',
): string | undefined {
  const { use, kid, alg, key_ops: operations } = key
  const isForSignatures = use === wantedUse || (use === undefined && wantedUse === 'sig')
  const verifies =
    operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
  const isNamed = kid === undefined || (typeof kid === 'string' && kid.length <= 256)
  if (!isForSignatures || !verifies || !isNamed) return undefined
  const isOwn = (one: string) => alg === undefined || plainAlgorithm(String(alg)) === one
  return accepted.map(plainAlgorithm).find((one) => isOwn(one) && keyFits(key, one))
}

/** The members that a public key has by its type, and that its thumbprint is made of. */
const MEMBERS: Record<string, string[]> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
  AKP: ['alg', 'kty', 'pub'],
}

function publicMembers(jwk: JsonObject): Record<string, string> | undefined {
  const names = Object.hasOwn(MEMBERS, String(jwk.kty)) ? MEMBERS[String(jwk.kty)] : undefined
  if (!names?.every((name) => typeof jwk[name] === 'string')) return undefined
  return Object.fromEntries(names.map((name) => [name, String(jwk[name])]))
}

/** Whether the signature is valid for this public key and algorithm. An unusable key or an unknown algorithm is false. */
export function verify(parts: Parts, jwk: Jwk | JsonObject, alg: string): boolean {
  if (!keyFits(jwk, alg)) return false
  const members = publicMembers(jwk)
  if (!members) return false
  const data = Buffer.from(parts.signed, 'ascii')
  const hash = `sha${alg.slice(2)}`
  try {
    const key = createPublicKey({ format: 'jwk', key: members })
    if (alg.startsWith('ES')) {
      return verifyBytes(hash, data, { key, dsaEncoding: 'ieee-p1363' }, parts.signature)
    }
    if (alg.startsWith('RS')) return verifyBytes(hash, data, key, parts.signature)
    if (alg.startsWith('PS')) {
      const options = {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }
      return verifyBytes(hash, data, options, parts.signature)
    }
    return verifyBytes(null, data, key, parts.signature)
  } catch {
    // For example a point that is not on its curve.
    return false
  }
}

/** The SHA-256 thumbprint of a public key (RFC 7638, RFC 8037, RFC 9964), or `undefined` if the key has no known type. */
export function thumbprint(jwk: JsonObject): string | undefined {
  const members = publicMembers(jwk)
  if (!members) return undefined
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
