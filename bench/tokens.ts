import { createPrivateKey, type KeyObject, randomUUID, sign } from 'node:crypto'
import { createKey } from '../test/kit/signing.ts'
import { ISSUER, RESOURCE } from './policy.ts'
import { ALGORITHMS, type Algorithm, type PublicKey } from './public-key.ts'

/** An authorization server's keys, and tokens as RFC 9068 describes them. */
export interface Mint {
  readonly keys: readonly PublicKey[]
  /** So many tokens, no two alike unless `jti` is given; good for an hour. */
  mint(alg: Algorithm, count: number, jti?: string): Promise<readonly string[]>
}

/** Makes a key pair for each algorithm; RSA with 2048 bits. */
export const createMint = async (): Promise<Mint> => {
  const pairs = await Promise.all(ALGORITHMS.map((alg) => createKey(alg, `${alg}-2026-11`)))
  const privateKeys = new Map<string, KeyObject>(
    pairs.map(({ alg, privateJwk }) => [alg, createPrivateKey({ key: privateJwk, format: 'jwk' })]),
  )
  return {
    keys: pairs.map(({ jwk }) => jwk as unknown as PublicKey),
    async mint(alg, count, jti) {
      const key = privateKeys.get(alg)
      if (!key) throw new Error(`no key for ${alg}`)
      const header = encode({ typ: 'at+jwt', alg, kid: `${alg}-2026-11` })
      const tokens: string[] = []
      // A thread pool signs; more at a time than it has threads gains nothing but memory.
      while (tokens.length < count) {
        const batch = Math.min(256, count - tokens.length)
        const inputs = Array.from({ length: batch }, () => `${header}.${encode(claims(jti))}`)
        tokens.push(...(await Promise.all(inputs.map((input) => signed(input, key)))))
      }
      return tokens
    },
  }
}

const claims = (jti: string = randomUUID()) => {
  const now = Math.floor(Date.now() / 1000)
  const agent = `agent-${randomUUID().slice(0, 8)}`
  return {
    iss: ISSUER,
    sub: `${agent}@clients.acme.example`,
    aud: RESOURCE,
    client_id: agent,
    iat: now,
    exp: now + 3600,
    jti,
    scope: 'documents:read documents:write chat:write models:read',
    agent_type: 'assistant',
    workflow_id: `wf-${agent.slice(6)}-quarterly-report`,
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const signed = (input: string, key: KeyObject): Promise<string> =>
  new Promise((done, fail) => {
    sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, (error, signature) => {
      if (error) fail(error)
      else done(`${input}.${signature.toString('base64url')}`)
    })
  })
