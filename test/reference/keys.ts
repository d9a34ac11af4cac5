/** The stage `signature`: which key of the issuer verifies a token (docs/configuration/issuers.md). */
import type { Issuer } from './issuer.ts'
import { algorithmOfKey, plainAlgorithm, thumbprint, verify } from './jose.ts'
import type { Token } from './token.ts'
import { type Jwk, refuse, type World } from './types.ts'

const MOST_KEYS = 64

/** A tenant id in the URL of an issuer: a UUID. */
const TENANT = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/** Whether the key is published for another tenant than the issuer's. */
function isOfAnotherTenant(key: Jwk, issuer: Issuer): boolean {
  const [theirs] = TENANT.exec(typeof key.issuer === 'string' ? key.issuer : '') ?? []
  const [ours] = TENANT.exec(issuer.issuer) ?? []
  return !!theirs && !!ours && theirs.toLowerCase() !== ours.toLowerCase()
}

/** Verifies the signature with the one key that fits, and returns that key. */
export function verifyToken(token: Token, issuer: Issuer, world: World): Jwk {
  const set = issuer.jwks ?? world.keys[issuer.name]
  if (set === undefined) refuse('keys_unavailable')
  const alg = plainAlgorithm(token.header.alg as string)
  const { kid } = token.header
  const fitting = set
    .slice(0, MOST_KEYS)
    .filter((key) => !isOfAnotherTenant(key, issuer))
    .filter((key) => algorithmOfKey(key, issuer.algorithms, issuer.profile.keyUse) === alg)
    .filter((key) => kid === undefined || key.kid === kid)
  const [key] = fitting
  if (key === undefined) refuse('key_unknown')
  // The same key twice counts as one key.
  const different = new Set(fitting.map((each) => thumbprint(each)))
  if (different.size > 1) refuse('key_ambiguous')
  if (!verify(token.parts, key, alg)) refuse('signature_invalid')
  return key
}
