/** Encrypted tokens: a signed JWT inside a JWE (docs/configuration/issuers.md, "Encrypted tokens"). */
import type { Issuer } from './issuer.ts'
import { decrypt, type Encrypted, readEncrypted } from './jose.ts'
import { type Jwk, refuse, type World } from './types.ts'

/** A token that was decrypted, and the issuer whose key did it. */
export interface Decrypted {
  token: string
  issuer: Issuer
}

/** Members of a header that has or points to a key, those that need understanding, and those of passwords. */
const FORBIDDEN = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'p2c', 'p2s']

/** Opens an encrypted token with a key of an issuer that the rule accepts. */
export function openEncrypted(token: string, accepted: Issuer[], world: World): Decrypted {
  const issuers = accepted.filter((issuer) => issuer.decrypt !== undefined)
  if (issuers.length === 0) refuse('token_encrypted')
  const encrypted = readEncrypted(token) ?? refuse('token_malformed')
  const { header } = encrypted
  if (FORBIDDEN.some((name) => header[name] !== undefined)) refuse('header_forbidden')
  const { alg, enc, cty, kid, zip } = header
  if (typeof cty !== 'string' || !/^(?:application\/)?jwt$/i.test(cty)) {
    refuse('encryption_not_accepted')
  }
  const isAccepted = (issuer: Issuer) =>
    issuer.decrypt?.keyManagement.includes(alg as string) &&
    issuer.decrypt.contentEncryption.includes(enc as string)
  if (zip !== undefined || !issuers.some(isAccepted)) refuse('encryption_not_accepted')
  const keys = issuers.flatMap((issuer) =>
    keysOf(issuer, world)
      .filter((key) => isFor(key, alg as string))
      .map((key) => ({ issuer, key })),
  )
  const fitting = kid === undefined ? keys : keys.filter(({ key }) => key.kid === kid)
  const [only, second] = fitting
  if (only === undefined || second !== undefined) refuse('decryption_failed')
  if (!isAccepted(only.issuer)) refuse('encryption_not_accepted')
  return { token: plainText(encrypted, only.key), issuer: only.issuer }
}

function plainText(encrypted: Encrypted, key: Jwk): string {
  return decrypt(encrypted, key) ?? refuse('decryption_failed')
}

/** The private keys in the issuer's secret. */
function keysOf(issuer: Issuer, world: World): Jwk[] {
  const text = world.secrets[issuer.decrypt?.secret ?? '']
  if (text === undefined) refuse('decryption_unavailable')
  return (JSON.parse(text) as { keys: Jwk[] }).keys
}

/** A key without `alg` is for every algorithm of its type. */
function isFor(key: Jwk, alg: string): boolean {
  if (key.alg !== undefined && key.alg !== alg) return false
  if (key.use !== undefined && key.use !== 'enc') return false
  return alg.startsWith('RSA') ? key.kty === 'RSA' : key.kty === 'EC' || key.kty === 'OKP'
}
