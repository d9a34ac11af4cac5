/** Keys, tokens and proofs of cases: few keys, made once for each run; signatures are kept. */
import {
  constants,
  createCipheriv,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  sign,
} from 'node:crypto'
import type { JsonObject, Jwk } from '../reference/types.ts'
import { keepSigned } from './kept.ts'
import type { ProofSpec, TokenSpec } from './shapes.ts'

interface Key {
  alg: string
  privateKey: KeyObject
  publicKey: KeyObject
  jwk: Jwk
}

const make = (alg: string, kid: string, more: JsonObject = {}): Key => {
  const curve = { ES256: 'P-256', ES384: 'P-384' }[alg]
  const { privateKey, publicKey } = curve
    ? generateKeyPairSync('ec', { namedCurve: curve })
    : alg === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk: Jwk = { ...(publicKey.export({ format: 'jwk' }) as Jwk), kid, alg, ...more }
  for (const [name, value] of Object.entries(more)) if (value === null) delete jwk[name]
  return { alg, privateKey, publicKey, jwk }
}

/** All keys by name. Those of issuers, one of nobody, those of clients, and one to decrypt with. */
export const KEYS: Record<string, Key> = {
  a1: make('ES256', 'k1'),
  a2: make('ES256', 'k2'),
  /** Another key with the same `kid`. */
  a1b: make('ES256', 'k1'),
  ed: make('Ed25519', 'k3'),
  rsa: make('RS256', 'k4'),
  ps: make('PS256', 'k5'),
  es384: make('ES384', 'k6'),
  svid: make('ES256', 'k7', { use: 'jwt-svid' }),
  plain: make('ES256', 'k8', { alg: null }),
  nameless: make('ES256', 'k9', { kid: null }),
  enc: make('ES256', 'k10', { use: 'enc' }),
  signing: make('ES256', 'k11', { key_ops: ['sign'] }),
  /** Published for one tenant of a server with many. */
  tenant: make('ES256', 'k12', {
    issuer: `https://login.example/${'2'.repeat(8)}-2222-2222-2222-${'2'.repeat(12)}/v2.0`,
  }),
  stranger: make('ES256', 'k1'),
  client: make('ES256', 'c1'),
  client2: make('ES256', 'c2'),
  clientEd: make('Ed25519', 'c3'),
  decrypt: make('RSA-OAEP-256', 'd1', { use: 'enc' }),
}
/** The key of RS256, used with PS256. */
KEYS.rsaPs = { ...keyOf('rsa'), alg: 'PS256' }

/** A public key without names, as `cnf.jwk` and proofs have it. */
export function bareKey(name: string): JsonObject {
  const { kid: _, alg: __, use: ___, ...bare } = keyOf(name).jwk
  return bare
}

export function keyOf(name: string): Key {
  const key = KEYS[name]
  if (!key) throw new Error(`no key ${name}`)
  return key
}

/** The thumbprint of a key (RFC 7638). */
export function thumbprintOf(name: string): string {
  const { kty, crv, x, y, n, e } = keyOf(name).jwk
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, ...(y !== undefined && { y }) }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** The hash of a made-up certificate, in hex. */
export const certificateOf = (name: string): string =>
  createHash('sha256').update(name).digest('hex')

/** The text of a secret with the key to decrypt with. */
export const DECRYPTION_SECRET = JSON.stringify({
  keys: [
    {
      ...(keyOf('decrypt').privateKey.export({ format: 'jwk' }) as JsonObject),
      kid: 'd1',
      alg: 'RSA-OAEP-256',
      use: 'enc',
    },
  ],
})

/** JSON in base64url; `"@raw:1e400"` is written without its quotes. */
const part = (value: unknown) =>
  Buffer.from(JSON.stringify(value).replace(/"@raw:([^"]*)"/g, '$1')).toString('base64url')

