import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK, SignJWT } from 'jose'
import { type JsonObject, objectOf, own, ownText, parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { readText } from './files.ts'

/** A private key, and what tokens signed with it must contain. Never printed. */
export interface SigningKey {
  readonly key: CryptoKey
  readonly kid: string
  /** The `iss` of tokens signed with it. */
  readonly issuer: string
}

/** A private ES256 key of a file. Never printed. */
export interface PrivateKey {
  readonly key: CryptoKey
  readonly publicJwk: JWK
  /** Its thumbprint (RFC 7638). */
  readonly jkt: string
  /** All that the file says. */
  readonly jwk: JsonObject
}

/**
 * Reads a file with a private ES256 JWK (RFC 7517 §4); `make` is the command that makes one. The reason of a failure is
 * a sentence for people and contains nothing of the file.
 */
export async function readPrivateKey(
  path: string,
  make: string,
): Promise<Result<PrivateKey, string>> {
  const text = await readText(path)
  if (!text.ok) return text
  const jwk = parseJsonObject(text.value)
  const notAKey = (what: string) => fail(`${path} ${what}; make one with: npx edgewarden ${make}`)
  if (!jwk) return notAKey('is not a JSON object')
  const [kty, crv, x, y, d] = ['kty', 'crv', 'x', 'y', 'd'].map((name) => own(jwk, name))
  if (kty !== 'EC' || crv !== 'P-256' || d === undefined)
    return notAKey('is not an ES256 private key')
  try {
    const publicJwk = { kty, crv, x, y } as JWK
    const key = (await importJWK({ ...publicJwk, d } as JWK, 'ES256')) as CryptoKey
    return ok({ key, publicJwk, jkt: await calculateJwkThumbprint(publicJwk), jwk })
  } catch {
    return notAKey('is a broken key')
  }
}

/** Reads a key file that `keygen` wrote: a private key, with its issuer as one more member. */
export async function readKeyFile(path: string): Promise<Result<SigningKey, string>> {
  const make = 'keygen --operator --issuer NAME'
  const read = await readPrivateKey(path, make)
  if (!read.ok) return read
  const { key, jkt, jwk } = read.value
  const issuer = ownText(jwk, 'iss')
  return issuer
    ? ok({ key, kid: ownText(jwk, 'kid') ?? jkt, issuer })
    : fail(`${path} does not name its issuer (iss); make one with: npx edgewarden ${make}`)
}

/** What a minted token says beside its issuer and its own id. Times are seconds. */
export interface TokenRequest {
  readonly audience: string
  readonly subject: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly issuedAt: number
  readonly lifetime: number
  /** Further claims; those above win. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** The claims of an access token by RFC 9068 §2.2. */
export function accessTokenClaims(
  issuer: string,
  request: TokenRequest,
): Readonly<Record<string, unknown>> {
  return {
    jti: crypto.randomUUID(),
    ...request.claims,
    iss: issuer,
    aud: request.audience,
    sub: request.subject,
    client_id: request.client,
    iat: request.issuedAt,
    exp: request.issuedAt + request.lifetime,
    ...(request.scopes.length > 0 && { scope: request.scopes.join(' ') }),
  }
}

/** Claims, with those that Agentic JWT adds, except `cnf`. Hashes and checksum are made up unless they are given. */
export function agenticClaims(claims: JsonObject): JsonObject {
  const { sub = 'example', scope = 'example' } = claims
  const hash = '0'.repeat(16)
  return {
    scope,
    ...claims,
    intent: {
      executed_by: sub,
      delegation_chain: hash,
      step_sequence_hash: hash,
      ...objectOf(own(claims, 'intent')),
    },
    agent_proof: {
      agent_checksum: `sha256:${'0'.repeat(64)}`,
      registration_id: `reg_${sub}_0`,
      ...objectOf(own(claims, 'agent_proof')),
    },
  }
}

/** Signs claims as an access token (`typ` is `at+jwt`, RFC 9068 §2.1). Judges no claim. */
export function signToken(
  { key, kid }: SigningKey,
  claims: Readonly<Record<string, unknown>>,
): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .sign(key)
}
