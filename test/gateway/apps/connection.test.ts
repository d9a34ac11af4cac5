import { describe, expect, it } from 'vitest'
import { PlatformConnection } from '../../../src/gate/app/connection.ts'

describe('what the platform tells of a request', () => {
  it.each<[unknown, unknown]>([
    [undefined, {}],
    [
      {
        colo: 'FRA',
        country: 'DE',
        asn: 3320,
        tlsVersion: 'TLSv1.3',
        botManagement: { score: 30, ja4: 'x' },
        clientIp: '192.0.2.1:7',
      },
      { colo: 'FRA', country: 'DE', asn: 3320, tls: 'TLSv1.3', botScore: 30 },
    ],
    [{ country: null, asn: '3320', tlsVersion: '', botManagement: null }, {}],
  ])('%j is %j', (cf, expected) => {
    const { country, asn, colo, tls, certificate, botScore } = new PlatformConnection(
      () => cf as never,
    )
    expect({ country, asn, colo, tls, certificate, botScore }).toEqual(expected)
  })

  const HEX = '00ff'.repeat(16)
  const VERIFIED = { certVerified: 'SUCCESS', certRevoked: '0', certFingerprintSHA256: HEX }
  it.each<[unknown, string | undefined]>([
    [VERIFIED, Buffer.from(HEX, 'hex').toString('base64url')],
    [{ ...VERIFIED, certVerified: 'NONE' }, undefined],
    [{ ...VERIFIED, certRevoked: '1' }, undefined],
    [{ ...VERIFIED, certRevoked: undefined }, undefined],
    [{ ...VERIFIED, certFingerprintSHA256: HEX.slice(2) }, undefined],
  ])('has a client certificate only if it is verified: %j', (tlsClientAuth, certificate) => {
    expect(new PlatformConnection(() => ({ tlsClientAuth }) as never).certificate).toBe(certificate)
  })

  it('is asked for when somebody looks', () => {
    let asked = 0
    const connection = new PlatformConnection(() => {
      asked++
      return { country: 'DE' }
    })
    expect(asked).toBe(0)
    expect(connection.country).toBe('DE')
    expect(asked).toBe(1)
  })
})
