import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import {
  type EncryptionKey,
  encrypt,
  encryptRaw,
  flipped,
  secretOf,
  withPart,
} from '../kit/encryption.ts'
import type { Gate } from '../kit/gate.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { ACME, BETA, DIRECT, ENC, NEXT, RSA, type Sealing, startSealing } from './sealing.ts'
import { askGate, outcome, RESOURCE } from './setting.ts'

let setting: Sealing
/** A gate whose secret is not for encryption. */
let unfit: Gate
beforeAll(async () => {
  const opening = (...keys: readonly EncryptionKey[]) => ({
    secrets: { ACME_KEYS: secretOf(...keys), BETA_KEYS: secretOf(BETA) },
  })
  const unfitKeys = JSON.stringify({ keys: [{ ...RSA.privateJwk, use: 'sig' }] })
  setting = await startSealing(opening(RSA), opening(NEXT), {
    secrets: { ACME_KEYS: unfitKeys, BETA_KEYS: secretOf(BETA) },
  })
  unfit = setting.gate.beside[2] as Gate
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

const sealed: Sealing['sealed'] = (...given) => setting.sealed(...given)
const around: Sealing['around'] = (inner) => setting.around(inner)
const ask = (token: string, path = '/v1/x') => setting.ask(path, { token })
const codeAt = async (path: string, token: string) => (await outcome(await ask(token, path))).code
const told = () => setting.origin.requests.map((one) => one.header('x-agent-id'))

describe('an encrypted token', () => {
  const ways = ACME.flatMap((key) => ENC.map((enc) => [key.alg, key.kid, enc, key] as const))
  it.each(ways)('passes by %s (%s) and %s, cold and warm', async (_alg, _kid, enc, key) => {
    const token = await sealed(key, { enc })
    for (let i = 0; i < 2; i++) expect((await ask(token)).status).toBe(200)
    expect(told()).toEqual(['acme/agent-1', 'acme/agent-1'])
    for (const request of setting.origin.requests) {
      expect(request.header('authorization')).toBeUndefined()
    }
  })

  it('needs its proof, over the token as it was sent', async () => {
    const key = await createProofKey()
    const inner = await setting.token({ cnf: { jkt: key.jkt } })
    const token = await encrypt(inner, RSA)
    const codeOf = async (over: string) => {
      const proof = await proofOf(key, { url: `${RESOURCE}/v1/x`, token: over })
      const headers = { authorization: `DPoP ${token}`, dpop: proof }
      return (await outcome(await setting.ask('/v1/x', { headers }))).code
    }
    for (let i = 0; i < 2; i++) {
      expect(await codeOf(token)).toBeUndefined()
      expect(await codeOf(inner)).toBe('proof_token_mismatch')
    }
    expect(await codeAt('/v1/x', token)).toBe('token_bound')
    expect(setting.origin.requests.map((one) => one.header('x-agent-possession'))).toEqual([
      'dpop',
      'dpop',
    ])
  })
})

/** An attack, the code it is refused with, and the token. */
type Attack = readonly [what: string, code: string, token: () => string | Promise<string>]

const raw = async (header: Members, padding: 'oaep' | 'pkcs1' = 'oaep') =>
  encryptRaw(
    { alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT', kid: RSA.kid, ...header },
    await setting.token(),
    RSA,
    padding,
  )
const { x, y } = DIRECT.publicJwk
const withEpk = async (epk: unknown) => {
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT', kid: DIRECT.kid, epk }
  const part = Buffer.from(JSON.stringify(header)).toString('base64url')
  return withPart(await sealed(DIRECT), 0, () => part)
}
const flippedAt = async (at: number) => withPart(await sealed(), at, flipped)

const ATTACKS: readonly Attack[] = [
  ['compressed', 'header_forbidden', () => raw({ zip: 'DEF' })],
  ['that brings a key', 'header_forbidden', () => raw({ jwk: RSA.publicJwk })],
  ['by RSA1_5', 'encryption_not_accepted', () => raw({ alg: 'RSA1_5' }, 'pkcs1')],
  ['by an enc that is not listed', 'encryption_not_accepted', () => raw({ enc: 'A192GCM' })],
  ['without cty', 'encryption_not_accepted', () => raw({ cty: undefined })],
  ['for another key of that kid', 'decryption_failed', () => sealed({ ...BETA, kid: RSA.kid })],
  ['with another encrypted key', 'decryption_failed', () => flippedAt(1)],
  ['with another iv', 'decryption_failed', () => flippedAt(2)],
  ['with another ciphertext', 'decryption_failed', () => flippedAt(3)],
  ['with another tag', 'decryption_failed', () => flippedAt(4)],
  [
    'with a point off the curve',
    'decryption_failed',
    () => withEpk({ kty: 'EC', crv: 'P-256', x, y: x }),
  ],
  [
    'with a point of another curve',
    'decryption_failed',
    () => withEpk({ kty: 'EC', crv: 'P-384', x, y }),
  ],
  ['twice', 'token_malformed', () => around(sealed())],
  ['around claims', 'token_malformed', async () => around(JSON.stringify(setting.issuer.claims()))],
  [
    'around what nobody signed',
    'algorithm_forbidden',
    () => around(setting.issuer.unsigned({ alg: 'none', typ: 'at+jwt' }, setting.issuer.claims())),
  ],
  [
    'around what anybody signed',
    'signature_invalid',
    async () =>
      around(setting.issuer.mint({}, { kid: setting.issuer.kid }, { key: await createKey() })),
  ],
  [
    'around a token of another issuer',
    'encryption_issuer_mismatch',
    () => around(setting.beta.mint()),
  ],
  ['around an expired token', 'token_expired', () => sealed(RSA, {}, { iat: 1, exp: 2 })],
]

describe('is refused, and the origin hears nothing of it:', () => {
  it.each(ATTACKS)('a token encrypted %s', async (_what, code, make) => {
    const token = await make()
    for (const path of ['/v1/x', '/optional']) expect(await codeAt(path, token)).toBe(code)
    expect(setting.origin.requests).toHaveLength(0)
  })
})

describe('a warm encrypted token', () => {
  it('is opened by its own issuer only, wherever it goes', async () => {
    const token = await sealed()
    for (let i = 0; i < 3; i++) expect((await ask(token)).status).toBe(200)
    for (let i = 0; i < 2; i++) {
      expect(await codeAt('/beta', token)).toBe('decryption_failed')
      expect(await codeAt('/plain', token)).toBe('token_encrypted')
      expect(await codeAt('/admin', token)).toBe('scope_missing')
      expect((await ask(token)).status).toBe(200)
    }
  })
})

describe('rotation', () => {
  it('is a second key beside the first, then the first one gone', async () => {
    const [old, next] = [await sealed(RSA), await sealed(NEXT)]
    const seen = async (gate: Gate) => {
      const asked = [old, next].map((token) => askGate(gate, '/v1/x', { token }))
      return (await Promise.all(asked)).map(({ status }) => status)
    }
    const [before, after] = setting.gate.beside as [Gate, Gate]
    expect(await Promise.all([before, setting.gate, after].map(seen))).toEqual([
      [200, 401],
      [200, 200],
      [401, 200],
    ])
  })
})

describe('nobody is told of an encrypted token', () => {
  const secrets = [...ACME, BETA].flatMap(({ privateJwk }) =>
    (['d', 'p', 'q', 'dp', 'dq', 'qi'] as const).flatMap((name) => privateJwk[name] ?? []),
  )
  it('what is inside, by an explanation', async () => {
    const explain = async (token: string) => {
      const response = await setting.ask('/.edgewarden/explain', {
        method: 'POST',
        token: await setting.token({ scope: 'edgewarden:read' }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token, method: 'GET', url: `${RESOURCE}/v1/x` }),
      })
      return response.json()
    }
    const step = { stage: expect.any(String), outcome: expect.any(String) }
    const steps = (count: number) => Array.from({ length: count }, () => step)
    expect(await explain(await sealed(RSA, {}, { iat: 1, exp: 2 }))).toEqual({
      allowed: false,
      denial: { code: 'token_expired' },
      steps: steps(6),
    })
    expect(await explain(await sealed())).toEqual({ allowed: true, steps: steps(30) })
  })

  it('what a token claims that was not verified, by the journal', async () => {
    const ids = { forged: 'forged-000001', good: 'good-00000001', plain: 'plain-0000001' }
    const send = async (id: string, token: string) => {
      await setting.ask('/v1/x', { token, headers: { 'x-request-id': id } })
      return setting.gate.journalLine(({ request_id }) => request_id === id)
    }
    const forged = await setting.issuer.mint({}, { kid: 'k' }, { key: await createKey() })
    expect(await send(ids.plain, forged)).toMatchObject({
      code: 'key_unknown',
      claimed_issuer: setting.issuer.issuer,
      claimed_kid: 'k',
    })
    const line = await send(ids.forged, await around(forged))
    expect(line.code).toBe('key_unknown')
    for (const name of ['claimed_issuer', 'claimed_kid']) expect(line).not.toHaveProperty(name)
    expect(await send(ids.good, await sealed())).toMatchObject({
      decision: 'allowed',
      issuer: setting.issuer.issuer,
      agent: 'agent-1',
      jti: expect.any(String),
    })
  })

  it('any of it, by whatever the gate wrote', async () => {
    const inner = await setting.token()
    const token = await around(inner)
    const id = 'the-end-00001'
    await setting.ask('/v1/x', { token, headers: { 'x-request-id': id } })
    await setting.gate.journalLine(({ request_id }) => request_id === id)
    for (const one of [...secrets, token, inner, ...inner.split('.')]) {
      expect(setting.gate.output()).not.toContain(one)
    }
  })

  it('what is wrong with a secret in its own words', async () => {
    const response = await askGate(unfit, '/v1/x', { token: await sealed() })
    expect(await outcome(response)).toEqual({ status: 503, code: 'policy_invalid' })
    expect(unfit.output()).toContain('key 1 of the secret `ACME_KEYS` is not for encryption')
    for (const secret of [...secrets, RSA.privateJwk.n ?? '']) {
      expect(unfit.output()).not.toContain(secret)
    }
  })
})
