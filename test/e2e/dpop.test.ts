import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { athOf, createProofKey, type ProofOptions, proofOf } from '../kit/dpop.ts'
import type { Gate } from '../kit/gate.ts'
import { deployment } from '../kit/repository.ts'
import {
  type AskInit,
  askGate,
  HOST,
  outcome,
  RESOURCE,
  type Setting,
  startSetting,
  withGate,
} from './setting.ts'

const PASSED = { status: 200, code: undefined }
const KEY = await createProofKey()
const THIEF = await createProofKey()

const WINDOW = { match: 'GET,POST /v1/window', scopes: [], replay: 'window' }
const REST = { match: 'GET,POST /v1/*', scopes: [] }
const ROUTES = [
  WINDOW,
  { match: 'GET /v1/required', scopes: [], possession: 'required' },
  { match: 'GET /v1/scoped', scopes: ['docs:read'] },
  { match: 'GET /v1/forwarded', scopes: [], forward_token: true },
  { match: 'GET /v1/ported', scopes: [], resource: `${RESOURCE}:8443/v1` },
  REST,
]

let setting: Setting
let bound: string
beforeAll(async () => {
  const same = { routes: ROUTES, gate: { hosts: [HOST, '127.0.0.1'] } }
  const nonces = { ...same, gate: { dpop_nonce: true } }
  const required = { routes: [{ match: 'GET /v1/*', scopes: [], possession: 'required' }] }
  const apart = { ...nonces, gate: { dpop_nonce: true, resource: 'https://other.example' } }
  setting = await startSetting({ ...same, beside: [same, nonces, nonces, apart, required] })
  bound = await setting.token({ cnf: { jkt: KEY.jkt } })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

interface Sent extends AskInit {
  readonly by?: string
  readonly proof?: string
  readonly at?: Gate
}

const send = (path: string, { by = bound, proof, at = setting.gate, ...init }: Sent = {}) =>
  askGate(at, path, {
    ...init,
    headers: {
      authorization: `DPoP ${by}`,
      ...(proof !== undefined && { dpop: proof }),
      ...Object.fromEntries(new Headers(init.headers)),
    },
  })
const proofFor = (path: string, options: Partial<ProofOptions> = {}, key = KEY) =>
  proofOf(key, { url: RESOURCE + path, token: bound, ...options })
const ask = async (path: string, sent: Sent & { readonly of?: Partial<ProofOptions> } = {}) => {
  const proof = await proofFor(path, { method: sent.method ?? 'GET', ...sent.of })
  return outcome(await send(path, { proof, ...sent }))
}

describe('a request with a proof', () => {
  it('passes, as does the next one with the next proof, and the origin learns how', async () => {
    for (let i = 0; i < 3; i++)
      expect(await ask('/v1/x?q=1', { of: { url: `${RESOURCE}/v1/x` } })).toEqual(PASSED)
    expect(await ask('/v1/x', { method: 'POST', body: '{}' })).toEqual(PASSED)
    const seen = setting.origin.requests
    expect(seen).toHaveLength(4)
    for (const request of seen) {
      expect(request.header('x-agent-possession')).toBe('dpop')
      expect(request.header('authorization')).toBeUndefined()
      expect(request.header('dpop')).toBeUndefined()
      const assertion = request.header('x-agent-assertion')?.split('.')[1] ?? ''
      const claims = JSON.parse(Buffer.from(assertion, 'base64url').toString())
      expect(claims).toMatchObject({ possession: 'dpop' })
    }
  })

  it('keeps its proof to the gate where the token is forwarded', async () => {
    expect(await ask('/v1/forwarded')).toEqual(PASSED)
    const [request] = setting.origin.requests
    expect(request?.header('authorization')).toBe(`DPoP ${bound}`)
    expect(request?.header('dpop')).toBeUndefined()
  })

  it('is told in the journal, and not as proved where it was not', async () => {
    const lineOf = async (id: string, proof: string) => {
      await send('/v1/x', { proof, headers: { 'x-request-id': id } })
      return setting.gate.journalLine(({ request_id }) => request_id === id)
    }
    const proof = await proofFor('/v1/x')
    const allowed = { decision: 'allowed', possession: 'dpop' }
    expect(await lineOf('with-a-proof', proof)).toMatchObject(allowed)
    expect(setting.gate.output()).not.toContain(proof)
    const line = await lineOf('with-a-stolen-token', await proofFor('/v1/x', {}, THIEF))
    expect(line).toMatchObject({ code: 'proof_key_mismatch', agent: expect.any(String) })
    expect(line).not.toHaveProperty('possession')
  })
})

describe('a stolen token', () => {
  it('is worthless without its key, also where the gate knows the token', async () => {
    expect(await ask('/v1/x')).toEqual(PASSED)
    const seen = setting.origin.requests.length
    const stolen: readonly (readonly [string, Sent])[] = [
      ['proof_missing', {}],
      ['proof_key_mismatch', { proof: await proofFor('/v1/x', {}, THIEF) }],
      [
        'proof_signature_invalid',
        { proof: await proofFor('/v1/x', { header: { jwk: THIEF.publicJwk } }) },
      ],
      ['proof_url_mismatch', { proof: await proofFor('/v1/y') }],
      ['proof_method_mismatch', { proof: await proofFor('/v1/x', { method: 'POST' }) }],
      ['proof_expired', { proof: await proofFor('/v1/x', { claims: { iat: 0 } }) }],
      ['proof_expired', { proof: await proofFor('/v1/x', { claims: { exp: 1 } }) }],
      ['proof_token_mismatch', { proof: await proofFor('/v1/x', { claims: { ath: athOf('x') } }) }],
    ]
    for (const [code, sent] of stolen) {
      const answer = await send('/v1/x', sent)
      expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_dpop_proof"/)
      expect(await outcome(answer)).toEqual({ status: 401, code })
    }
    const plain = await askGate(setting.gate, '/v1/x', { token: bound })
    expect(plain.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_token"/)
    expect(await outcome(plain)).toEqual({ status: 401, code: 'token_bound' })
    expect(setting.origin.requests).toHaveLength(seen)
  })

  it('is refused where two proofs are sent', async () => {
    const [one, two] = [await proofFor('/v1/x'), await proofFor('/v1/x')]
    const raw = await setting.gate.raw(
      Buffer.from(
        `GET /v1/x HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: DPoP ${bound}\r\nDPoP: ${one}\r\nDPoP: ${two}\r\nConnection: close\r\n\r\n`,
      ),
    )
    expect(JSON.parse(raw.body)).toMatchObject({ status: 401, code: 'proof_malformed' })
  })
})

describe('what is remembered of proofs that passed', () => {
  const part = (proof: string, i: number) => proof.split('.')[i] ?? ''
  const asks = async (by: string, proof: string) => outcome(await send('/v1/window', { by, proof }))

  it('is the key of a header, and no signature', async () => {
    const [mine, theirs] = [await proofFor('/v1/window'), await proofFor('/v1/window', {}, THIEF)]
    const ofThief = await setting.token({ cnf: { jkt: THIEF.jkt } })
    const good = await proofFor('/v1/window', { token: ofThief }, THIEF)
    for (let i = 0; i < 2; i++) {
      expect(await asks(bound, mine)).toEqual(PASSED)
      expect(await asks(ofThief, good)).toEqual(PASSED)
    }
    const next = await proofFor('/v1/window')
    for (const [header, payload, signature] of [
      [mine, mine, next],
      [mine, next, mine],
      [mine, theirs, theirs],
      [theirs, mine, mine],
    ] as const) {
      const mixed = `${part(header, 0)}.${part(payload, 1)}.${part(signature, 2)}`
      expect(await asks(bound, mixed)).toEqual({ status: 401, code: 'proof_signature_invalid' })
    }
    expect(await asks(bound, theirs)).toEqual({ status: 401, code: 'proof_key_mismatch' })
    expect(await asks(bound, mine)).toEqual(PASSED)
  })

  it('is the digest of each token by itself', async () => {
    const tokens = [bound, await setting.token({ cnf: { jkt: KEY.jkt } })] as const
    const proofs = await Promise.all(tokens.map((token) => proofFor('/v1/window', { token })))
    for (let i = 0; i < 3; i++) {
      for (const by of tokens) {
        for (const [j, proof] of proofs.entries()) {
          const isOwn = tokens[j] === by
          const wanted = isOwn ? PASSED : { status: 401, code: 'proof_token_mismatch' }
          expect(await asks(by, proof)).toEqual(wanted)
        }
      }
    }
  })
})

it('the URL of a proof has the port of the resource of its rule, where two have one host', async () => {
  const theirs = await setting.token({ aud: `${RESOURCE}:8443/v1`, cnf: { jkt: KEY.jkt } })
  for (const [path, by, good, bad] of [
    ['/v1/ported', theirs, ':8443', ''],
    ['/v1/x', bound, '', ':8443'],
  ] as const) {
    const at = (port: string) => ({ url: `${RESOURCE}${port}${path}`, token: by })
    for (const host of [HOST, `${HOST}:8443`]) {
      const headers = { host }
      expect(await ask(path, { by, headers, of: at(good) })).toEqual(PASSED)
      expect(await ask(path, { by, headers, of: at(bad) })).toMatchObject({
        code: 'proof_url_mismatch',
      })
    }
  }
})

describe('a replayed proof', () => {
  const REPLAYED = { status: 401, code: 'proof_replayed' }

  it('is refused, also at another gate at the same store', async () => {
    const [other] = setting.gate.beside as [Gate]
    const proof = await proofFor('/v1/x')
    expect(await outcome(await send('/v1/x', { proof }))).toEqual(PASSED)
    for (const at of [setting.gate, other]) {
      const answer = await send('/v1/x', { proof, at })
      expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_dpop_proof"/)
      expect(await outcome(answer)).toEqual(REPLAYED)
    }
  })

  it('is one of many at once', async () => {
    const gates = [setting.gate, ...setting.gate.beside.slice(0, 1)]
    const proof = await proofFor('/v1/x')
    const seen = await Promise.all(
      Array.from({ length: 30 }, async (_, i) =>
        outcome(await send('/v1/x', { proof, at: gates[i % 2] as Gate })),
      ),
    )
    expect(seen.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(seen.filter(({ code }) => code === 'proof_replayed')).toHaveLength(29)
  })

  it('has the id of another key, or is for another URL: then it is none', async () => {
    const claims = { jti: 'the-same-id' }
    const theirs = await setting.token({ cnf: { jkt: THIEF.jkt } })
    expect(await ask('/v1/x', { of: { claims } })).toEqual(PASSED)
    expect(await ask('/v1/y', { of: { claims } })).toEqual(PASSED)
    const proof = await proofFor('/v1/x', { claims, token: theirs }, THIEF)
    expect(await outcome(await send('/v1/x', { by: theirs, proof }))).toEqual(PASSED)
    expect(await ask('/v1/x', { of: { claims } })).toEqual(REPLAYED)
  })

  it('is not used up by a request that is refused before', async () => {
    const proof = await proofFor('/v1/scoped')
    for (let i = 0; i < 2; i++) {
      expect(await outcome(await send('/v1/scoped', { proof }))).toMatchObject({
        code: 'scope_missing',
      })
    }
  })
})

it('a gate without REPLAYS refuses proofs, and takes bearer tokens and `window`', async () => {
  const { REPLAYS: _, ...durableObjects } = deployment().durableObjects
  await withGate(setting, { routes: [WINDOW, REST], durableObjects }, async (at) => {
    const refused = { status: 503, code: 'replay_unavailable' }
    expect(await ask('/v1/x', { at })).toEqual(refused)
    expect(await ask('/v1/window', { at })).toEqual(PASSED)
    const token = await setting.token()
    expect(await outcome(await askGate(at, '/v1/x', { token }))).toEqual(PASSED)
  })
})

it('the metadata of the resource names the algorithms, and says whether proofs are required', async () => {
  const told = async (gate: Gate) =>
    (await askGate(gate, '/.well-known/oauth-protected-resource')).json()
  const names = {
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: expect.arrayContaining(['ES256', 'Ed25519']),
  }
  const plain = await told(setting.gate)
  expect(plain).toMatchObject(names)
  expect(plain).not.toHaveProperty('dpop_bound_access_tokens_required')
  const strict = await told(setting.gate.beside[4] as Gate)
  expect(strict).toMatchObject({ ...names, dpop_bound_access_tokens_required: true })
})

describe('a gate with nonces', () => {
  const nonceOf = async (at: Gate, path = '/v1/x') => {
    const answer = await send(path, { proof: await proofFor(path), at })
    expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP .*error="use_dpop_nonce"/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const nonce = answer.headers.get('dpop-nonce') ?? ''
    expect(nonce).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(await outcome(answer)).toEqual({ status: 401, code: 'proof_nonce_required' })
    return nonce
  }
  const withNonce = async (nonce: unknown, at: Gate) =>
    outcome(await send('/v1/x', { proof: await proofFor('/v1/x', { claims: { nonce } }), at }))

  it('asks for one, which is good for many proofs at every isolate', async () => {
    const [, first, second] = setting.gate.beside as [Gate, Gate, Gate]
    const nonce = await nonceOf(first)
    for (const at of [first, second, first]) expect(await withNonce(nonce, at)).toEqual(PASSED)
  })

  it('refuses any other, also one of another resource, and still checks the rest', async () => {
    const [, gate, , apart] = setting.gate.beside as [Gate, Gate, Gate, Gate]
    const nonce = await nonceOf(gate)
    const elsewhere = await proofFor('/v1/x', { url: 'https://other.example/v1/x' })
    const theirs = (
      await askGate(apart, '/v1/x', {
        headers: {
          host: 'other.example',
          authorization: `DPoP ${await setting.token({ aud: 'https://other.example', cnf: { jkt: KEY.jkt } })}`,
          dpop: elsewhere,
        },
      })
    ).headers.get('dpop-nonce')
    const others = [
      `${nonce.slice(0, -4)}AAAA`,
      '',
      'x',
      7,
      theirs,
      bound,
      nonce.replace('.', 'A.'),
    ]
    for (const other of others) {
      expect(await withNonce(other, gate)).toEqual({ status: 401, code: 'proof_nonce_required' })
    }
    const claims = { nonce, iat: 0 }
    const proof = await proofFor('/v1/x', { claims })
    expect(await outcome(await send('/v1/x', { proof, at: gate }))).toMatchObject({
      code: 'proof_expired',
    })
  })
})
