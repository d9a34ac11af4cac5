import { base64url } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AgentError,
  type AgentErrorCode,
  createAgentVerifier,
  refusal,
  requireScope,
  type VerifiedAgent,
  type VerifyOptions,
  verifyAgent,
} from '../../packages/origin/src/index.ts'
import { ASSERTION_TYP } from '../../src/gate/model/assertion.ts'
import { SESSION_TYP } from '../../src/gate/model/mcp.ts'
import { createKey, type Members, type SigningKey } from '../kit/signing.ts'
import { AGENT_ISSUER, AUDIENCE, codeOf, openGate, requestWith, type TestGate } from './support.ts'

let gate: TestGate
let other: SigningKey
let ed25519: SigningKey
beforeAll(async () => {
  ;[gate, other, ed25519] = await Promise.all([openGate(), createKey(), createKey('Ed25519')])
  gate.issuer.setKeys([gate.issuer.jwk, ed25519.jwk])
})
afterAll(() => gate.close())

const verify = (
  assertion: string | undefined,
  init?: Parameters<typeof requestWith>[1],
  changes: Partial<VerifyOptions> = {},
): Promise<VerifiedAgent> =>
  verifyAgent(requestWith(assertion, init), { ...gate.options, ...changes })

const FULL = {
  sub: 'acme/Zoë, Ltd; 100%',
  agent_sub: 'user-ü',
  client_id: 'app',
  scope: 'docs:read docs:write',
  grant: 'docs:read',
  agent_type: 'researcher',
  workflow_id: 'flow/1',
  act: { sub: 'a', iss: 'https://a.example', act: { sub: 'b', iss: 'https://b.example' } },
  token_jti: 'token-1',
}

describe('an agent', () => {
  it('is all that the assertion says', async () => {
    const claims = gate.claims(FULL)
    const agent = await verify(await gate.assertion(claims))
    expect(agent).toEqual({
      id: 'acme/Zoë, Ltd; 100%',
      issuer: AGENT_ISSUER,
      subject: 'user-ü',
      clientId: 'app',
      type: 'researcher',
      workflowId: 'flow/1',
      scopes: ['docs:read', 'docs:write'],
      grant: ['docs:read'],
      actors: [
        { sub: 'a', issuer: 'https://a.example' },
        { sub: 'b', issuer: 'https://b.example' },
      ],
      tokenId: 'token-1',
      possession: 'bearer',
      route: 'GET,HEAD,POST /v1/documents/{id}',
      binding: 'identity',
      claims: JSON.parse(JSON.stringify(claims)),
      expires: claims.exp,
    })
  })

  it('has nothing that the assertion does not say', async () => {
    const agent = await verify(await gate.assertion())
    expect(Object.keys(agent).sort()).toEqual(
      'actors binding claims expires grant id issuer possession route scopes'.split(' '),
    )
    expect([agent.scopes, agent.grant, agent.actors]).toEqual([[], [], []])
  })

  it.each(['EdDSA', 'Ed25519'])('may be told of with %s', async (alg) => {
    const header = { typ: ASSERTION_TYP, alg, kid: ed25519.kid }
    const assertion = await gate.issuer.mintRaw(header, gate.claims(), ed25519)
    expect((await verify(assertion)).id).toBe('agent-1')
    expect((await verify(assertion, {}, { algorithms: ['EdDSA'] })).id).toBe('agent-1')
    expect(await codeOf(verify(assertion, {}, { algorithms: ['ES256'] }))).toBe('algorithm_refused')
  })

  it('may call one of several names of an origin', async () => {
    const named = { 'service:DOCS': 'https://api.example.com', [AUDIENCE]: AUDIENCE }
    const audience = Object.keys(named)
    for (const [aud, host] of Object.entries(named)) {
      const init = { url: `${host}/v1/documents/7` }
      expect((await verify(await gate.assertion({ aud }), init, { audience })).id).toBe('agent-1')
    }
  })

  it('cannot be changed', async () => {
    const agent = await verify(await gate.assertion(FULL))
    const frozen = [agent, agent.scopes, agent.grant, agent.actors, agent.actors[0], agent.claims]
    expect(frozen.map((one) => Object.isFrozen(one))).toEqual(Array(6).fill(true))
    expect(Object.isFrozen(agent.claims.act)).toBe(true)
  })

  it('is found behind another prefix', async () => {
    const headers = { 'x-acme-agent-assertion': await gate.assertion() }
    const agent = await verify(undefined, { headers }, { identityPrefix: 'X-Acme-Agent-' })
    expect(agent.id).toBe('agent-1')
    expect(await codeOf(verify(undefined, { headers }))).toBe('assertion_missing')
  })
})

