/** The order of P-256 (SEC 2 §2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

const numberOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
const bytesOf = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

/**
 * An ES256 token with its other signature: with (r, s) also (r, n - s) is right, and anybody can
 * compute it. With `r` negated instead it is wrong.
 */
export function twinOf(token: string, negated: 'r' | 's' = 's'): string {
  const end = token.lastIndexOf('.') + 1
  const bytes = Buffer.from(token.slice(end), 'base64url')
  const [r, s] = [numberOf(bytes.subarray(0, 32)), numberOf(bytes.subarray(32))]
  const twin = negated === 's' ? [r, ORDER - s] : [ORDER - r, s]
  return token.slice(0, end) + Buffer.concat(twin.map(bytesOf)).toString('base64url')
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** A token with one bit (1 to 32) of one of its characters changed; the dots cannot be. */
export function changedAt(token: string, index: number, bit = 1): string {
  const value = ALPHABET.indexOf(token[index] ?? '.')
  if (value < 0) throw new Error(`no base64url at ${index}`)
  return token.slice(0, index) + ALPHABET[value ^ bit] + token.slice(index + 1)
}
