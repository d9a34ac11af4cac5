import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { secretOf } from '../kit/encryption.ts'
import type { Gate } from '../kit/gate.ts'
import { createKey } from '../kit/signing.ts'
import { ACME, BETA, ENC, RSA, type Sealing, startSealing } from './sealing.ts'
import { askGate, outcome } from './setting.ts'

const EXPLAIN = '/.edgewarden/explain'

/** A key that is not for encryption. */
const UNFIT = { keys: [{ ...RSA.privateJwk, use: 'sig' }] }

let setting: Sealing
/** The same gate with an unfit secret. */
let unfit: Gate
beforeAll(async () => {
  setting = await startSealing({
    secrets: { ACME_KEYS: JSON.stringify(UNFIT), BETA_KEYS: secretOf(BETA) },
  })
  const [one] = setting.gate.beside as [Gate]
  unfit = one
})
afterAll(() => setting.close())

const sealed: Sealing['sealed'] = (...given) => setting.sealed(...given)
const around: Sealing['around'] = (inner) => setting.around(inner)

describe('nobody is told of an encrypted token', () => {
  const secrets = [...ACME, BETA].flatMap(({ privateJwk }) =>
    (['d', 'p', 'q', 'dp', 'dq', 'qi'] as const).flatMap((name) => privateJwk[name] ?? []),
  )
  const read = async (path: string, init: RequestInit = {}) => {
    const token = await setting.token({ scope: 'edgewarden:read' })
    const response = await setting.ask(path, { token, ...init })
    expect(response.status).toBe(200)
    return response.text()
  }
  const explain = async (token: string, path: string) =>
    JSON.parse(
      await read(EXPLAIN, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token, method: 'GET', url: `https://api.example.com${path}` }),
      }),
    )

  it('what the keys are, by the policy in force', async () => {
    const shown = await read('/.edgewarden/policy')
    for (const secret of secrets) expect(shown).not.toContain(secret)
    expect(JSON.parse(shown).issuers.acme.decrypt).toEqual({
      secret: 'ACME_KEYS',
      key_management: ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
      content_encryption: ENC,
      keys: ACME.map(({ kid }) => ({ kid })),
    })
  })

  it('what is inside, by an explanation', async () => {
    const names = ['route', 'address', 'credential', 'issuer', 'signature', 'claims']
    const bare = names.map((stage) => ({ stage, outcome: 'passed' }))
    const late = await explain(await sealed(RSA, {}, { iat: 1, exp: 2 }), '/v1/x')
    expect(late).toEqual({
      allowed: false,
      denial: { code: 'token_expired' },
      steps: [...bare.slice(0, -1), { stage: 'claims', outcome: 'denied' }],
    })
    const good = await explain(await sealed(), '/v1/x')
    expect(Object.keys(good).sort()).toEqual(['allowed', 'steps'])
    expect(good.steps.slice(0, bare.length)).toEqual(bare)
    for (const step of good.steps) expect(Object.keys(step).sort()).toEqual(['outcome', 'stage'])
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
