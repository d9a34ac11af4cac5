import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { possession } from '../../../src/gate/guard/stages/possession.ts'
import type { Credential } from '../../../src/gate/model/token.ts'
import { createProofKey, type ProofKey, type ProofOptions, proofOf } from '../../kit/dpop.ts'
import {
  accessOf,
  addressOf,
  clock,
  codeOf,
  credentialOf,
  gateOf,
  NOW,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'
import { type Members, signRaw } from '../../kit/signing.ts'

const TOKEN = 'e30.e30.AA'
const KEY = await createProofKey()
const OTHER = await createProofKey()

interface Asked {
  readonly url?: string
  readonly method?: string
  readonly token?: string
  readonly cnf?: object
  readonly gate?: object
  readonly resource?: string
  readonly host?: string
  /** Seconds that the clock is ahead of the proof. */
  readonly late?: number
}

const ask = (
  proof: string | undefined,
  { url = `${RESOURCE}/x`, method = 'GET', late = 0, resource = RESOURCE, ...asked }: Asked = {},
) => {
  const { token = TOKEN, cnf = { jkt: KEY.jkt }, gate = {}, host } = asked
  const headers: Record<string, string> = {
    ...(proof !== undefined && { dpop: proof }),
    ...(host !== undefined && { host }),
  }
  return possession.run(
    {
      request: requestTo(url, { method, headers }),
      policy: policyOf([], { gate: gateOf(gate) }),
      route: routeOf('* /x', { resource }),
      address: addressOf(url),
      credential: credentialOf({ token, scheme: 'DPoP' } as Partial<Credential>),
      access: accessOf({ claims: { cnf } }),
    },
    { clock: { now: () => clock.now() + late * 1000 } },
  )
}

const proof = (options: Partial<ProofOptions> = {}, key: ProofKey = KEY) =>
  proofOf(key, { url: `${RESOURCE}/x`, token: TOKEN, now: NOW, ...options })

const GOOD = await proof()
const FORGED = `${GOOD.slice(0, -4)}AAAA`
const AMBIGUOUS = await signRaw('{"typ":"dpop+jwt","typ":"x"}', {}, KEY)

describe('a proof', () => {
  it.each(['ES256', 'Ed25519', 'RS256', 'PS256', 'ES384'] as const)('of %s passes', async (alg) => {
    const key = await createProofKey(alg)
    for (let i = 0; i < 2; i++) {
      const outcome = await ask(await proof({}, key), { cnf: { jkt: key.jkt } })
      expect(outcome).toMatchObject({
        ok: true,
        value: { possession: 'dpop', proof: { jkt: key.jkt, expires: NOW + 125 } },
      })
    }
  })

  it('passes where the token has the key itself', async () => {
    const jwk = KEY.publicJwk
    expect(codeOf(await ask(await proof(), { cnf: { jwk } }))).toBe('ok')
    expect(codeOf(await ask(await proof({}, OTHER), { cnf: { jwk } }))).toBe('proof_key_mismatch')
    for (const bad of [KEY.privateJwk, {}, 'x', null, { ...jwk, y: jwk.x }]) {
      expect(codeOf(await ask(await proof(), { cnf: { jwk: bad } }))).toBe('proof_key_mismatch')
    }
  })

  it('of RFC 9449 §7.1 verifies', async () => {
    const url = 'https://resource.example.org/protectedresource'
    const asked = {
      url,
      resource: 'https://resource.example.org',
      token: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU',
      cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
      late: 1_562_262_618 - NOW,
    }
    const text =
      'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA'
    expect(codeOf(await ask(text, asked))).toBe('ok')
    expect(codeOf(await ask(text, { ...asked, token: TOKEN }))).toBe('proof_token_mismatch')
  })

  const RSA = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
    format: 'jwk',
  }) as Members
  // An RSA key to look at; nobody has it.
  const LONG = { ...RSA, n: Buffer.alloc(1024, 0xff).toString('base64url') }
  it.each<[string, Partial<ProofOptions>, string]>([
    ['without jti', { claims: { jti: undefined } }, 'proof_malformed'],
    ['with an empty jti', { claims: { jti: '' } }, 'proof_malformed'],
    ['with a jti that is no text', { claims: { jti: 7 } }, 'proof_malformed'],
    ['without htm', { claims: { htm: undefined } }, 'proof_malformed'],
    ['without htu', { claims: { htu: undefined } }, 'proof_malformed'],
    ['without iat', { claims: { iat: undefined } }, 'proof_malformed'],
    ['with an iat that is text', { claims: { iat: String(NOW) } }, 'proof_malformed'],
    ['without ath', { claims: { ath: undefined } }, 'proof_malformed'],
    ['that is longer than is read', { claims: { fill: 'x'.repeat(7_000) } }, 'proof_malformed'],
    ['with crit', { header: { crit: ['x'] } }, 'proof_malformed'],
    ['of another type', { header: { typ: 'JWT' } }, 'proof_malformed'],
    ['without a type', { header: { typ: undefined } }, 'proof_malformed'],
    ['of application/dpop+jwt', { header: { typ: 'application/DPoP+JWT' } }, 'ok'],
    ['without a signature', { header: { alg: 'none' } }, 'proof_algorithm_forbidden'],
    ['of a shared key', { header: { alg: 'HS256' } }, 'proof_algorithm_forbidden'],
    ['of an algorithm in other letters', { header: { alg: 'es256' } }, 'proof_algorithm_forbidden'],
    ['of ES512', { header: { alg: 'ES512' } }, 'proof_algorithm_forbidden'],
    ['without a key', { header: { jwk: undefined } }, 'proof_key_invalid'],
    ['with a private key', { header: { jwk: KEY.privateJwk } }, 'proof_key_invalid'],
    ['with a shared key', { header: { jwk: { kty: 'oct', k: 'AA' } } }, 'proof_key_invalid'],
    [
      'with a point that is not on the curve',
      { header: { jwk: { ...KEY.publicJwk, y: KEY.publicJwk.x } } },
      'proof_key_invalid',
    ],
    ['with a short RSA key', { header: { alg: 'RS256', jwk: RSA } }, 'proof_key_invalid'],
    ['with an RSA key of 8,192 bits', { header: { alg: 'RS256', jwk: LONG } }, 'proof_key_invalid'],
    ['with the key of another algorithm', { header: { alg: 'RS256' } }, 'proof_key_invalid'],
    [
      'with a key for encryption',
      { header: { jwk: { ...KEY.publicJwk, use: 'enc' } } },
      'proof_key_invalid',
    ],
    ['signed by another key', { header: { jwk: OTHER.publicJwk } }, 'proof_signature_invalid'],
    ['for another method', { method: 'POST' }, 'proof_method_mismatch'],
    ['for the method in lower case', { method: 'get' }, 'proof_method_mismatch'],
    ['that is a minute old', { now: NOW - 60 }, 'ok'],
    ['that is older', { now: NOW - 61 }, 'proof_expired'],
    ['that is ten minutes old', { now: NOW - 600 }, 'proof_expired'],
    ['from 5 seconds ahead', { now: NOW + 5 }, 'ok'],
    ['from later', { now: NOW + 6 }, 'proof_expired'],
    ['that ends later', { claims: { exp: NOW + 1, nbf: NOW + 5 } }, 'ok'],
    ['that has ended', { claims: { exp: NOW } }, 'proof_expired'],
    ['whose end is text', { claims: { exp: String(NOW + 1) } }, 'proof_expired'],
    ['that has not begun', { claims: { nbf: NOW + 6 } }, 'proof_expired'],
    ['whose beginning is null', { claims: { nbf: null } }, 'proof_expired'],
    ['for another token', { token: 'e30.e30.AQ' }, 'proof_token_mismatch'],
    ['for the header with its scheme', { token: `DPoP ${TOKEN}` }, 'proof_token_mismatch'],
  ])('%s', async (_, options, code) => {
    expect(codeOf(await ask(await proof(options)))).toBe(code)
  })

  it.each<[string, string | undefined, string]>([
    ['that is absent', undefined, 'proof_missing'],
    ['that is empty', '', 'proof_malformed'],
    ['that is no JWT', 'a.b', 'proof_malformed'],
    ['that is sent twice', `${GOOD}, ${GOOD}`, 'proof_malformed'],
    ['with a broken signature', FORGED, 'proof_signature_invalid'],
    ['whose members are ambiguous', AMBIGUOUS, 'proof_malformed'],
  ])('%s', async (_, text, code) => {
    expect(codeOf(await ask(text))).toBe(code)
  })

  it('of another key', async () => {
    expect(codeOf(await ask(await proof({}, OTHER)))).toBe('proof_key_mismatch')
    // Also one whose key is known from its own requests.
    expect(codeOf(await ask(await proof({}, OTHER), { cnf: { jkt: OTHER.jkt } }))).toBe('ok')
    expect(codeOf(await ask(await proof({}, OTHER)))).toBe('proof_key_mismatch')
    const forged = `${(await proof({}, OTHER)).slice(0, -4)}AAAA`
    expect(codeOf(await ask(forged, { cnf: { jkt: OTHER.jkt } }))).toBe('proof_signature_invalid')
    expect(codeOf(await ask(await proof(), { cnf: { jkt: 7 } }))).toBe('proof_key_mismatch')
  })

  it('has the window of the gate', async () => {
    const gate = { proofMaxAge: 10, proofMaxAhead: 0 }
    const codes = [-11, -10, 0, 1].map(async (by) =>
      codeOf(await ask(await proof({ now: NOW + by }), { gate })),
    )
    expect(await Promise.all(codes)).toEqual(['proof_expired', 'ok', 'ok', 'proof_expired'])
  })
})

