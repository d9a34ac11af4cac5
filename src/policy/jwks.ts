import { isObject, type JsonObject, own } from '../core/json.ts'
import { LIMITS } from '../core/limits.ts'
import { secretMember } from '../core/model/jwk.ts'
import { quote } from './issues.ts'
import { type Form, field } from './table.ts'

/** Members that are not read are no mistake. */
const JWK_SET: Form<{ readonly keys: readonly JsonObject[] }> = { type: 'record' }

/** An inline JWK set (RFC 7517 §5) of public keys. Does not import them. */
export const inlineKeys = field((value, report): readonly JsonObject[] => {
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
      const secret = secretMember(key)
      if (secret !== undefined) {
        report(
          path,
          `holds the private member ${quote(secret)}: write the public key only, and replace this key`,
        )
      }
    }
  }
  return keys.filter(isObject).map((key) => Object.freeze(key))
}, JWK_SET)
