import { base64url } from 'jose'
import { base64UrlDecode, utf8Decode, utf8Encode } from '../../gate/base/bytes.ts'

/** What a sealed text is for. A text for one use is refused for another. */
type Use = 'list' | 'live' | 'erase'

const CIPHER = 'AES-GCM'
const IV_BYTES = 12
/** Characters of a position, so that all have the same length. */
const WIDTH = 26
const POSITIONS = new RegExp(`.{${WIDTH}}`, 'g')

export type Seal = ReturnType<typeof createSeal>

/**
 * Encrypts positions in the audit, of which there is one for each shard. A position says how many rows and records there
 * are, also of other issuers. `read` gets the key, and is called until it succeeds once. Says nothing of who may use a
 * position.
 */
export function createSeal(read: () => Promise<BufferSource>) {
  let key: CryptoKey | undefined
  const keyNow = async () => {
    key ??= await crypto.subtle.importKey('raw', await read(), CIPHER, false, [
      'encrypt',
      'decrypt',
    ])
    return key
  }
  const paramsOf = (use: Use, iv: Uint8Array<ArrayBuffer>) => ({
    name: CIPHER,
    iv,
    additionalData: utf8Encode(use),
  })
  return {
    /** The positions as text that says nothing to its reader, and differs each time. */
    async close(use: Use, positions: readonly string[]): Promise<string> {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
      const text = utf8Encode(positions.map((one) => one.padEnd(WIDTH)).join(''))
      const sealed = await crypto.subtle.encrypt(paramsOf(use, iv), await keyNow(), text)
      return base64url.encode(new Uint8Array([...iv, ...new Uint8Array(sealed)]))
    },

    /** The positions of a text that was made by `close`. Throws a `RangeError` for every other text. */
    async open(use: Use, sealed: string): Promise<readonly string[]> {
      const bytes = base64UrlDecode(sealed) ?? new Uint8Array()
      const known = await keyNow()
      const params = paramsOf(use, bytes.slice(0, IV_BYTES))
      const text = await crypto.subtle.decrypt(params, known, bytes.slice(IV_BYTES)).catch(() => {
        throw new RangeError('no position')
      })
      const positions = utf8Decode(new Uint8Array(text))?.match(POSITIONS) ?? []
      return positions.map((one) => one.trimEnd())
    },
  }
}
