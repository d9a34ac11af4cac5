import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'
import { parseUrl } from './url.ts'

/** An address as its bits, or a network as its leading bits. */
interface Network {
  readonly family: 4 | 6
  readonly bits: string
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
/** Without leading zeros, which some readers parse as octal (RFC 6943 §3.1.1). */
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)
const IPV6_CHARACTERS = /^(?=.*:)[0-9a-f:.]+$/i
const CIDR = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/

/** Bits of an IPv4-mapped address (RFC 4291 §2.5.5.2) that precede the IPv4 address. */
const MAPPED = '0'.repeat(80) + '1'.repeat(16)

/** Reads an address without brackets and zone; IPv4-mapped IPv6 as IPv4. `undefined` for any other text. */
const readAddress = (text: string): Network | undefined => {
  if (IPV4.test(text)) return { family: 4, bits: bitsOf(text.split('.').map(Number), 8) }
  const groups = ipv6Groups(text)
  if (!groups) return undefined
  const bits = bitsOf(groups, 16)
  return bits.startsWith(MAPPED)
    ? { family: 4, bits: bits.slice(MAPPED.length) }
    : { family: 6, bits }
}

/** The eight groups of an IPv6 address. */
const ipv6Groups = (text: string): readonly number[] | undefined => {
  const address = IPV6_CHARACTERS.test(text) ? parseUrl(`http://[${text}]`)?.hostname : undefined
  if (address === undefined) return undefined
  const [head = [], tail = []] = address
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').flatMap((group) => (group ? [Number.parseInt(group, 16)] : [])))
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Concatenates numbers as binary digits, each padded to `width`. */
const bitsOf = (numbers: readonly number[], width: number): string =>
  numbers.map((number) => number.toString(2).padStart(width, '0')).join('')

/** Addresses, and networks of policy and tokens, repeat; their readings are remembered. */
const addresses = createTextMemo<Network | null>()
const ranges = createTextMemo<Result<Network, string>>()

const addressOf = (text: string): Network | undefined =>
  (addresses.get(text) ?? addresses.keep(text, readAddress(text) ?? null)) || undefined

const rangeOf = (text: string): Result<Network, string> =>
  ranges.get(text) ?? ranges.keep(text, readNetwork(text))

/** Reads a network in CIDR notation; without a length it is one address. */
const readNetwork = (text: string): Result<Network, string> => {
  const [, address = '', length] = CIDR.exec(text) ?? []
  const read = readAddress(address)
  if (!read) return fail('is not a network; write it like 10.0.0.0/8, 2001:db8::/32 or one address')
  const whole = read.bits.length
  // The length of a mapped network counts its IPv6 bits.
  const before = read.family === 4 && address.includes(':') ? MAPPED.length : 0
  const bits = length === undefined ? whole : Number(length) - before
  if (bits < 0 || bits > whole) return fail(`has a length outside ${before} to ${before + whole}`)
  return read.bits.slice(bits).includes('1')
    ? fail(`has bits behind its first ${bits + before}; write the first address of the network`)
    : ok({ family: read.family, bits: read.bits.slice(0, bits) })
}

/** Whether a network contains an address. */
const contains = (network: Network, address: Network): boolean =>
  network.family === address.family && address.bits.startsWith(network.bits)

/**
 * The fault of a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3); `undefined` where it is well-formed.
 * @example networkFault('192.0.2.1/24') // 'has bits behind its first 24; write the first address of the network'
 */
export function networkFault(text: string): string | undefined {
  const read = rangeOf(text)
  return read.ok ? undefined : read.reason
}

/**
 * Whether an address is in a network in CIDR notation, or equals it; `undefined` if either is malformed.
 * @example inNetwork('192.0.2.7', '192.0.2.0/24') // true
 */
export function inNetwork(address: string, network: string): boolean | undefined {
  const one = addressOf(address)
  const all = rangeOf(network)
  if (!one || !all.ok) return undefined
  return contains(all.value, one)
}

/**
 * The network under which limits count an address: IPv4 as it is, also if mapped to IPv6 (RFC 4291 §2.5.5.2); the /64
 * of IPv6, without the zone. Other text is cut at 64 characters and not refused.
 * @example networkOf('2001:db8:0:1::2') // '2001:db8:0:1::/64'
 */
export function networkOf(address: string): string {
  return counted.get(address) ?? counted.keep(address, nameOf(address))
}

/** Callers repeat, so their networks are remembered. */
const counted = createTextMemo<string>()

const nameOf = (address: string): string => {
  const read = readAddress(address.replace(/%.*$/s, ''))
  if (!read) return address.slice(0, 64)
  if (read.family === 4) return numbersOf(read.bits, 8).join('.')
  const groups = numbersOf(read.bits.slice(0, 64), 16).map((group) => group.toString(16))
  return `${groups.join(':')}::/64`
}

const numbersOf = (bits: string, width: number): readonly number[] =>
  (bits.match(new RegExp(`.{${width}}`, 'g')) ?? []).map((one) => Number.parseInt(one, 2))

/**
 * Whether the public internet cannot reach a URL's host (IPv6 in brackets): loopback, private, link-local, shared,
 * multicast and reserved addresses (RFC 6890), also inside IPv6, and `localhost` (RFC 6761 §6.3). Text that is not a
 * host counts as private. Does not resolve names.
 * @example
 * isPrivateHost('169.254.169.254') // true
 * isPrivateHost('[::ffff:10.0.0.1]') // true
 */
export function isPrivateHost(hostname: string): boolean {
  const host = parseUrl(`http://${hostname}`)?.hostname.replace(/\.+$/, '')
  if (!host) return true
  const address = readAddress(host.replace(/^\[|\]$/g, ''))
  return address ? isPrivate(address) : host === 'localhost' || host.endsWith('.localhost')
}

const isPrivate = (address: Network): boolean =>
  PRIVATE.some((network) => bitsAfter(network, address) !== undefined) ||
  CARRIES_IPV4.some((network) => {
    const bits = bitsAfter(network, address)?.slice(0, 32)
    return bits !== undefined && isPrivate({ family: 4, bits })
  })

/** The bits of an address that follow the bits of a network; `undefined` if it is not in the network. */
const bitsAfter = (network: string, address: Network): string | undefined => {
  const range = rangeOf(network)
  if (!range.ok) throw new Error(`${network} ${range.reason}`)
  return contains(range.value, address) ? address.bits.slice(range.value.bits.length) : undefined
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
