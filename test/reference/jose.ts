/** Compact JWS and JWE: reading, signatures, thumbprints, decryption. */
import type { JsonObject, Jwk } from './types.ts'

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

/** The header of a compact JWE. */
export interface Encrypted {
  header: JsonObject
  /** The five parts, decoded. */
  parts: Uint8Array[]
  /** The first part as it was sent, which is authenticated too. */
  additional: string
}

/** Reads a compact JWS: three parts in base64url without padding, of which header and payload are JSON objects. `undefined` if it is not one. */
export function readCompact(_token: string): Parts | undefined {
  throw new Error('not written yet')
}

/** Reads a compact JWE of five parts. `undefined` if it is not one. */
export function readEncrypted(_token: string): Encrypted | undefined {
  throw new Error('not written yet')
}

/** Whether the signature is valid for this public key and algorithm. An unusable key or an unknown algorithm is false. */
export function verify(_parts: Parts, _jwk: Jwk, _alg: string): boolean {
  throw new Error('not written yet')
}

/** Whether a public key can be used with this algorithm: type, curve, size, no private member. */
export function keyFits(_jwk: Jwk, _alg: string): boolean {
  throw new Error('not written yet')
}

/** The SHA-256 thumbprint of a public key (RFC 7638, RFC 8037, RFC 9964), or `undefined` if the key has no known type. */
export function thumbprint(_jwk: JsonObject): string | undefined {
  throw new Error('not written yet')
}

/** Decrypts a JWE with a private key. The text inside, or `undefined` whatever the reason. */
export function decrypt(_encrypted: Encrypted, _key: Jwk): string | undefined {
  throw new Error('not written yet')
}

/** The bytes of canonical base64url without padding, or `undefined`. */
export function fromBase64url(_text: string): Uint8Array | undefined {
  throw new Error('not written yet')
}
