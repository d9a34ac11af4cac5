import { compactDecrypt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { makeCase } from './cases.ts'
import { type Count, compareCase } from './compare.ts'
import { KEYS, keyOf } from './material.ts'
import { run } from './run.ts'
import { BEGIN, type Case } from './shapes.ts'
import { shrunk } from './shrink.ts'
import { secondsOf } from './words.ts'

describe('the gate and the second implementation', () => {
  it('say the same of requests to policies of every kind, and jose takes each token that passes', async () => {
    const passed: Parameters<Count>[0][] = []
    const { disagreements, coverage } = await run({
      seed: 1,
      decisions: 2_500,
      count(decision) {
        const { outcome, code, issuer } = decision.said
        if (outcome === 'forwarded' && code === undefined && issuer) passed.push(decision)
      },
    })
    expect(disagreements).toEqual([])
    expect(coverage.decisions).toBeGreaterThanOrEqual(2_500)
    // Of those that pass there are enough.
    expect(coverage.said.get('forwarded')).toBeGreaterThan(300)
    expect(passed.length).toBeGreaterThan(200)
    for (const { vars, sent } of passed) {
      const { token = '', request } = sent
      const isEncrypted = token.split('.').length === 5
      const opened = isEncrypted
        ? await compactDecrypt(token, keyOf('decrypt').privateKey)
        : undefined
      const plain = opened ? new TextDecoder().decode(opened.plaintext) : token
      const { alg } = decodeProtectedHeader(plain)
      const terms = {
        currentDate: new Date(request.now),
        clockTolerance: secondsOf(vars.GATE.clock_tolerance, 5),
        requiredClaims: ['exp', 'sub'],
      }
      const verified = Object.values(KEYS)
        .filter((key) => key.alg === alg)
        .map((key) => jwtVerify(plain, key.publicKey, terms))
      await expect(Promise.any(verified)).resolves.toBeDefined()
    }
  })

  it('are asked the same for the same seed and number', () => {
    expect(makeCase(7, 3)).toEqual(makeCase(7, 3))
    expect(makeCase(7, 3)).not.toEqual(makeCase(7, 4))
    expect(makeCase(7, 3)).not.toEqual(makeCase(8, 3))
  })

  it('are not compared under a policy with a mistake', async () => {
    const one = makeCase(1, 1)
    one.policies[0]?.ROUTES.push({ match: 'GET x', scopes: [] })
    expect(await compareCase(one)).toBe(undefined)
    expect(await shrunk(one)).toBe(undefined)
  })
})

/** Cases that once differed, as they were printed. */
const PASTED: Record<string, Case> = {
  'another method in the query, with which an earlier rule would match': {
    policies: [
      {
        GATE: { resource: 'https://api.example.com', origin: 'service:ORIGIN' },
        ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
        ROUTES: [
          { match: 'GET /v1/{a}/{b}', scopes: [] },
          { match: '* /v1/docs/{id}', scopes: [] },
        ],
      },
    ],
    keys: { acme: ['a1'] },
    tokens: {},
    steps: [
      {
        request: {
          method: 'DELETE',
          scheme: 'https',
          host: 'api.example.com',
          target: '/v1/docs/7?_method=GET',
          headers: [],
          address: '192.0.2.7',
        },
      },
    ],
  },
  'metrics for an issuer that may not read them, while the revocations are not available': {
    policies: [
      {
        GATE: { resource: 'https://api.example.com', origin: 'service:ORIGIN' },
        ISSUERS: { beta: { issuer: 'https://auth.beta.example', admin: 'own' } },
        ROUTES: [{ match: 'GET /v1/x', scopes: [] }],
      },
    ],
    keys: { beta: ['a1'] },
    tokens: {
      t: {
        key: 'a1',
        header: { typ: 'at+jwt' },
        claims: {
          iss: 'https://auth.beta.example',
          aud: 'https://api.example.com',
          sub: 'planner',
          iat: BEGIN,
          exp: BEGIN + 30,
          jti: 'j2',
          client_id: 'helper',
          scope: 'edgewarden:metrics',
        },
      },
    },
    steps: [
      {
        before: { unavailable: ['revocations'] },
        request: {
          method: 'GET',
          scheme: 'https',
          host: 'api.example.com',
          target: '/.edgewarden/metrics',
          headers: [],
          address: '192.0.2.7',
          token: 't',
        },
      },
    ],
  },
}

describe('cases that once differed', () => {
  it.each(Object.entries(PASTED))('%s', async (_, one) => {
    expect(await compareCase(one)).toBe(undefined)
  })
})
