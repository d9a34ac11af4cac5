import { createTextMemo } from './memo.ts'
import { parseUrl } from './url.ts'

/**
 * The network under which limits count an address. IPv4 is unchanged; IPv4-mapped IPv6 becomes IPv4 (RFC 4291
 * §2.5.5.2); IPv6 becomes its /64, without the zone. Other text is cut at 64 characters. Does not check that the text
 * is an address.
 */
export function networkOf(address: string): string {
  return networks.get(address) ?? networks.keep(address, readNetwork(address))
}

/** Callers repeat, so their networks are remembered. */
const networks = createTextMemo<string>()

const readNetwork = (address: string): string => {
  const groups = ipv6Groups(address.replace(/%.*$/s, ''))
  if (!groups) return address.slice(0, 64)
  const [high = 0, low = 0] = groups.slice(6)
  return isMapped(groups)
    ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
    : `${groups
        .slice(0, 4)
        .map((group) => group.toString(16))
        .join(':')}::/64`
}

/**
 * Whether the public internet cannot reach a URL's host (IPv6 in brackets): loopback, private, link-local, shared,
 * multicast and reserved addresses (RFC 6890), also inside IPv6, and `localhost` (RFC 6761 §6.3). Text that is no host
 * counts as private. Does not resolve names.
 */
export function isPrivateHost(hostname: string): boolean {
  const host = parseUrl(`http://${hostname}`)?.hostname.replace(/\.+$/, '')
  if (!host) return true
  const ipv4 = ipv4Bits(host)
  if (ipv4 !== undefined) return isPrivateIpv4(ipv4)
  if (host.startsWith('[')) return isPrivateIpv6(bitsOf(ipv6Groups(host.slice(1, -1)) ?? [], 16))
  return host === 'localhost' || host.endsWith('.localhost')
}

const isPrivateIpv4 = (bits: string): boolean =>
  PRIVATE_IPV4.some((network) => bits.startsWith(network))

const isPrivateIpv6 = (bits: string): boolean =>
  PRIVATE_IPV6.some((network) => bits.startsWith(network)) ||
  CARRIES_IPV4.some(
    (network) =>
      bits.startsWith(network) && isPrivateIpv4(bits.slice(network.length, network.length + 32)),
  )

/** Whether an IPv6 address is IPv4-mapped (RFC 4291 §2.5.5.2). */
export function isMapped(groups: readonly number[]): boolean {
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
}

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/
const IPV6_CHARACTERS = /^(?=.*:)[0-9a-f:.]+$/i

const ipv4Bits = (host: string): string | undefined =>
  IPV4.test(host) ? bitsOf(host.split('.').map(Number), 8) : undefined

/** The eight groups of an IPv6 address without brackets; `undefined` for any other text. */
export function ipv6Groups(text: string): readonly number[] | undefined {
  const address = IPV6_CHARACTERS.test(text) ? parseUrl(`http://[${text}]`)?.hostname : undefined
  if (address === undefined) return undefined
  const [head = [], tail = []] = address
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').flatMap((group) => (group ? [Number.parseInt(group, 16)] : [])))
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Concatenates numbers as binary digits, each padded to `width`. */
export function bitsOf(numbers: readonly number[], width: number): string {
  return numbers.map((number) => number.toString(2).padStart(width, '0')).join('')
}

/** The leading bits that all addresses of a network share. */
const networkBits = (network: string): string => {
  const [address = '', length] = network.split('/')
  const bits = ipv4Bits(address) ?? bitsOf(ipv6Groups(address) ?? [], 16)
  return bits.slice(0, Number(length))
}

const PRIVATE_IPV4: readonly string[] = [
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
].map(networkBits)

const PRIVATE_IPV6: readonly string[] = [
  '::/128',
  '::1/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
].map(networkBits)

/** IPv6 prefixes that are followed by an IPv4 address: compatible, mapped, translated, NAT64, 6to4. */
const CARRIES_IPV4: readonly string[] = [
  '::/96',
  '::ffff:0:0/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '2002::/16',
].map(networkBits)
