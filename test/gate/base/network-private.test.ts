import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPrivateHost, networkOf } from '../../../src/gate/base/network.ts'
import { tries } from '../../kit/property.ts'

describe('networkOf', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['2001:0db8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('of %s is %s', (address, network) => expect(networkOf(address)).toBe(network))

  it('has one name for a /64, and another for the next', () => {
    const group = fc.integer({ min: 0, max: 0xffff })
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 8, maxLength: 8 }).filter(([first]) => first !== 0),
        fc.array(group, { minLength: 4, maxLength: 4 }),
        (groups, host) => {
          const text = (parts: readonly number[]) =>
            parts.map((part) => part.toString(16)).join(':')
          const network = networkOf(text(groups))
          const neighbour = text([...groups.slice(0, 4), ...host]).toUpperCase()
          expect(networkOf(neighbour)).toBe(network)
          const next = [...groups.slice(0, 3), (groups[3] ?? 0) ^ 1, ...host]
          expect(networkOf(text(next))).not.toBe(network)
        },
      ),
      tries(60),
    )
  })
})

/** First and last address of each network, and the public ones that stand beside it. */
const EDGES: readonly [first: string, last: string, ...outside: string[]][] = [
  ['0.0.0.0', '0.255.255.255', '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['224.0.0.0', '239.255.255.255', '223.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
]

const hostOf = (authority: string): string => new URL(`https://${authority}/jwks`).hostname

describe('isPrivateHost', () => {
  it.each(EDGES)('knows %s to %s', (first, last, ...outside) => {
    const forms = (ipv4: string) => [
      ipv4,
      `[::ffff:${ipv4}]`,
      `[::${ipv4}]`,
      `[64:ff9b::${ipv4}]`,
      `[2002:${hex(ipv4)}::1]`,
    ]
    for (const host of [first, last].flatMap(forms))
      expect([host, isPrivateHost(host)]).toEqual([host, true])
    for (const host of [first, last].flatMap(forms)) expect(isPrivateHost(hostOf(host))).toBe(true)
    for (const host of outside.flatMap(forms))
      expect([host, isPrivateHost(hostOf(host))]).toEqual([host, false])
  })

  it.each(['0x7f.1', '2130706433', '127.0.0.1.', '１２７.0.0.1'])(
    'knows %s by what a URL makes of it',
    (host) => expect(isPrivateHost(hostOf(host))).toBe(true),
  )

  it.each([
    '[::]',
    '[::1]',
    '[febf:ffff::1]',
    '[ff02::1]',
    '[64:ff9b:1::808:808]',
    'keys.localhost.',
  ])('knows %s', (host) => {
    expect(isPrivateHost(host)).toBe(true)
    expect(isPrivateHost(hostOf(host))).toBe(true)
  })

  it.each(['', '[::1', '256.1.1.1'])('takes %j, which is no host, for private', (text) =>
    expect(isPrivateHost(text)).toBe(true),
  )

  it.each([
    'auth.acme.example',
    'localhost.acme.example',
    '10.0.0.1.acme.example',
    '[::ffff:8.8.8.8]',
    '[64:ff9b::8.8.8.8]',
    // A name that resolves to loopback is a name like another.
    'localtest.me',
  ])('lets %s be', (host) => expect(isPrivateHost(hostOf(host))).toBe(false))
})

const hex = (ipv4: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}
