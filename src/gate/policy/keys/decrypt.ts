import { fail, ok } from '../../base/result.ts'
import {
  CONTENT_ENCRYPTION,
  type ContentEncryption,
  type Decryption,
  type DecryptionKey,
  type Issuer,
  KEY_MANAGEMENT,
} from '../../model/issuer.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { text, word } from '../reading/fields.ts'
import { quote, type Report, under } from '../reading/issues.ts'
import { privateKeys } from '../reading/private-keys.ts'
import { type KeyDocs, list, type Readable, required, table } from '../reading/table.ts'

/** The name of a secret. Does not look it up. */
export const secretName = text((value) =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
    ? ok(value)
    : fail('must be the name of a secret: letters, digits and _'),
)

export const DECRYPT_KEYS = {
  secret: required(secretName),
  key_management: list(word(KEY_MANAGEMENT)),
  content_encryption: list(word(CONTENT_ENCRYPTION)),
}

export const DECRYPT_DOCS: KeyDocs<typeof DECRYPT_KEYS> = {
  secret: {
    description:
      'Name of the secret with the private keys: a JWK set as JSON. Each issuer needs its own secret and its own `kid`s; if several issuers decrypt, every key needs a `kid`.',
    example: 'ACME_DECRYPT',
  },
  key_management: {
    description: 'Accepted `alg`: `RSA-OAEP-256`, `ECDH-ES`, `ECDH-ES+A256KW`.',
    unset: 'all three',
    example: ['ECDH-ES+A256KW'],
  },
  content_encryption: {
    description: 'Accepted `enc`: `A128GCM`, `A256GCM`, `A128CBC-HS256`.',
    default: ['A128GCM', 'A256GCM'],
    example: ['A256GCM'],
  },
}

/** A `decrypt` table. Does not look up secrets. */
export const decryptField = table(DECRYPT_KEYS)

/** The authenticated modes of one key; the composite one must be configured. */
const DEFAULT_CONTENT_ENCRYPTION: readonly ContentEncryption[] = ['A128GCM', 'A256GCM']

/**
 * How an issuer's encrypted tokens are decrypted, with the keys of its secret. Mistakes in keys are reported by
 * position, without any content of a key. Whether a key's numbers belong together is known only when it is
 * imported.
 */
export function decryptionOf(
  { secret: name, ...entry }: Readable<typeof DECRYPT_KEYS>,
  env: PolicyEnv,
  report: Report,
): Decryption | undefined {
  if (name === undefined) return undefined
  const at = under(report, 'secret')
  const keyManagement = entry.key_management ?? KEY_MANAGEMENT
  const value = env.secret(name)
  if (!env.has('secret', name)) at([], `needs the secret ${quote(name)}, which is not set`)
  const keys = value === undefined ? undefined : privateKeys(value, name, keyManagement, at)
  return {
    secret: name,
    keyManagement,
    contentEncryption: entry.content_encryption ?? DEFAULT_CONTENT_ENCRYPTION,
    ...(keys && { keys }),
  }
}

/**
 * The key that opens a token says whose it is, so no two issuers may share a secret, or have keys
 * of one `kid` (or of none) for one algorithm.
 */
export function checkDecryption(issuers: ReadonlyMap<string, Issuer>, report: Report): void {
  const before: (readonly [name: string, decrypt: Decryption])[] = []
  for (const [name, { decrypt }] of issuers) {
    if (!decrypt) continue
    const same = before.find(([, one]) => one.secret === decrypt.secret)
    const alike = before.find(([, one]) => (one.keys ?? []).some((key) => isAlike(key, decrypt)))
    if (same) {
      report(
        [name, 'decrypt', 'secret'],
        `is also that of ${quote(same[0])}: the key that opens a token says whose it is, so each issuer needs its own`,
      )
    } else if (alike) {
      report(
        [name, 'decrypt', 'secret'],
        `has a key with the same kid as one of ${quote(alike[0])}, or without kid: give every key of every issuer its own kid`,
      )
    }
    before.push([name, decrypt])
  }
}

/** Whether a token can mean either key: a token without `kid` means any key. */
const isAlike = ({ kid, algorithms }: DecryptionKey, { keys = [] }: Decryption): boolean =>
  keys
    .filter((key) => kid === undefined || key.kid === undefined || key.kid === kid)
    .some((key) => key.algorithms.some((one) => algorithms.includes(one)))
