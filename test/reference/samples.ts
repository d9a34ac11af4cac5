/** Requests and tokens for examples: signed with Node's own crypto. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { JsonObject, Jwk, Request } from './types.ts'

/** A key that signs tokens of an issuer. */
export interface SigningKey {
  alg: 'ES256' | 'RS256'
  privateKey: KeyObject
  /** The public half. */
  jwk: Jwk
}

/** Makes a key, which tokens name by `kid`. */
export function makeKey(kid: string, alg: SigningKey['alg'] = 'ES256'): SigningKey {
  const { publicKey, privateKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { alg, privateKey, jwk: { ...(publicKey.export({ format: 'jwk' }) as Jwk), kid, alg } }
}

/** Signs a token. A member of the header that is `undefined` is left out. */
export function signToken(claims: JsonObject, key: SigningKey, header: JsonObject = {}): string {
  const part = (value: JsonObject) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const all = { alg: key.alg, typ: 'at+jwt', kid: key.jwk.kid, ...header }
  const signed = `${part(all)}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: key.privateKey,
    ...(key.alg === 'ES256' && { dsaEncoding: 'ieee-p1363' as const }),
  })
  return `${signed}.${signature.toString('base64url')}`
}

/** When the examples happen: 2026-01-01T00:01:40Z, in seconds. */
export const NOW = 1_767_225_700

/** Makes a request of the documentation: `GET https://api.example.com/v1/documents/7`. */
export function makeRequest(
  line: string,
  changed: Partial<Request> & { token?: string } = {},
): Request {
  const [method = '', address = ''] = line.split(' ')
  const [, scheme, host, target] = /^(https?):\/\/([^/]+)(.*)$/.exec(address) ?? []
  const { token, ...rest } = changed
  const authorization: [string, string][] =
    token === undefined ? [] : [['Authorization', `Bearer ${token}`]]
  return {
    method,
    scheme: scheme as 'https',
    host,
    target: target ?? '/',
    address: '192.0.2.7',
    now: NOW * 1000,
    ...rest,
    headers: [...authorization, ...(rest.headers ?? [])],
  }
}
