import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import type { Header } from '../kit/raw.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import { administration, type Name } from './administration.ts'
import { expectDenial } from './denied.ts'
import { withLimits } from './hurried.ts'
import { AGENT, KID, METADATA, RESOURCE, REVOCATIONS, startWorld, type World } from './world.ts'

const REVOKE = '/.edgewarden/revoke'
const FORM: Header = ['Content-Type', 'application/x-www-form-urlencoded']
/** Of these each issuer may fill four. */
const ROOM = 40
const DAY = 24 * 60 * 60
const SCOPE = 'edgewarden:revoke'

let world: World
let worker: Awaited<ReturnType<typeof withLimits>>
beforeAll(async () => {
  worker = await withLimits(inject('bundle'), { revocations: ROOM })
  world = await startWorld({ start: { bundle: worker.path } })
})
const { list, liftAll, issuerOf, call } = administration(() => world)
afterEach(async () => {
  for (const reach of ['own', 'all']) {
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}?reach=${reach}` })
  }
  await liftAll()
})
afterAll(async () => {
  await world.close()
  await worker.remove()
})

let tokens = 0
const mint = (name: Name, claims: Members = {}) =>
  issuerOf(name).mint({ jti: `token-${++tokens}`, ...claims })
const formOf = (token: string) => new URLSearchParams({ token }).toString()
const post = (by: string, body: string, headers: readonly Header[] = [FORM]) =>
  world.send({ method: 'POST', target: REVOKE, token: by, headers, body })
const giveBack = (by: string, token: string) => post(by, formOf(token))
const ask = (token: string) => world.send({ token })

const expectDone = (response: Awaited<ReturnType<typeof post>>) => {
  expect([response.status, response.body]).toEqual([200, ''])
  expect(response.header('cache-control')).toBe('no-store')
}
/** Refused in the form of RFC 6749 §5.2, and nothing is revoked. */
const expectRefused = async (
  response: Awaited<ReturnType<typeof post>>,
  status: number,
  [code, error]: readonly [code: string, error: string],
) => {
  const said = JSON.parse(response.body)
  expect([response.status, said.code, said.error]).toEqual([status, code, error])
  expect(said.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
  expect(response.header('content-type')).toBe('application/json')
  expect(response.header('cache-control')).toBe('no-store')
  expect(await list('ops')).toEqual([])
}
const OTHER = ['revoke_other', 'invalid_grant'] as const
const INVALID = ['revoke_invalid', 'invalid_request'] as const

describe('an agent', () => {
  it.each(['acme', 'plain', 'ops'] as const)('of %s gives a token back', async (name) => {
    const [by, token, third] = await Promise.all([mint(name), mint(name), mint(name)])
    expect((await ask(token)).status).toBe(200)
    const body = `${formOf(token)}&token_type_hint=access_token&client_id=${AGENT}`
    expectDone(await post(by, body, [[FORM[0], `${FORM[1]}; charset=UTF-8`]]))
    expectDenial(await ask(token), 401, 'token_revoked')
    expect((await ask(third)).status).toBe(200)
    expect(await list('ops')).toMatchObject([
      { kind: 'token', issuer: issuerOf(name).issuer, reach: 'own', expires: expect.any(Number) },
    ])
    // Once more, and with itself.
    expectDone(await giveBack(by, token))
    expectDone(await giveBack(third, third))
    expectDenial(await ask(third), 401, 'token_revoked')
    await expectDenied(third, 'token_revoked', 'invalid_token')
  })

  it('gives no token back of another agent, client or issuer', async () => {
    const by = await mint('plain')
    const others = [
      await mint('plain', { client_id: 'other' }),
      await mint('acme'),
      await mint('beta', { scope: SCOPE }),
    ]
    for (const other of others) {
      await expectRefused(await giveBack(by, other), 400, OTHER)
      expect((await ask(other)).status).toBe(200)
    }
    // One client with two agents, and one agent by two clients.
    const acting = (agent: string, client_id: string) => ({ act: { sub: 'a', agent }, client_id })
    const own = await mint('acme', acting('one', 'c'))
    for (const [agent, client] of [
      ['two', 'c'],
      ['one', 'd'],
    ] as const) {
      const token = await mint('acme', acting(agent, client))
      await expectRefused(await giveBack(own, token), 400, OTHER)
    }
    expectDone(await giveBack(own, await mint('acme', acting('one', 'c'))))
    expect(await list('ops')).toHaveLength(1)
  })

  it("fills no more than its issuer's tenth, and others are as free as before", async () => {
    const by = await mint('ops')
    for (let i = 0; i < ROOM / 10; i++) expectDone(await giveBack(by, await mint('ops')))
    const full = await giveBack(by, await mint('ops'))
    const { code, error } = JSON.parse(full.body)
    expect([full.status, code, error]).toEqual([
      507,
      'revocations_share_full',
      'temporarily_unavailable',
    ])
    expect(full.header('retry-after')).toBe('60')
    expect(await list('ops')).toHaveLength(ROOM / 10)
    expectDone(await giveBack(await mint('acme'), await mint('acme')))
    expectDone(await giveBack(await mint('ops', { scope: SCOPE }), await mint('ops')))
  })
})

describe('a token that an administrator has revoked', () => {
  it('stays revoked as long, and giving it back changes nothing', async () => {
    const jti = `token-${++tokens}`
    const [by, token] = [await mint('acme'), await mint('acme', { jti })]
    const body = {
      ...{ kind: 'token', issuer: issuerOf('acme').issuer, value: jti },
      ...{ expires: seconds(DAY), reason: 'leaked' },
    }
    expect((await call('acme', { method: 'POST', body })).status).toBe(200)
    const before = await list('ops')
    expectDone(await giveBack(by, token))
    expect(await list('ops')).toEqual(before)
    expectDenial(await ask(token), 401, 'token_revoked')
  })
})

describe('an administrator', () => {
  it.each([
    ['acme', 'acme', 'own'],
    ['ops', 'acme', 'all'],
    ['ops', 'plain', 'all'],
  ] as const)('of %s gives back a token of an agent of %s', async (by, of, reach) => {
    const token = await mint(of, { client_id: 'someone', sub: 'someone' })
    expectDone(await giveBack(await mint(by, { scope: SCOPE }), token))
    expectDenial(await ask(token), 401, 'token_revoked')
    expect(await list('ops')).toMatchObject([{ kind: 'token', reach }])
  })

  it('gives none back out of its reach, nor without the scope', async () => {
    const token = await mint('beta', { client_id: 'someone' })
    const same = await mint('acme', { client_id: 'someone' })
    await expectRefused(await giveBack(await mint('acme', { scope: SCOPE }), token), 400, OTHER)
    await expectRefused(await giveBack(await mint('plain', { scope: SCOPE }), same), 400, OTHER)
    await expectRefused(
      await giveBack(await mint('ops', { scope: 'chat:write' }), same),
      400,
      OTHER,
    )
    await expectRefused(await giveBack(await mint('acme'), same), 400, OTHER)
  })

  it('lifts what an agent of its issuer has given back', async () => {
    const token = await mint('acme')
    expectDone(await giveBack(await mint('acme'), token))
    const [{ id } = { id: '' }] = await list('acme')
    const lifted = await call('acme', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
    expect(lifted.status).toBe(204)
    expect((await ask(token)).status).toBe(200)
  })
})

describe('a token that has just expired', () => {
  it('is revoked, since another gate may still accept it and answers to it may go on', async () => {
    const token = await mint('acme', { iat: seconds(-900), exp: seconds(-30) })
    expectDenial(await ask(token), 401, 'token_expired')
    expectDone(await giveBack(await mint('acme'), token))
    expect(await list('ops')).toMatchObject([{ kind: 'token', reach: 'own' }])
  })
})

describe('a token that no rule accepts', () => {
  const cut = (token: string) => token.slice(0, -8)
  it.each([
    ['no token', async () => 'x'],
    ['an opaque token', async () => 'a.b_c~d-e/f+g='],
    ['other characters', async () => 'e30.e30.\u00e9\r\nX: y'],
    ['a long one', async () => 'a'.repeat(60_000)],
    ['a part of one', async (by) => cut(by)],
    ['another key', async () => sign({ kid: KID }, claimsOf('acme'), await createKey('ES256'))],
    ['an issuer that is not trusted', async () => mint('acme', { iss: 'https://x.example' })],
    ['no issuer', async () => mint('acme', { iss: undefined })],
    [
      'one that has expired',
      async () => mint('acme', { exp: seconds(-3600), iat: seconds(-7200) }),
    ],
    ['one without an end', async () => mint('acme', { exp: undefined })],
    ['an ID token', async () => issuerOf('acme').mint({}, { typ: 'id_token+jwt' })],
    ['a malformed jti', async () => issuerOf('acme').mint({ jti: 7 })],
  ] as const satisfies readonly (readonly [string, (by: string) => Promise<string>])[])(
    'is 200 and changes nothing: %s',
    async (_, make) => {
      for (const claims of [{}, { scope: SCOPE }]) {
        const by = await mint('acme', claims)
        expectDone(await giveBack(by, await make(by)))
        expect(await list('ops')).toEqual([])
        expect((await ask(by)).status).toBe(200)
      }
    },
  )
})

it('revokes a token that ends later than an entry can', async () => {
  const token = await mint('acme', { exp: Date.UTC(2200) / 1000 })
  expectDone(await giveBack(await mint('acme'), token))
  expect(await list('ops')).toMatchObject([{ expires: Date.UTC(2100) / 1000 }])
})

describe('a token that cannot be revoked alone', () => {
  it.each([
    ['without jti', () => issuerOf('acme').mint({ jti: undefined })],
    [
      'encrypted',
      async () => `${Buffer.from('{"alg":"RSA-OAEP-256"}').toString('base64url')}.a.a.a.a`,
    ],
  ])('is refused, and not silently: %s', async (_, make) => {
    const refused = ['revoke_unsupported', 'unsupported_token_type'] as const
    await expectRefused(await giveBack(await mint('acme'), await make()), 400, refused)
  })

  it('is not said to be revoked while nobody can verify it', async () => {
    const token = await mint('acme', { iss: 'http://gone.localhost' })
    const refused = ['keys_unavailable', 'temporarily_unavailable'] as const
    const answer = await giveBack(await mint('acme'), token)
    await expectRefused(answer, 503, refused)
    expect(answer.header('retry-after')).toBe('5')
  })
})

describe('a request that gives nothing back', () => {
  const withType = (type: string): readonly Header[] => [[FORM[0], type]]
  it.each([
    ['JSON', (token: string) => JSON.stringify({ token }), withType('application/json')],
    ['plain text', formOf, withType('text/plain')],
    ['another charset', formOf, withType(`${FORM[1]}; charset=utf-16`)],
    ['a parameter', formOf, withType(`${FORM[1]}; boundary=x`)],
    ['parts', formOf, withType('multipart/form-data; boundary=x')],
    ['an encoding', formOf, [FORM, ['Content-Encoding', 'gzip']]],
    ['nothing', () => '', [FORM]],
    ['no token', () => 'token_type_hint=access_token', [FORM]],
    ['an empty token', () => 'token=', [FORM]],
    ['two tokens', (token: string) => `token=x&${formOf(token)}`, [FORM]],
    ['one token twice', (token: string) => `${formOf(token)}&${formOf(token)}`, [FORM]],
    ['two hints', (token: string) => `${formOf(token)}&token_type_hint=&token_type_hint=`, [FORM]],
    ['a broken escape', (token: string) => `${formOf(token)}&x=%f`, [FORM]],
    ['an escape that is not UTF-8', (token: string) => `${formOf(token)}&x=%ff`, [FORM]],
    ['another name', (token: string) => `Token=${token}`, [FORM]],
  ] as const)('is refused: %s', async (_, make, headers) => {
    const token = await mint('acme')
    await expectRefused(await post(await mint('acme'), make(token), headers), 400, INVALID)
    expect((await ask(token)).status).toBe(200)
  })

  it('is refused where the body is huge, or the credential is not good', async () => {
    const [by, token] = [await mint('acme'), await mint('acme')]
    const large = await post(by, `${formOf(token)}&x=${'a'.repeat(64 * 1024)}`)
    await expectRefused(large, 413, ['body_too_large', 'invalid_request'])
    const bare = { method: 'POST', target: REVOKE, headers: [FORM], body: formOf(token) }
    const missing = await world.send(bare)
    await expectRefused(missing, 401, ['credential_missing', 'invalid_client'])
    expect(missing.header('www-authenticate')).toContain('Bearer')
    await expectDenied(`${by}x`, 'token_malformed', 'invalid_token')
    const expired = await mint('acme', { exp: seconds(-3600), iat: seconds(-7200) })
    await expectDenied(expired, 'token_expired', 'invalid_token')
    expect((await ask(token)).status).toBe(200)
  })

  it.each(['GET', 'HEAD', 'PUT', 'DELETE'])('is not known: %s', async (method) => {
    const token = await mint('acme')
    const answer = await world.send({ method, target: `${REVOKE}?${formOf(token)}`, token })
    expect(answer.status).toBe(404)
    expect((await ask(token)).status).toBe(200)
  })
})

describe('a token that is bound to a key', () => {
  it('needs its proof where it is the credential, and none where it is given back', async () => {
    const key = await createProofKey()
    const bound = () => mint('acme', { cnf: { jkt: key.jkt } })
    const [by, token] = [await bound(), await bound()]
    await expectDenied(by, 'token_bound', 'invalid_token')
    const send = async (proof: string) =>
      world.send({
        ...{ method: 'POST', target: REVOKE, body: formOf(token) },
        headers: [FORM, ['Authorization', `DPoP ${by}`], ['DPoP', proof]],
      })
    const proofFor = (path: string) =>
      proofOf(key, { url: RESOURCE + path, token: by, method: 'POST' })
    await expectRefused(await send(await proofFor(REVOCATIONS)), 401, [
      'proof_url_mismatch',
      'invalid_dpop_proof',
    ])
    const proof = await proofFor(REVOKE)
    expectDone(await send(proof))
    const again = JSON.parse((await send(proof)).body)
    expect([again.code, again.error]).toEqual(['proof_replayed', 'invalid_dpop_proof'])
    const proved = await proofOf(key, { url: `${RESOURCE}/v1/any`, token, method: 'GET' })
    const headers: Header[] = [
      ['Authorization', `DPoP ${token}`],
      ['DPoP', proved],
    ]
    expectDenial(await world.send({ headers }), 401, 'token_revoked')
  })
})

describe('the metadata of the resource', () => {
  it('names the endpoint', async () => {
    const answer = await world.send({ target: new URL(METADATA).pathname })
    expect(JSON.parse(answer.body)).toMatchObject({
      edgewarden_revocation_endpoint: `${RESOURCE}${REVOKE}`,
    })
  })
})

const seconds = (from: number) => Math.floor(Date.now() / 1000) + from
const claimsOf = (name: Name): Members => ({
  ...{ iss: issuerOf(name).issuer, aud: RESOURCE, sub: AGENT, client_id: AGENT, jti: 'forged' },
  ...{ iat: seconds(0), exp: seconds(60) },
})

/** The credential is refused as at other endpoints. */
async function expectDenied(by: string, code: string, error: string) {
  const answer = await giveBack(by, 'x')
  const said = JSON.parse(answer.body)
  expect([answer.status, said.code, said.error]).toEqual([401, code, error])
  expect(answer.header('www-authenticate')).toContain(error)
}