describe('what is no assertion of the gate', () => {
  const header = (changes: Members = {}) => ({
    typ: ASSERTION_TYP,
    alg: 'ES256',
    kid: gate.issuer.kid,
    ...changes,
  })
  const signed = (changes: Members, key?: SigningKey | Uint8Array) =>
    gate.issuer.mintRaw(header(changes), gate.claims(), key)
  const good = () => gate.assertion()
  const publicKey = () => base64url.decode(String(gate.issuer.jwk.x))
  const tampered = async () => {
    const [head = '', , signature = ''] = (await good()).split('.')
    const payload = base64url.encode(JSON.stringify(gate.claims({ sub: 'root' })))
    return `${head}.${payload}.${signature}`
  }

  it.each<[string, () => Promise<string | undefined>, AgentErrorCode]>([
    ['nothing', async () => undefined, 'assertion_missing'],
    ['an empty header', async () => '', 'assertion_missing'],
    ['two', async () => `${await good()}, ${await good()}`, 'assertion_repeated'],
    ['a word', async () => 'agent-1', 'assertion_malformed'],
    ['four parts', async () => `${await good()}.e30`, 'assertion_malformed'],
    ['padding', async () => `${await good()}=`, 'assertion_malformed'],
    [
      'too many characters',
      async () => `${await good()}${'A'.repeat(65_536)}`,
      'assertion_malformed',
    ],
    [
      'a claim twice',
      () => gate.issuer.mintRaw(header(), '{"sub":"a","sub":"b"}'),
      'assertion_malformed',
    ],
    ['claims that are a list', () => gate.issuer.mintRaw(header(), '[]'), 'assertion_malformed'],
    ['no typ', () => signed({ typ: undefined }), 'type_wrong'],
    ['typ JWT', () => signed({ typ: 'JWT' }), 'type_wrong'],
    ['an access token', () => signed({ typ: 'at+jwt' }), 'type_wrong'],
    ['a sealed session', () => signed({ typ: SESSION_TYP }), 'type_wrong'],
    ['a typ in a list', () => signed({ typ: [ASSERTION_TYP] }), 'type_wrong'],
    [
      'alg none',
      async () => gate.issuer.unsigned(header({ alg: 'none' }), gate.claims()),
      'algorithm_refused',
    ],
    [
      'no signature',
      async () => gate.issuer.unsigned(header(), gate.claims()),
      'signature_invalid',
    ],
    [
      'an HMAC with the public key',
      () => signed({ alg: 'HS256' }, publicKey()),
      'algorithm_refused',
    ],
    ['an HMAC that says ES256', () => signed({}, publicKey()), 'signature_invalid'],
    ['an algorithm that is not accepted', () => signed({ alg: 'ES384' }), 'algorithm_refused'],
    ['alg in lower case', () => signed({ alg: 'es256' }), 'algorithm_refused'],
    ['no kid', () => signed({ kid: undefined }), 'assertion_malformed'],
    ['a kid that is a number', () => signed({ kid: 1 }), 'assertion_malformed'],
    ['the kid of an Ed25519 key', () => signed({ kid: ed25519.kid }), 'key_unknown'],
    ['a kid nobody knows', () => signed({ kid: 'nobody' }), 'key_unknown'],
    ['another key under the kid', () => signed({}, other), 'signature_invalid'],
    ['a key of its own', () => signed({ jwk: other.jwk }, other), 'assertion_malformed'],
    ['a jku', () => signed({ jku: 'https://evil.example' }, other), 'assertion_malformed'],
    ['an x5u', () => signed({ x5u: 'https://evil.example' }, other), 'assertion_malformed'],
    ['an x5c', () => signed({ x5c: ['AA=='] }, other), 'assertion_malformed'],
    ['crit', () => signed({ crit: ['exp'] }), 'assertion_malformed'],
    ['b64', () => signed({ b64: false, crit: ['b64'] }), 'assertion_malformed'],
    ['other claims under the signature', tampered, 'signature_invalid'],
  ])('%s', async (_, make, code) => {
    expect(await codeOf(verify(await make()))).toBe(code)
  })

  it('many, in any of their characters', async () => {
    const assertion = await good()
    for (let at = 0; at < assertion.length; at += 7) {
      const changed = assertion[at] === 'A' ? 'B' : 'A'
      const one = `${assertion.slice(0, at)}${changed}${assertion.slice(at + 1)}`
      expect(await codeOf(verify(one)), `character ${at}`).toBeDefined()
    }
  })
})

