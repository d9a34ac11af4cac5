import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK, SignJWT } from 'jose'
import { type JsonObject, objectOf, own, parseJsonObject } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readText } from './files.ts'

/** A private key and what a token signed with it must say. Never printed. */
export interface SigningKey {
  readonly key: CryptoKey
  readonly kid: string
  /** The `iss` of tokens signed with it. */
  readonly issuer: string
}

/** The content of a key file: a private JWK (RFC 7517 §4) with its issuer as one more member. */
export function keyFileText(jwk: JWK, issuer: string): string {
  return `${JSON.stringify({ ...jwk, iss: issuer }, null, 2)}\n`
}

/**
 * Reads a key file that `keygen` wrote. Refuses anything but one ES256 private key with its
 * issuer; the reason of a failure is a sentence for people and contains nothing of the file.
 */
export async function readKeyFile(path: string): Promise<Result<SigningKey, string>> {
  const text = await readText(path)
  if (!text.ok) return text
  const jwk = parseJsonObject(text.value)
  const notAKey = (what: string) =>
    fail(`${path} ${what}; make a key file with: npx edgewarden keygen --operator --issuer NAME`)
  if (!jwk) return notAKey('is no JSON object')
  const issuer = own(jwk, 'iss')
  if (typeof issuer !== 'string' || issuer === '') return notAKey('does not name its issuer (iss)')
  if (own(jwk, 'kty') !== 'EC' || own(jwk, 'crv') !== 'P-256' || own(jwk, 'd') === undefined) {
    return notAKey('is no ES256 private key')
  }
  try {
    const key = await importJWK(jwk as JWK, 'ES256')
    if (key instanceof Uint8Array) return notAKey('is no ES256 private key')
    const kid = own(jwk, 'kid')
    return ok({
      key,
      kid: typeof kid === 'string' ? kid : await calculateJwkThumbprint(jwk as JWK),
      issuer,
    })
  } catch {
    return notAKey('is a broken key')
  }
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

/** Claims with those that Agentic JWT adds, but for `cnf`. Hashes and checksum are made up unless they are given. */
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
