/** Network addresses and networks, for `inNetwork`. */
import { isIPv4, isIPv6 } from 'node:net'

/** An address as a number, with its bits: 32 or 128. */
export interface Address {
  bits: number
  value: bigint
}

function readIpv4(text: string): bigint {
  return text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n)
}

function readIpv6(text: string): bigint {
  // The last 32 bits may be written as IPv4.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const last = dotted ? readIpv4(dotted[2] ?? '') : 0n
  const groups = dotted
    ? `${dotted[1]}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`
    : text
  const [before = '', after] = groups.split('::')
  const listOf = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [listOf(before), listOf(after ?? '')]
  const zeros = after === undefined ? 0 : 8 - left.length - right.length
  const all = [...left, ...Array(zeros).fill('0'), ...right]
  return all.reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n)
}

/** Reads an address. An IPv4-mapped IPv6 address stays one of 128 bits here. */
function read(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: 32, value: readIpv4(text) }
  if (isIPv6(text) && !text.includes('%')) return { bits: 128, value: readIpv6(text) }
  return undefined
}

const isMapped = ({ bits, value }: Address) => bits === 128 && value >> 32n === 0xffffn

/** Whether an address is in a network. `undefined` if one of them is not valid. */
export function inNetwork(ip: string, network: string): boolean | undefined {
  const address = read(ip)
  const [start = '', length, more] = network.split('/')
  const base = read(start)
  if (!address || !base || more !== undefined) return undefined
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined
  let prefix = length === undefined ? base.bits : Number(length)
  if (prefix > base.bits) return undefined
  // "An IPv4-mapped IPv6 address counts as IPv4."
  const plain = (one: Address) =>
    isMapped(one) ? { bits: 32, value: one.value & 0xffffffffn } : one
  const isMappedNetwork = isMapped(base) && prefix >= 96
  if (isMappedNetwork) prefix -= 96
  const [a, b] = [plain(address), isMappedNetwork ? plain(base) : base]
  const shift = BigInt(b.bits - prefix)
  if ((b.value >> shift) << shift !== b.value) return undefined
  if (a.bits !== b.bits) return false
  return a.value >> shift === b.value >> shift
}
