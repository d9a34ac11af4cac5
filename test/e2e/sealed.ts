import { createEncryptionKey, secretOf } from '../kit/encryption.ts'
import { createKey } from '../kit/signing.ts'
import { SECRET } from './world.ts'

/** What the gate opens the tokens of `sealed` with. */
export const SEALED = await createEncryptionKey({ kid: 'sealed-key' })
/** A key of the right form whose numbers do not belong together, of `broken`. */
export const BROKEN = await createEncryptionKey({ kid: 'broken-key', alg: 'ECDH-ES' })

const { jwk } = await createKey()
const { x = '', ...rest } = BROKEN.privateJwk

const entry = (name: string) => ({
  issuer: `https://${name}.example.net`,
  jwks: { keys: [jwk] },
  agent_prefix: `${name}/`,
  decrypt: { secret: `${name.toUpperCase()}_KEYS` },
})

/** A gate that takes encrypted tokens, of two issuers. */
export const OPENING = {
  vars: { ISSUERS_SEALED: { sealed: entry('sealed'), broken: entry('broken') } },
  secrets: {
    ORIGIN_KEY: SECRET,
    SEALED_KEYS: secretOf(SEALED),
    BROKEN_KEYS: secretOf({ ...rest, x, y: x }),
  },
}
