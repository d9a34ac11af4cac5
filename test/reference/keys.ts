/** The stage `signature`: which key of the issuer verifies a token (docs/configuration/issuers.md). */
import type { Issuer } from './issuer.ts'
import { keyFits, thumbprint, verify } from './jose.ts'
import { plainAlgorithm, type Token } from './token.ts'
import { type Jwk, refuse, type World } from './types.ts'

const MOST_KEYS = 64
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Verifies the signature with the one key that fits, and returns that key. */
export function verifyToken(token: Token, issuer: Issuer, world: World): Jwk {
  const set = issuer.jwks ?? world.keys[issuer.name]
  if (set === undefined) refuse('keys_unavailable')
  const alg = plainAlgorithm(token.header.alg as string)
  const { kid } = token.header
  const fitting = set
    .slice(0, MOST_KEYS)
    .filter((key) => isUsable(key, issuer) && algorithmOf(key, issuer) === alg)
    .filter((key) => kid === undefined || key.kid === kid)
  const [key] = fitting
  if (key === undefined) refuse('key_unknown')
  // The same key twice counts as one key.
  const different = new Set(fitting.map((each) => thumbprint(each)))
  if (different.size > 1) refuse('key_ambiguous')
  if (!verify(token.parts, key, alg)) refuse('signature_invalid')
  return key
}

/** Whether the gate uses a key of a key set. */
function isUsable(key: Jwk, issuer: Issuer): boolean {
  const { use, kid } = key
  const operations = key.key_ops
  const isForSignatures =
    issuer.profile.keyUse === 'jwt-svid' ? use === 'jwt-svid' : use === undefined || use === 'sig'
  const verifies =
    operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
  const isNamed = kid === undefined || (typeof kid === 'string' && kid.length <= 256)
  const isPublic = PRIVATE.every((member) => key[member] === undefined)
  return (
    isForSignatures && verifies && isNamed && isPublic && algorithmOf(key, issuer) !== undefined
  )
}

/** A key is for one algorithm: its `alg`, or else the first of the issuer's `algorithms` that fits its type. */
function algorithmOf(key: Jwk, issuer: Issuer): string | undefined {
  const accepted = issuer.algorithms.map(plainAlgorithm)
  if (key.alg === undefined) return accepted.find((alg) => keyFits(key, alg))
  const alg = typeof key.alg === 'string' ? plainAlgorithm(key.alg) : undefined
  return alg !== undefined && accepted.includes(alg) && keyFits(key, alg) ? alg : undefined
}
