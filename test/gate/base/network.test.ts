import { describe, expect, it } from 'vitest'
import { inNetwork, networkFault } from '../../../src/gate/base/network.ts'

describe('inNetwork', () => {
  it.each<[string, string, boolean | undefined]>([
    ['10.0.0.0', '10.0.0.0/8', true],
    ['10.255.255.255', '10.0.0.0/8', true],
    ['11.0.0.0', '10.0.0.0/8', false],
    ['192.0.2.129', '192.0.2.128/25', true],
    ['192.0.2.127', '192.0.2.128/25', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['::1', '0.0.0.0/0', false],
    ['2001:db8::1', '2001:db8::/32', true],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::/32', true],
    ['::ffff:192.0.2.1', '192.0.2.0/24', true],
    ['192.0.2.1', '::ffff:192.0.2.0/120', true],
    ['192.0.2.01', '192.0.2.0/24', undefined],
    ['0x7f.1', '127.0.0.0/8', undefined],
    ['fe80::1%eth0', 'fe80::/10', undefined],
    ['', '0.0.0.0/0', undefined],
    ['192.0.2.1', '192.0.2.0/33', undefined],
    ['192.0.2.1', '192.0.2.0/024', undefined],
    ['192.0.2.1', '192.0.2.1/24', undefined],
    ['192.0.2.1', '::ffff:192.0.2.0/24', undefined],
  ])('%s in %s is %s', (address, network, expected) => {
    expect(inNetwork(address, network)).toBe(expected)
    expect(inNetwork(address, network), 'again').toBe(expected)
  })

  it.each([
    ['10.0.0.0/8', undefined],
    ['2001:db8::/32', undefined],
    ['ten', 'is not a network; write it like 10.0.0.0/8, 2001:db8::/32 or one address'],
    ['10.0.0.0/40', 'has a length outside 0 to 32'],
    ['::ffff:10.0.0.0/8', 'has a length outside 96 to 128'],
    ['10.1.0.0/8', 'has bits behind its first 8; write the first address of the network'],
  ])('of %s says %s', (network, fault) => {
    expect(networkFault(network)).toBe(fault)
  })
})
