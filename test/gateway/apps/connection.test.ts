import { describe, expect, it } from 'vitest'
import { connectionOf } from '../../../src/gateway/apps/connection.ts'

describe('what the platform tells of a request', () => {
  it.each<[unknown, unknown]>([
    [undefined, {}],
    [{}, {}],
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
    [{ botManagement: { score: 1.5 } }, {}],
  ])('%j is %j', (cf, expected) => {
    expect(connectionOf(() => cf as never)).toEqual(expected)
  })

  it('is asked for when somebody looks', () => {
    let asked = 0
    const connection = connectionOf(() => {
      asked++
      return { country: 'DE' }
    })
    expect(asked).toBe(0)
    expect(connection.country).toBe('DE')
    expect(asked).toBe(1)
  })
})
