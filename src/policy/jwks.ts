import { base64UrlDecode } from '../base/bytes.ts'
import { isObject, type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { type Algorithm, algorithmOf } from '../model/issuer.ts'
import { quote } from './issues.ts'
import { field } from './table.ts'

/** Members that hold private or shared keys (RFC 7518 §6.2.2, §6.3.2, §6.4.1; AKP). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** An inline JWK set (RFC 7517 §5) of public keys. Does not import them. */
export const inlineKeys = field<readonly JsonObject[]>((value, report) => {
  const keys = isObject(value) ? own(value, 'keys') : undefined
  if (!Array.isArray(keys) || keys.length === 0) {
    report([], 'must be a JWK set: { keys = [...] }, with a key in it')
    return []
  }
  if (keys.length > LIMITS.keys) report(['keys'], `must hold at most ${LIMITS.keys} keys`)
  for (const [i, key] of keys.slice(0, LIMITS.keys).entries()) {
    const path = ['keys', i]
    if (!isObject(key)) report(path, 'must be a JWK')
    else {
      const secret = PRIVATE_MEMBERS.find((name) => Object.hasOwn(key, name))
      if (secret !== undefined) {
        report(
          path,
          `holds the private member ${quote(secret)}: write the public key only, and replace this key`,
        )
      }
    }
  }
  return keys.filter(isObject).map((key) => Object.freeze(key))
})

const CURVES: Readonly<Record<string, { readonly algorithm: Algorithm; readonly bytes: number }>> =
  {
    'P-256': { algorithm: 'ES256', bytes: 32 },
    'P-384': { algorithm: 'ES384', bytes: 48 },
    'P-521': { algorithm: 'ES512', bytes: 66 },
    Ed25519: { algorithm: 'Ed25519', bytes: 32 },
  }

const RSA: ReadonlySet<string> = new Set(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])

/** Whether a public JWK has the form of a key that verifies with the algorithm. */
export const canVerify = (key: JsonObject, algorithm: Algorithm): boolean => {
  const alg = own(key, 'alg')
  const uses = own(key, 'use')
  const operations = own(key, 'key_ops')
  if (alg !== undefined && algorithmOf(alg) !== algorithm) return false
  if (uses !== undefined && uses !== 'sig') return false
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return false
  const bytes = (name: string) => {
    const text = own(key, name)
    return (typeof text === 'string' ? base64UrlDecode(text)?.length : undefined) ?? 0
  }
  if (own(key, 'kty') === 'RSA') {
    return RSA.has(algorithm) && bytes('n') * 8 >= LIMITS.rsaBits && bytes('e') > 0
  }
  const crv = own(key, 'crv')
  const curve = typeof crv === 'string' && Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined
  if (curve?.algorithm !== algorithm || bytes('x') !== curve.bytes) return false
  return own(key, 'kty') === 'OKP'
    ? crv === 'Ed25519'
    : own(key, 'kty') === 'EC' && crv !== 'Ed25519' && bytes('y') === curve.bytes
}
