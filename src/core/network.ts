import { bitsOf, ipv6Groups, isMapped } from './address.ts'
import { createTextMemo } from './memo.ts'
import { fail, ok, type Result } from './result.ts'

/** A network, as its leading bits. With all 32 or 128 bits it is one address. */
interface Network {
  readonly family: 4 | 6
  readonly bits: string
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
/** Without leading zeros, which some readers parse as octal (RFC 6943 §3.1.1). */
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)
const CIDR = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/

/** Bits of an IPv4-mapped address that precede the IPv4 address. */
const MAPPED = 96

const readAddress = (text: string): Network | undefined => {
  if (IPV4.test(text)) return { family: 4, bits: bitsOf(text.split('.').map(Number), 8) }
  const groups = ipv6Groups(text)
  if (!groups) return undefined
  const bits = bitsOf(groups, 16)
  return isMapped(groups) ? { family: 4, bits: bits.slice(MAPPED) } : { family: 6, bits }
}

/** Addresses, and networks of policy and tokens, repeat; their readings are remembered. */
const addresses = createTextMemo<Network | null>()
const networks = createTextMemo<Result<Network, string>>()

const addressOf = (text: string): Network | undefined =>
  (addresses.get(text) ?? addresses.keep(text, readAddress(text) ?? null)) || undefined

const networkOf = (text: string): Result<Network, string> =>
  networks.get(text) ?? networks.keep(text, readNetwork(text))

const readNetwork = (text: string): Result<Network, string> => {
  const [, address = '', length] = CIDR.exec(text) ?? []
  const read = readAddress(address)
  if (!read) return fail('is no network; write it like 10.0.0.0/8, 2001:db8::/32 or one address')
  const whole = read.bits.length
  // The length of a mapped network counts its IPv6 bits.
  const before = read.family === 4 && address.includes(':') ? MAPPED : 0
  const bits = length === undefined ? whole : Number(length) - before
  if (bits < 0 || bits > whole)
    return fail(`has a length that is not ${before} to ${before + whole}`)
  return read.bits.slice(bits).includes('1')
    ? fail(`has bits behind its first ${bits + before}; write the first address of the network`)
    : ok({ family: read.family, bits: read.bits.slice(0, bits) })
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
  return one.family === all.value.family && one.bits.startsWith(all.value.bits)
}