/** An object whose first member is there twice. */
const twice = (value: unknown) => {
  const text = JSON.stringify(value)
  const [, member = '"x":1'] = /^\{("[^"]*":"[^"\\]*")/.exec(text) ?? []
  return Buffer.from(`{${member},${text.slice(1)}`).toString('base64url')
}

/** Replaces what a spec or a policy names by keys: `"@key:NAME"`, `"@jwk:NAME"`, `"@jkt:NAME"`, `"@x5t:NAME"`. */
export function filled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(filled)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, one]) =>
        one === undefined ? [] : [[name, filled(one)]],
      ),
    )
  }
  const [, kind, name = ''] = (typeof value === 'string' && /^@(\w+):(\w+)$/.exec(value)) || []
  if (kind === 'jwk') return bareKey(name)
  if (kind === 'key') return keyOf(name).jwk
  if (kind === 'jkt') return thumbprintOf(name)
  if (kind === 'x5t') return Buffer.from(certificateOf(name), 'hex').toString('base64url')
  return value
}

function signed(
  header: unknown,
  claims: unknown,
  { alg, privateKey, publicKey }: Key,
  write = part,
): string {
  const input = `${part(header)}.${write(claims)}`
  const hash = alg === 'Ed25519' ? null : `sha${alg.slice(2)}`
  const options = {
    ...(alg.startsWith('ES') && { dsaEncoding: 'ieee-p1363' as const }),
    ...(alg.startsWith('PS') && {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    }),
  }
  const data = Buffer.from(input)
  const signature = sign(hash, data, { key: privateKey, ...options })
  keepSigned(hash, data, { key: publicKey, ...options }, signature)
  return `${input}.${signature.toString('base64url')}`
}

const texts = new WeakMap<TokenSpec, string>()

/** The text of a token. Nobody changes the spec of a token that was sent. */
export function tokenText(spec: TokenSpec): string {
  const known = texts.get(spec)
  if (known !== undefined) return known
  const key = keyOf(spec.key)
  const { kid } = key.jwk
  const header = { alg: key.alg, ...(kid !== undefined && { kid }), ...spec.header }
  const write = spec.damage === 'twice' ? twice : part
  const claims = filled(spec.claims)
  const whole = damaged(signed(without(filled(header)), claims, key, write), spec.damage)
  const text = spec.encrypted ? encrypted(whole, spec.encrypted) : whole
  texts.set(spec, text)
  return text
}

/** Members that are `null` are left out, so that a header can lack what it has by default. */
const without = (value: unknown): unknown =>
  Object.fromEntries(Object.entries(value as object).filter(([, one]) => one !== null))

function damaged(text: string, damage: TokenSpec['damage']): string {
  const [header = '', payload = '', signature = ''] = text.split('.')
  if (damage === 'signature') {
    const bytes = Buffer.from(signature, 'base64url')
    bytes[3] = (bytes[3] ?? 0) ^ 1
    return `${header}.${payload}.${bytes.toString('base64url')}`
  }
  if (damage === 'cut') return `${header}.${payload}`
  if (damage === 'payload') return `${header}.${payload.slice(1)}.${signature}`
  return damage === 'padding' ? `${text}=` : text
}

/** A JWE with RSA-OAEP-256 and A256GCM (RFC 7516). */
function encrypted(text: string, { key, header }: NonNullable<TokenSpec['encrypted']>): string {
  const named = { alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT', kid: 'd1', ...header }
  const first = part(without(named))
  const [content, iv] = [randomBytes(named.enc === 'A128GCM' ? 16 : 32), randomBytes(12)]
  const sent = publicEncrypt(
    { key: keyOf(key).publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    content,
  )
  const cipher = createCipheriv(
    named.enc === 'A128GCM' ? 'aes-128-gcm' : 'aes-256-gcm',
    content,
    iv,
  ).setAAD(Buffer.from(first))
  const sealed = Buffer.concat([cipher.update(text), cipher.final()])
  const rest = [sent, iv, sealed, cipher.getAuthTag()].map((one) => one.toString('base64url'))
  return [first, ...rest].join('.')
}

/** The text of a proof for a request (RFC 9449 §4.2). */
export function proofText(
  { key, header, claims }: ProofSpec,
  { method, url, token, now }: { method: string; url: string; token: string; now: number },
): string {
  const all = { typ: 'dpop+jwt', alg: keyOf(key).alg, jwk: bareKey(key), ...header }
  const ath = createHash('sha256').update(token).digest('base64url')
  const members = { jti: 'p1', htm: method, htu: url, iat: now, ath, ...claims }
  return signed(without(filled(all)), without(members), keyOf(key))
}