describe('claims', () => {
  const now = Math.floor(Date.now() / 1000)
  const lives = (iat: number, life = 60) => ({ iat: now + iat, exp: now + iat + life })

  it.each<[string, Members, AgentErrorCode | undefined]>([
    ['of another gate', { iss: 'https://gate.example' }, 'issuer_mismatch'],
    ['of no gate', { iss: undefined }, 'issuer_mismatch'],
    ['for another origin', { aud: 'https://other.example' }, 'audience_mismatch'],
    ['for its path', { aud: `${AUDIENCE}/` }, 'audience_mismatch'],
    ['for a list', { aud: [AUDIENCE] }, 'audience_mismatch'],
    ['for nobody', { aud: undefined }, 'audience_mismatch'],
    ['that ended', lives(-120), 'assertion_expired'],
    ['that just ended', lives(-63), undefined],
    ['that begin later', lives(30), 'assertion_early'],
    ['that begin soon', lives(3), undefined],
    ['that count from later', { nbf: now + 30 }, 'assertion_early'],
    ['that live an hour', lives(0, 3_600), 'lifetime_exceeded'],
    ['that live a second too long', lives(0, 61), 'lifetime_exceeded'],
    ['that end before they begin', lives(0, -1), 'claims_invalid'],
    ['without exp', { exp: undefined }, 'claims_invalid'],
    ['without iat', { iat: undefined }, 'claims_invalid'],
    ['with exp as text', { exp: `${now + 60}` }, 'claims_invalid'],
    ['with nbf as text', { nbf: `${now}` }, 'claims_invalid'],
    ['without jti', { jti: undefined }, 'claims_invalid'],
    ['without an agent', { sub: undefined }, 'claims_invalid'],
    ['with an empty agent', { sub: '' }, 'claims_invalid'],
    ['with a control character', { sub: 'a\r\nb' }, 'claims_invalid'],
    ["without the agent's issuer", { agent_iss: undefined }, 'claims_invalid'],
    ['without a route', { route: undefined }, 'claims_invalid'],
    ['without a possession', { possession: undefined }, 'claims_invalid'],
    ['with a possession nobody knows', { possession: 'rumour' }, 'claims_invalid'],
    ['with a subject that is a number', { agent_sub: 1 }, 'claims_invalid'],
    ['with scopes in a list', { scope: ['a'] }, 'claims_invalid'],
    ['with an actor of nobody', { act: { sub: 'a' } }, 'claims_invalid'],
    ['with an actor that is text', { act: 'a' }, 'claims_invalid'],
    ['with a broken chain', { act: { sub: 'a', iss: 'i', act: { iss: 'i' } } }, 'claims_invalid'],
    ['with half a binding', { htm: 'GET' }, 'claims_invalid'],
    ['with the other half', { htu: 'https://origin.example.com/' }, 'claims_invalid'],
    ['with a body alone', { bdh: 'x' }, 'claims_invalid'],
    ['for another route', { route: 'GET /v1/documents' }, 'route_mismatch'],
    ['for another method', { route: 'DELETE /v1/documents/{id}' }, 'route_mismatch'],
  ])('%s', async (_, changes, code) => {
    const assertion = await gate.assertion({ ...lives(0), ...changes })
    const clock = { now: () => now * 1000 }
    expect(await codeOf(verify(assertion, {}, { clock }))).toBe(code)
  })

  it('may be off by the tolerance, and no more', async () => {
    const at = async (iat: number, clockTolerance: number) => {
      const clock = { now: () => now * 1000 + 999 }
      return codeOf(verify(await gate.assertion(lives(iat)), {}, { clockTolerance, clock }))
    }
    expect(await at(-60, 0)).toBe('assertion_expired')
    expect(await at(-59, 0)).toBeUndefined()
    expect(await at(1, 0)).toBe('assertion_early')
    expect(await at(10, 10)).toBeUndefined()
    expect(await at(-70, 10)).toBe('assertion_expired')
    expect(await at(-69, 10)).toBeUndefined()
    const clock = { now: () => now * 1000 }
    const over = await gate.assertion(lives(-60))
    expect(await codeOf(verify(over, {}, { clockTolerance: 0, clock }))).toBe('assertion_expired')
  })
})

