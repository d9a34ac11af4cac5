import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { thumbprint } from './jose.ts'
import { checkPossession, type PossessionCase } from './proof.ts'
import type { JsonObject } from './types.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const pair = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { jwk: publicKey.export({ format: 'jwk' }) as JsonObject, privateKey }
}
const KEY = pair()
const TOKEN = 'a.b.c'
const NOW = 1_800_000_000
const ATH = createHash('sha256').update(TOKEN).digest('base64url')

const proofOf = (claims: JsonObject = {}, header: JsonObject = {}, key = KEY) => {
  const signed = `${encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk, ...header })}.${encode({
    jti: 'one',
    htm: 'GET',
    htu: 'https://api.example.com/v1/any',
    iat: NOW,
    ath: ATH,
    ...claims,
  })}`
  const options = { key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${signed}.${sign('sha256', Buffer.from(signed), options).toString('base64url')}`
}

const caseOf = (
  proof: string | string[],
  changed: Partial<PossessionCase> = {},
): PossessionCase => ({
  request: {
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    target: '/v1/any?x=1',
    headers: [proof].flat().map((one): [string, string] => ['DPoP', one]),
    address: '192.0.2.1',
    now: NOW * 1000,
  },
  scheme: 'DPoP',
  token: TOKEN,
  cnf: { jkt: thumbprint(KEY.jwk) ?? '' },
  required: false,
  bearerProof: false,
  maxAge: 60,
  maxAhead: 5,
  resources: ['https://api.example.com'],
  ...changed,
})

const codeOf = (possession: PossessionCase) => {
  const found = checkPossession(possession)
  return found.ok ? found.method : found.code
}

test('accepts the proof of RFC 9449 §7.1', () => {
  const token = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'
  const proof =
    'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA'
  const possession = caseOf(proof, {
    token,
    cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
    resources: ['https://resource.example.org'],
  })
  possession.request.host = 'resource.example.org'
  possession.request.target = '/protectedresource'
  possession.request.now = 1562262618_000
  expect(codeOf(possession)).toBe('dpop')
})

test.each([
  [{}, 'dpop'],
  [{ htu: 'HTTPS://API.example.com:443/v1/%61ny?x#y' }, 'dpop'],
  [{ htu: 'https://api.example.com/v1/any/' }, 'proof_url_mismatch'],
  [{ htu: 'https://api.example.com/v1/x/../any' }, 'proof_url_mismatch'],
  [{ htu: 'http://api.example.com/v1/any' }, 'proof_url_mismatch'],
  [{ htu: 'https://a@api.example.com/v1/any' }, 'proof_url_mismatch'],
  [{ htm: 'get' }, 'proof_method_mismatch'],
  [{ iat: NOW - 60 }, 'dpop'],
  [{ iat: NOW - 61 }, 'proof_expired'],
  [{ iat: NOW + 6 }, 'proof_expired'],
  [{ exp: NOW }, 'proof_expired'],
  [{ nbf: NOW + 5 }, 'dpop'],
  [{ nbf: NOW + 6 }, 'proof_expired'],
  [{ ath: 'x' }, 'proof_token_mismatch'],
  [{ jti: '' }, 'proof_malformed'],
  [{ iat: '1' }, 'proof_malformed'],
] as [JsonObject, string][])('a proof with %o: %s', (claims, code) => {
  expect(codeOf(caseOf(proofOf(claims)))).toBe(code)
})

test.each([
  [{ typ: 'JWT' }, 'proof_malformed'],
  [{ crit: [] }, 'proof_malformed'],
  [{ alg: 'HS256' }, 'proof_algorithm_forbidden'],
  [{ alg: 'ES512' }, 'proof_algorithm_forbidden'],
  [{ jwk: { ...KEY.jwk, d: 'x' } }, 'proof_key_invalid'],
  [{ jwk: pair().jwk }, 'proof_signature_invalid'],
  [{ more: 'x'.repeat(1500) }, 'proof_key_invalid'],
] as [JsonObject, string][])('a proof with the header %o: %s', (header, code) => {
  expect(codeOf(caseOf(proofOf({}, header)))).toBe(code)
})

test('which tokens need what', () => {
  const proof = proofOf()
  expect(codeOf(caseOf([]))).toBe('proof_missing')
  expect(codeOf(caseOf([proof, proof]))).toBe('proof_malformed')
  expect(codeOf(caseOf(proof, { scheme: 'Bearer' }))).toBe('token_bound')
  expect(codeOf(caseOf(proof, { scheme: 'Bearer', bearerProof: true }))).toBe('dpop')
  expect(codeOf(caseOf(proof, { cnf: undefined }))).toBe('token_not_bound')
  expect(codeOf(caseOf(proof, { cnf: undefined, scheme: 'Bearer' }))).toBeUndefined()
  expect(codeOf(caseOf(proof, { cnf: undefined, scheme: 'Bearer', required: true }))).toBe(
    'possession_required',
  )
  expect(codeOf(caseOf(proof, { cnf: { kid: 'x' } }))).toBe('confirmation_unsupported')
  expect(codeOf(caseOf(proof, { cnf: { jkt: 'x', kid: 'x' } }))).toBe('confirmation_unsupported')
  expect(codeOf(caseOf(proof, { cnf: { jwk: KEY.jwk } }))).toBe('dpop')
  expect(codeOf(caseOf(proof, { cnf: { jwk: pair().jwk } }))).toBe('proof_key_mismatch')
  expect(codeOf(caseOf(proof, { nonce: () => 'invalid' }))).toBe('proof_nonce_required')
  expect(codeOf(caseOf(proof, { nonce: () => 'unavailable' }))).toBe('nonce_unavailable')
})

test('mutual TLS', () => {
  const hash = createHash('sha256').update('certificate')
  const sha256 = hash.copy().digest('hex')
  const bound = caseOf([], { scheme: 'Bearer', cnf: { 'x5t#S256': hash.digest('base64url') } })
  expect(codeOf(bound)).toBe('certificate_missing')
  bound.request.certificate = { presented: true, verified: false, sha256 }
  expect(codeOf(bound)).toBe('certificate_missing')
  bound.request.certificate = { presented: true, verified: true, sha256 }
  expect(codeOf(bound)).toBe('mtls')
  bound.request.certificate = { presented: true, verified: true, sha256: '0'.repeat(64) }
  expect(codeOf(bound)).toBe('certificate_mismatch')
})
