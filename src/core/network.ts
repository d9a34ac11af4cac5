import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'
import { parseUrl } from './url.ts'

/** An address as its bits, or a network as its leading bits. */
export interface Network {
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
export function readAddress(text: string): Network | undefined {
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
const networks = createTextMemo<Result<Network, string>>()

const addressOf = (text: string): Network | undefined =>
  (addresses.get(text) ?? addresses.keep(text, readAddress(text) ?? null)) || undefined

const networkOf = (text: string): Result<Network, string> =>
  networks.get(text) ?? networks.keep(text, readNetwork(text))

/** Reads a network in CIDR notation; without a length it is one address. */
export function readNetwork(text: string): Result<Network, string> {
  const [, address = '', length] = CIDR.exec(text) ?? []
  const read = readAddress(address)
  if (!read) return fail('is no network; write it like 10.0.0.0/8, 2001:db8::/32 or one address')
  const whole = read.bits.length
  // The length of a mapped network counts its IPv6 bits.
  const before = read.family === 4 && address.includes(':') ? MAPPED.length : 0
  const bits = length === undefined ? whole : Number(length) - before
  if (bits < 0 || bits > whole)
    return fail(`has a length that is not ${before} to ${before + whole}`)
  return read.bits.slice(bits).includes('1')
    ? fail(`has bits behind its first ${bits + before}; write the first address of the network`)
    : ok({ family: read.family, bits: read.bits.slice(0, bits) })
}

/** Whether a network contains an address. */
export function contains(network: Network, address: Network): boolean {
  return network.family === address.family && address.bits.startsWith(network.bits)
}

/** The fault of a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3); `undefined` where it is well-formed. */
export function networkFault(text: string): string | undefined {
  const read = networkOf(text)
  return read.ok ? undefined : read.reason
}

/**
 * Whether an address is in a network in CIDR notation; a network without a length is one address. IPv4-mapped IPv6
 * addresses are compared as IPv4. `undefined` where either is malformed. Does not read zones.
 */
export function inNetwork(address: string, network: string): boolean | undefined {
  const one = addressOf(address)
  const all = networkOf(network)
  if (!one || !all.ok) return undefined
  return contains(all.value, one)
}