describe('plain identity headers', () => {
  const NAMED = { sub: 'acme/Zoë, Ltd' }
  it.each<[string, Record<string, string>, AgentErrorCode | undefined]>([
    ['agree', { 'x-agent-id': 'acme/Zo%C3%AB%2C%20Ltd' }, undefined],
    [
      'agree, both',
      { 'x-agent-id': 'acme/Zo%C3%AB%2C%20Ltd', 'x-agent-issuer': AGENT_ISSUER },
      undefined,
    ],
    ['name another', { 'x-agent-id': 'root' }, 'identity_mismatch'],
    ['name two', { 'x-agent-id': 'acme/Zo%C3%AB%2C%20Ltd, root' }, 'identity_mismatch'],
    ['name another issuer', { 'x-agent-issuer': 'https://evil.example' }, 'identity_mismatch'],
    ['are empty', { 'x-agent-id': '' }, 'identity_mismatch'],
  ])('%s', async (_, headers, code) => {
    expect(await codeOf(verify(await gate.assertion(NAMED), { headers }))).toBe(code)
  })

  it('alone are worth nothing', async () => {
    const headers = { 'x-agent-id': 'root', 'x-agent-issuer': AGENT_ISSUER }
    expect(await codeOf(verify(undefined, { headers }))).toBe('assertion_missing')
  })
})

describe('options that make no sense', () => {
  it.each<[string, Partial<VerifyOptions>]>([
    ['a gate that is no URL', { gate: 'api.example.com' }],
    ['no audience', { audience: [] }],
    ['an empty audience', { audience: '' }],
    ['keys over plain http', { jwksUri: 'http://api.example.com/jwks.json' }],
    ['keys with a user', { jwksUri: 'https://a@api.example.com/jwks.json' }],
    ['keys with a password', { jwksUri: 'https://a:b@api.example.com/jwks.json' }],
    ['a tolerance of an hour', { clockTolerance: 3_600 }],
    ['a tolerance that is none', { clockTolerance: Number.NaN }],
    ['no algorithm', { algorithms: [] }],
    ['an HMAC', { algorithms: ['HS256' as 'ES256'] }],
    ['alg none', { algorithms: ['ES256', 'none' as 'ES256'] }],
    ['an empty prefix', { identityPrefix: '' }],
    ['another binding', { requireBinding: 'all' as 'body' }],
  ])('are an error at once: %s', async (_, changes) => {
    const options = { ...gate.options, ...changes }
    expect(() => createAgentVerifier(options)).toThrow(TypeError)
    await expect(verifyAgent(requestWith(undefined), options)).rejects.toThrow(TypeError)
  })
})

describe('scopes', () => {
  it('are those of the token, all that are needed', async () => {
    const agent = await verify(await gate.assertion(FULL))
    const missing = (...scopes: [string, ...string[]]) =>
      codeOf((async () => requireScope(agent, ...scopes))())
    expect(await missing('docs:write')).toBeUndefined()
    expect(await missing('docs:write', 'docs:read')).toBeUndefined()
    expect(await missing('docs:write', 'docs:delete')).toBe('scope_missing')
    expect(await missing('docs:read docs:write')).toBe('scope_missing')
    expect(await missing('DOCS:READ')).toBe('scope_missing')
  })
})

describe('the answer to an error', () => {
  it('is problem details without anything of the request', async () => {
    const assertion = await gate.assertion({ aud: 'https://other.example', sub: 'secret-agent' })
    const error = await verify(assertion).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(AgentError)
    expect(error).toMatchObject({ detail: 'aud is "https://other.example"', status: 401 })
    const response = refusal(error)
    expect([response.status, await response.json()]).toEqual([
      401,
      {
        type: 'https://edgewarden.dev/origin/verify#audience_mismatch',
        title: 'The assertion is for another origin',
        status: 401,
        code: 'audience_mismatch',
      },
    ])
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'www-authenticate': 'Agent-Assertion',
    })
    const all = JSON.stringify([error, String(error), (error as Error).stack])
    for (const part of assertion.split('.')) expect(all).not.toContain(part)
  })

  it('is none for other errors', () => {
    const error = new Error('a bug')
    expect(() => refusal(error)).toThrow(error)
  })
})
