import type { CryptoKey } from 'jose'

/** How the key of an encrypted token may be sent (RFC 7518 §4.1): nothing shared, no password. */
export const KEY_MANAGEMENT = ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'] as const

export type KeyManagement = (typeof KEY_MANAGEMENT)[number]

/** How its content may be encrypted (RFC 7518 §5.1). */
export const CONTENT_ENCRYPTION = ['A128GCM', 'A256GCM', 'A128CBC-HS256'] as const

export type ContentEncryption = (typeof CONTENT_ENCRYPTION)[number]

/** A private key of the gate. What it is made of cannot be read from it, so it is in no log. */
export interface DecryptionKey {
  readonly kid?: string
  /** Those it can be used with, of the ones its issuer may use. */
  readonly algorithms: readonly KeyManagement[]
  /** Imported on first use and kept; `undefined` where the runtime cannot use it. Never throws. */
  load(): Promise<CryptoKey | undefined>
}

/** What opens the encrypted tokens of one issuer. */
export interface Decryption {
  /** Name of the secret that holds the keys. */
  readonly secret: string
  readonly keyManagement: readonly KeyManagement[]
  readonly contentEncryption: readonly ContentEncryption[]
  /** Absent where the policy was read without the values of secrets: then nothing is opened. */
  readonly keys?: readonly DecryptionKey[]
}
