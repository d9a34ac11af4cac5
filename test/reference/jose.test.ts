import * as crypto from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { hashOfIds } from './agentic.ts'
import { decrypt, readCompact, readEncrypted, thumbprint, verify } from './jose.ts'
import type { Jwk } from './types.ts'

const folder = new URL('../vectors/', import.meta.url)
const VECTORS = readdirSync(folder).filter((name) => name.startsWith('rfc'))

test.each(VECTORS)('the signature of %s is valid, and not another', (name) => {
  const vector = JSON.parse(readFileSync(new URL(name, folder), 'utf8'))
  const parts = readCompact(vector.token)
  if (!parts) throw new Error('not read')
  expect(verify(parts, vector.jwk, vector.algorithm)).toBe(true)
  const changed = { ...parts, signed: `${parts.signed}A` }
  expect(verify(changed, vector.jwk, vector.algorithm)).toBe(false)
})

const make = {
  RS: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'P-256': () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed: () => crypto.generateKeyPairSync('ed25519'),
  ML: () => crypto.generateKeyPairSync('ml-dsa-65' as 'ed25519'),
}

test.each([
  ['RS384', make.RS, {}],
  ['PS256', make.RS, { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
  ['PS512', make.RS, { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }],
  ['ES256', make['P-256'], { dsaEncoding: 'ieee-p1363' }],
  ['ES384', make['P-384'], { dsaEncoding: 'ieee-p1363' }],
  ['ES512', make['P-521'], { dsaEncoding: 'ieee-p1363' }],
  ['Ed25519', make.Ed, {}],
  ['EdDSA', make.Ed, {}],
  ['ML-DSA-65', make.ML, {}],
] as const)('verifies %s', (alg, keys, options) => {
  const { publicKey, privateKey } = keys()
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg })}.${encode({ sub: 'a' })}`
  const hash = /^[RPE]S/.test(alg) ? `sha${alg.slice(2)}` : null
  const signature = crypto.sign(hash, Buffer.from(signed), { key: privateKey, ...options })
  const parts = readCompact(`${signed}.${signature.toString('base64url')}`)
  if (!parts) throw new Error('not read')
  const jwk = publicKey.export({ format: 'jwk' }) as Jwk
  expect(verify(parts, jwk, alg)).toBe(true)
  expect(verify(parts, privateKey.export({ format: 'jwk' }) as Jwk, alg)).toBe(false)
  expect(verify(parts, jwk, 'HS256')).toBe(false)
})

test('a thumbprint is that of RFC 9449 §6.1', () => {
  const key = {
    kty: 'EC',
    crv: 'P-256',
    x: 'l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs',
    y: '9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA',
  }
  expect(thumbprint({ use: 'sig', ...key })).toBe('0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I')
})

const b64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url')

test('agrees on the key of RFC 7518, Appendix C', () => {
  const bob = {
    kty: 'EC',
    crv: 'P-256',
    x: 'weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ',
    y: 'e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck',
    d: 'VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw',
  }
  const header = {
    alg: 'ECDH-ES',
    enc: 'A128GCM',
    apu: 'QWxpY2U',
    apv: 'Qm9i',
    epk: {
      kty: 'EC',
      crv: 'P-256',
      x: 'gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0',
      y: 'SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps',
    },
  }
  const head = b64(JSON.stringify(header))
  const iv = Buffer.alloc(12, 1)
  const key = Buffer.from('VqqN6vgjbSBcIijNcacQGg', 'base64url')
  const cipher = crypto.createCipheriv('aes-128-gcm', key, iv).setAAD(Buffer.from(head))
  const text = b64(Buffer.concat([cipher.update('inside'), cipher.final()]))
  const read = readEncrypted([head, '', b64(iv), text, b64(cipher.getAuthTag())].join('.'))
  if (!read) throw new Error('not read')
  expect(decrypt(read, bob)).toBe('inside')
})

const { chains } = JSON.parse(readFileSync(new URL('agentic-jwt/hashes.json', folder), 'utf8'))

test.each(chains as { ids: string[]; hash: string }[])('the hash of $ids is $hash', (chain) => {
  expect(hashOfIds(chain.ids)).toBe(chain.hash)
})
