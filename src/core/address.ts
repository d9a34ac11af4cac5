import { createTextMemo } from './memo.ts'
import { contains, type Network, readAddress, readNetwork } from './network.ts'
import { parseUrl } from './url.ts'

/**
 * The network under which limits count an address. IPv4 is unchanged; IPv4-mapped IPv6 becomes IPv4 (RFC 4291
 * §2.5.5.2); IPv6 becomes its /64, without the zone. Other text is cut at 64 characters. Does not check that the text
 * is an address.
 */
export function networkOf(address: string): string {
  return networks.get(address) ?? networks.keep(address, nameOf(address))
}

/** Callers repeat, so their networks are remembered. */
const networks = createTextMemo<string>()

const nameOf = (address: string): string => {
  const read = readAddress(address.replace(/%.*$/s, ''))
  if (!read) return address.slice(0, 64)
  const { family, bits } = read
  return family === 4
    ? numbersOf(bits, 8).join('.')
    : `${numbersOf(bits.slice(0, 64), 16)
        .map((group) => group.toString(16))
        .join(':')}::/64`
}

const numbersOf = (bits: string, width: number): readonly number[] =>
  (bits.match(new RegExp(`.{${width}}`, 'g')) ?? []).map((one) => Number.parseInt(one, 2))

/**
 * Whether the public internet cannot reach a URL's host (IPv6 in brackets): loopback, private, link-local, shared,
 * multicast and reserved addresses (RFC 6890), also inside IPv6, and `localhost` (RFC 6761 §6.3). Text that is no host
 * counts as private. Does not resolve names.
 */
export function isPrivateHost(hostname: string): boolean {
  const host = parseUrl(`http://${hostname}`)?.hostname.replace(/\.+$/, '')
  if (!host) return true
  const address = readAddress(host.replace(/^\[|\]$/g, ''))
  return address ? isPrivate(address) : host === 'localhost' || host.endsWith('.localhost')
}

const isPrivate = (address: Network): boolean => {
  ranges ??= { own: PRIVATE.map(listed), carrying: CARRIES_IPV4.map(listed) }
  return (
    ranges.own.some((network) => contains(network, address)) ||
    ranges.carrying.some(
      (network) =>
        contains(network, address) &&
        isPrivate({ family: 4, bits: address.bits.slice(network.bits.length).slice(0, 32) }),
    )
  )
}

/** Read with the first host: an isolate starts sooner without. */
let ranges: { readonly own: readonly Network[]; readonly carrying: readonly Network[] } | undefined

const listed = (text: string): Network => {
  const read = readNetwork(text)
  if (!read.ok) throw new Error(`${text} ${read.reason}`)
  return read.value
}

const PRIVATE = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

/** IPv6 prefixes that are followed by an IPv4 address: compatible, translated, NAT64, 6to4. */
const CARRIES_IPV4 = ['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '2002::/16']
