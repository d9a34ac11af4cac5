import { createEncryptionKey, type EncryptionKey, encrypt, secretOf } from '../kit/encryption.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import type { Members } from '../kit/signing.ts'
import { type BesideSetting, type Setting, startSetting } from './setting.ts'

/** What the gate opens the tokens of `acme` with; of these {@link RSA} and {@link NEXT} are alike. */
export const [RSA, NEXT, WRAPPED, DIRECT, OKP, BETA] = await Promise.all([
  createEncryptionKey({ kid: '2026-10' }),
  createEncryptionKey({ kid: '2026-11' }),
  createEncryptionKey({ kid: 'wrapped', alg: 'ECDH-ES+A256KW' }),
  createEncryptionKey({ kid: 'direct', alg: 'ECDH-ES' }),
  createEncryptionKey({ kid: 'x25519', alg: 'ECDH-ES+A256KW', crv: 'X25519' }),
  createEncryptionKey({ kid: 'beta-key' }),
])
/** What `acme` may encrypt with. */
export const ENC = ['A128GCM', 'A256GCM', 'A128CBC-HS256']

/** The keys of `acme`. */
export const ACME = [RSA, NEXT, WRAPPED, DIRECT, OKP]

/** A gate before three issuers: `acme`, `beta`, and `plain`, which encrypts nothing. */
export interface Sealing extends Setting {
  readonly beta: Issuer
  readonly plain: Issuer
  /** A good token of `acme` with these claims, encrypted. */
  sealed(key?: EncryptionKey, header?: Members, claims?: Members): Promise<string>
  /** Whatever it is, encrypted for `acme`. */
  around(inner: string | Promise<string>): Promise<string>
}

/** Starts them, and beside the gate others with some options changed. */
export async function startSealing(...changes: readonly BesideSetting[]): Promise<Sealing> {
  const [beta, plain] = await Promise.all([createIssuer(), createIssuer()])
  const options = optionsOf({ beta, plain })
  const beside = changes.map((more) => ({ ...options, ...more }))
  const setting = await startSetting({ ...options, beside })
  return {
    ...setting,
    beta,
    plain,
    sealed: async (key = RSA, header = {}, claims = {}) =>
      encrypt(await setting.token(claims), key, header),
    around: async (inner) => encrypt(await inner, RSA),
    async close() {
      await setting.close()
      await Promise.all([beta.close(), plain.close()])
    },
  }
}

const entry = (name: string, { issuer, jwksUri }: Issuer, more: Members = {}) => ({
  issuer,
  jwks_uri: jwksUri,
  allow_insecure_http: true,
  agent_prefix: `${name}/`,
  ...more,
})
const optionsOf = ({ beta, plain }: Pick<Sealing, 'beta' | 'plain'>): BesideSetting => ({
  issuer: {
    agent_prefix: 'acme/',
    admin: 'all',
    decrypt: { secret: 'ACME_KEYS', content_encryption: ENC },
  },
  more: {
    ISSUERS_MORE: {
      beta: entry('beta', beta, { decrypt: { secret: 'BETA_KEYS' } }),
      plain: entry('plain', plain),
    },
  },
  secrets: {
    ACME_KEYS: secretOf(...ACME),
    BETA_KEYS: secretOf(BETA),
  },
  routes: [
    { match: 'GET /v1/*', scopes: [] },
    { match: 'GET /admin', scopes: ['admin:all'] },
    { match: 'GET /beta', scopes: [], issuers: ['beta'] },
    { match: 'GET /plain', scopes: [], issuers: ['plain'] },
    { match: 'GET /as-sent', scopes: [], forward_token: true },
    { match: 'GET /optional', scopes: [], access: 'optional' },
    { match: 'GET /public', access: 'public' },
  ],
})