describe('the URL of a proof', () => {
  const LOCAL = 'http://127.0.0.1:8787'
  const BOOKS = 'https://xn--bcher-kva.example'
  it.each<[htu: string, url: string, code: 'ok' | 'no', asked?: Asked]>([
    [`${RESOURCE}/x`, `${RESOURCE}/x?q=1`, 'ok'],
    [`${RESOURCE}/x?x#y`, `${RESOURCE}/x`, 'ok'],
    ['HTTPS://API.example.com:443/x', `${RESOURCE}/x`, 'ok'],
    [`${RESOURCE}/x`, 'https://api.example.com:443/x', 'ok', { host: 'api.example.com:443' }],
    [RESOURCE, `${RESOURCE}/`, 'ok'],
    [`${RESOURCE}/%61/%7euser`, `${RESOURCE}/a/~user`, 'ok'],
    [`${RESOURCE}/a/~user`, `${RESOURCE}/%61/%7Euser`, 'ok'],
    [`${RESOURCE}/%c3%bc`, `${RESOURCE}/%C3%BC`, 'ok'],
    [`${RESOURCE}/a%2fb`, `${RESOURCE}/a%2Fb`, 'ok'],
    [`${RESOURCE}/a%2Fb`, `${RESOURCE}/a/b`, 'no'],
    ['https://bücher.example/x', `${BOOKS}/x`, 'ok', { resource: BOOKS }],
    [`${BOOKS}/x`, `${BOOKS}/x`, 'ok', { resource: 'https://bücher.example' }],
    // A gate behind something that ends TLS.
    [`${RESOURCE}/x`, 'http://api.example.com/x', 'ok'],
    [`${RESOURCE}/x/`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}/x`, `${RESOURCE}/x/`, 'no'],
    [`${RESOURCE}/X`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}/y`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}/a/../x`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}//x`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}:8443/x`, `${RESOURCE}/x`, 'no'],
    [`${RESOURCE}:8443/x`, `${RESOURCE}:8443/x`, 'no', { host: 'api.example.com:8443' }],
    ['http://api.example.com/x', `${RESOURCE}/x`, 'no'],
    ['https://evil.example/x', `${RESOURCE}/x`, 'no'],
    ['https://api.example.com.evil.example/x', `${RESOURCE}/x`, 'no'],
    ['https://evil@api.example.com/x', `${RESOURCE}/x`, 'no'],
    [`${RESOURCE.slice(0, -3)}\tcom/x`, `${RESOURCE}/x`, 'no'],
    // 259 characters are host and port; what is longer is not parsed.
    [`https://${'%61'.repeat(84)}pi.example.com/x`, `${RESOURCE}/x`, 'no'],
    [`https://%61pi.example.com/x`, `${RESOURCE}/x`, 'ok'],
    ['/x', `${RESOURCE}/x`, 'no'],
    ['x', `${RESOURCE}/x`, 'no'],
    // Another host of the gate.
    ['https://b.example.com/x', 'https://b.example.com/x', 'ok'],
    [`${RESOURCE}/x`, 'https://b.example.com/x', 'no'],
    ['https://b.example.com:8443/x', 'https://b.example.com:8443/x', 'no'],
    // On loopback no port is configured.
    [`${LOCAL}/x`, `${LOCAL}/x`, 'ok'],
    ['http://127.0.0.1/x', `${LOCAL}/x`, 'no'],
    [`${RESOURCE}/x`, `${LOCAL}/x`, 'no'],
  ])('%s at %s: %s', async (htu, url, code, asked) => {
    const sent = await proof({ url: htu })
    const expected = code === 'ok' ? 'ok' : 'proof_url_mismatch'
    expect(codeOf(await ask(sent, { ...asked, url }))).toBe(expected)
  })

  it('is in one form for the store of proofs', async () => {
    const used = await Promise.all(
      [`${RESOURCE}/x`, 'HTTPS://API.example.com:443/%78?y'].map(async (url) =>
        ask(await proof({ url })),
      ),
    )
    for (const outcome of used) {
      expect(outcome).toMatchObject({ value: { proof: { htu: `${RESOURCE}/x` } } })
    }
  })
})
