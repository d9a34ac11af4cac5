import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { possession } from '../../../../src/gate/guard/stages/possession.ts'
import type { Credential } from '../../../../src/gate/model/token.ts'
import { createProofKey, type ProofOptions, proofOf } from '../../../kit/dpop.ts'
import {
  accessOf,
  addressOf,
  codeOf,
  credentialOf,
  NOW,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../../kit/facts.ts'
import type { Members } from '../../../kit/signing.ts'

const TOKEN = 'e30.e30.AA'
const KEY = await createProofKey()

interface Asked {
  readonly url?: string
  readonly token?: string
  readonly jkt?: string
  readonly resource?: string
  /** Seconds since 1970. */
  readonly now?: number
}

const ask = (dpop: string, { url = `${RESOURCE}/x`, now = NOW, ...asked }: Asked = {}) => {
  const { token = TOKEN, jkt = KEY.jkt, resource = RESOURCE } = asked
  return possession.run(
    {
      request: requestTo(url, { headers: { dpop } }),
      policy: policyOf(),
      route: routeOf('* /x', { resource }),
      address: addressOf(url),
      credential: credentialOf({ token, scheme: 'DPoP' } as Partial<Credential>),
      access: accessOf({ claims: { cnf: { jkt } } }),
    },
    { clock: { now: () => now * 1000 } },
  )
}
const proof = (options: Partial<ProofOptions> = {}, key = KEY) =>
  proofOf(key, { url: `${RESOURCE}/x`, token: TOKEN, now: NOW, ...options })

describe('a proof', () => {
  it.each(['ES256', 'Ed25519', 'RS256', 'PS256', 'ES384'] as const)(
    'of %s passes as often as it is sent, and is recorded for as long as it could pass',
    async (alg) => {
      const key = await createProofKey(alg)
      const sent = await proof({}, key)
      for (let i = 0; i < 2; i++) {
        expect(await ask(sent, { jkt: key.jkt })).toMatchObject({
          ok: true,
          value: { possession: 'dpop', proof: { jkt: key.jkt, expires: NOW + 125 } },
        })
      }
    },
  )

  it('of RFC 9449 §7.1 passes with its token, and with no other', async () => {
    const asked = {
      url: 'https://resource.example.org/protectedresource',
      resource: 'https://resource.example.org',
      token: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU',
      jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
      now: 1_562_262_618,
    }
    const text =
      'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA'
    expect(codeOf(await ask(text, asked))).toBe('ok')
    expect(codeOf(await ask(text, { ...asked, token: TOKEN }))).toBe('proof_token_mismatch')
  })

  it.each([
    ['short', 128],
    ['long', 1_024],
  ])('with an RSA key that is too %s is refused', async (_, bytes) => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    const n = Buffer.alloc(bytes, 0xff).toString('base64url')
    const jwk = { ...(publicKey.export({ format: 'jwk' }) as Members), n }
    expect(codeOf(await ask(await proof({ header: { alg: 'RS256', jwk } })))).toBe(
      'proof_key_invalid',
    )
  })
})

describe('the URL of a proof', () => {
  const LOCAL = 'http://127.0.0.1:8787'
  const BOOKS = 'https://xn--bcher-kva.example'
  it.each<[htu: string, url: string, code: string, resource?: string]>([
    ['https://bücher.example/x', `${BOOKS}/x`, 'ok', BOOKS],
    // A gate behind something that ends TLS.
    [`${RESOURCE}/x`, 'http://api.example.com/x', 'ok'],
    // Another host of the gate.
    ['https://b.example.com/x', 'https://b.example.com/x', 'ok'],
    [`${RESOURCE}/x`, 'https://b.example.com/x', 'proof_url_mismatch'],
    // On loopback no port is configured.
    [`${LOCAL}/x`, `${LOCAL}/x`, 'ok'],
    ['http://127.0.0.1/x', `${LOCAL}/x`, 'proof_url_mismatch'],
  ])('%s at %s: %s', async (htu, url, code, resource) => {
    const asked = { url, ...(resource !== undefined && { resource }) }
    expect(codeOf(await ask(await proof({ url: htu }), asked))).toBe(code)
  })

  it('is in one form for the store of proofs', async () => {
    for (const url of [`${RESOURCE}/x`, 'HTTPS://API.example.com:443/%78?y']) {
      expect(await ask(await proof({ url }))).toMatchObject({
        value: { proof: { htu: `${RESOURCE}/x` } },
      })
    }
  })
})
