/** Base64url (RFC 4648 §5) without padding. */

/** The bytes of canonical base64url without padding, or `undefined`. */
export function fromBase64url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined
}
