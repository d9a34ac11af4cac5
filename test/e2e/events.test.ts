import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import type { Header } from '../kit/raw.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import { administration } from './administration.ts'
import { expectDenial } from './denied.ts'
import { withLimits } from './hurried.ts'
import { RESOURCE, REVOCATIONS, SECRET, startWorld, type World } from './world.ts'

const EVENTS = '/.edgewarden/events'
const IDP = 'https://idp.acme.example'
const AUTHORIZATION = 'Bearer 7f1d2c9ab34e4a0f8e'
const OTHER = 'Bearer of-another-transmitter'
const UNREACHABLE = 'Bearer of-one-that-is-down'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const DAY = 24 * 60 * 60
/** Of these each issuer may fill four. */
const ROOM = 40

let world: World
let other: Issuer
let idp: Issuer
let worker: Awaited<ReturnType<typeof withLimits>>
beforeAll(async () => {
  other = await createIssuer({ kid: 'other' })
  idp = await createIssuer({ kid: 'idp', alg: 'RS256' })
  worker = await withLimits(inject('bundle'), { revocations: ROOM })
  const sent = { issuer: IDP, audience: RESOURCE, authorization: 'IDP', jwks_uri: idp.jwksUri }
  const down = {
    ...sent,
    issuer: 'https://down.example',
    authorization: 'DOWN',
    jwks_uri: 'http://localhost:9/keys',
  }
  const few = { ...sent, issuer: 'https://few.example', accept: ['account-enabled'] }
  world = await startWorld({
    issuers: {
      acme: { events: [sent, few, down] },
      beta: {
        events: [
          { ...sent, issuer: other.issuer, authorization: 'OTHER', jwks_uri: other.jwksUri },
        ],
      },
    },
    start: {
      bundle: worker.path,
      secrets: { ORIGIN_KEY: SECRET, IDP: AUTHORIZATION, OTHER, DOWN: UNREACHABLE },
    },
  })
})
const { list, issuerOf, call } = administration(() => world)
afterEach(async () => {
  for (const reach of ['own', 'all']) {
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}?reach=${reach}` })
  }
})
afterAll(async () => {
  await world.close()
  await Promise.all([other.close(), idp.close()])
  await worker.remove()
})

const now = () => Math.floor(Date.now() / 1000)
let sets = 0
const about = (name: 'acme' | 'beta', sub: string) => ({
  format: 'iss_sub',
  iss: issuerOf(name).issuer,
  sub,
})
const claimsOf = (event: string, claims: Members = {}): Members => ({
  ...{ iss: IDP, aud: RESOURCE, jti: `set-${++sets}`, iat: now(), txn: 'cause-1' },
  ...{ sub_id: about('acme', 'alice'), events: { [RISC + event]: {} } },
  ...claims,
})
const TYP = { typ: 'secevent+jwt', kid: 'idp' }
const setOf = (claims: Members, header: Members = {}) =>
  sign({ ...TYP, ...header }, claims, idp.key)
const HEADERS: readonly Header[] = [
  ['Content-Type', 'application/secevent+jwt'],
  ['Authorization', AUTHORIZATION],
]
const post = (body: string, headers = HEADERS) =>
  world.send({ method: 'POST', target: EVENTS, headers, body })
const tell = async (event: string, claims: Members = {}) =>
  post(await setOf(claimsOf(event, claims)))
const expectTaken = ({ status, body }: Awaited<ReturnType<typeof post>>) =>
  expect([status, body]).toEqual([202, ''])
const expectRefused = async (
  response: Awaited<ReturnType<typeof post>>,
  code: string,
  err: string,
) => {
  const said = JSON.parse(response.body)
  expect([response.status, said.code, said.err]).toEqual([400, code, err])
  expect(said.description).toMatch(/^[A-Z]/)
  expect(response.header('content-language')).toBe('en')
  expect(response.header('cache-control')).toBe('no-store')
  expect(response.body).not.toContain(AUTHORIZATION)
  expect(await list('ops')).toEqual([])
}
/** An object so many levels deep. */
const nested = (levels: number): Members => (levels === 0 ? {} : { sub_id: nested(levels - 1) })
const publicPem = (key: object) =>
  createPublicKey({ key: key as JsonWebKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
const ask = async (name: 'acme' | 'beta', claims: Members) =>
  world.send({ token: await issuerOf(name).mint(claims) })
const alice = () => ask('acme', { sub: 'alice' })

describe('account-disabled', () => {
  it('revokes the subject, and what acts for it, until account-enabled with a later time', async () => {
    expect((await alice()).status).toBe(200)
    const iat = now() - 20
    expectTaken(await tell('account-disabled', { iat }))
    expectDenial(await alice(), 401, 'token_revoked')
    const acting = { sub: 'alice', act: { sub: 'helper', agent: 'helper' } }
    expectDenial(await ask('acme', acting), 401, 'token_revoked')
    expect((await ask('acme', { sub: 'bob' })).status).toBe(200)
    expect((await ask('beta', { sub: 'alice' })).status).toBe(200)
    const [entry] = await list('acme')
    expect(entry).toMatchObject({
      ...{ kind: 'subject', issuer: issuerOf('acme').issuer, value: 'alice', mode: 'block' },
      ...{ reach: 'own', reason: 'account-disabled', created_by: `${IDP} events` },
    })
    expect(entry).not.toHaveProperty('at')
    for (const early of [iat - 1, iat]) {
      expectTaken(await tell('account-enabled', { iat: early }))
      expectDenial(await alice(), 401, 'token_revoked')
    }
    expectTaken(await tell('account-enabled', { iat: iat + 1 }))
    expect((await alice()).status).toBe(200)
  })

  it('acts once under its jti, also after what it set is lifted', async () => {
    const claims = claimsOf('account-disabled', { iat: now() - 20 })
    expectTaken(await post(await setOf(claims)))
    expectTaken(await tell('account-enabled'))
    expect((await alice()).status).toBe(200)
    expectTaken(await post(await setOf(claims)))
    expect((await alice()).status).toBe(200)
    // Another transmitter's jti is another event.
    const theirs = { ...claims, iss: other.issuer, sub_id: about('beta', 'alice') }
    const headers = [HEADERS[0] as Header, ['Authorization', OTHER] as const]
    expectTaken(await post(await sign({ ...TYP, kid: 'other' }, theirs, other.key), headers))
    expectDenial(await ask('beta', { sub: 'alice' }), 401, 'token_revoked')
  })

  it('does nothing under a jti that came before, whatever else it says', async () => {
    const claims = claimsOf('account-disabled')
    expectTaken(await post(await setOf(claims)))
    expectTaken(await post(await setOf({ ...claims, sub_id: about('acme', 'bob') })))
    expect((await ask('acme', { sub: 'bob' })).status).toBe(200)
    expect(await list('ops')).toHaveLength(1)
  })

  it('is applied after six days, and not after eight', async () => {
    expectTaken(await tell('account-disabled', { iat: now() - 6 * DAY }))
    expectDenial(await alice(), 401, 'token_revoked')
    const old = await tell('account-disabled', { iat: now() - 8 * DAY })
    expect(JSON.parse(old.body).code).toBe('event_old')
  })

  it("fills no more than its issuer's tenth", async () => {
    for (const sub of ['a', 'b', 'c', 'd']) {
      expectTaken(await tell('account-disabled', { sub_id: about('acme', sub) }))
    }
    const claims = claimsOf('account-disabled')
    const full = await post(await setOf(claims))
    expect([full.status, JSON.parse(full.body).code]).toEqual([507, 'events_full'])
    expect((await alice()).status).toBe(200)
    // A refused event is not remembered, so it acts when it comes again.
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}?reach=own` })
    expectTaken(await post(await setOf(claims)))
    expectDenial(await alice(), 401, 'token_revoked')
  })
})

describe('account-enabled', () => {
  it('lifts nothing that a person or another event has set', async () => {
    const entry = { kind: 'subject', issuer: issuerOf('acme').issuer, value: 'alice' }
    for (const by of ['acme', 'ops'] as const) await call(by, { method: 'POST', body: entry })
    expectTaken(await tell('account-purged', { iat: now() - 20 }))
    expect(await list('ops')).toHaveLength(3)
    expectTaken(await tell('account-enabled'))
    expect(await list('ops')).toHaveLength(3)
    expectDenial(await alice(), 401, 'token_revoked')
  })

  it('must be fresh', async () => {
    await expectRefused(
      await tell('account-enabled', { iat: now() - 3700 }),
      'event_old',
      'invalid_request',
    )
  })
})

describe('a verification event', () => {
  const sub_id = { format: 'opaque', id: 'stream-1' }
  const verify = (event: Members, claims: Members = {}) =>
    tell('', { sub_id, ...claims, events: { [VERIFICATION]: event } })
  /** The state as docs/events.md says: a nonce, and an HMAC. */
  const stateOf = (transmitter: string, stream: string, secret = AUTHORIZATION) => {
    const text = JSON.stringify(['edgewarden verification', transmitter, stream, 'nonce-1'])
    return `nonce-1.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }

  it('changes nothing, without a state or with that of the gate and stream', async () => {
    expectTaken(await verify({}))
    expectTaken(await verify({ state: stateOf(IDP, 'stream-1') }))
    expect(await list('ops')).toEqual([])
  })

  const good = stateOf(IDP, 'stream-1')
  it.each<[string, unknown, Members]>([
    ['of nobody', 'x', {}],
    ['that is empty', '', {}],
    ['that is no text', 7, {}],
    ['that is null', null, {}],
    ['of another stream', stateOf(IDP, 'stream-2'), {}],
    ['of another transmitter', stateOf('https://few.example', 'stream-1'), {}],
    ['by another secret', stateOf(IDP, 'stream-1', OTHER), {}],
    ['with another nonce', good.replace('1', '2'), {}],
    ['with more', `${good}.x`, {}],
    ['for a subject of another format', good, { sub_id: { format: 'id', id: 'stream-1' } }],
    ['for a subject without an id', good, { sub_id: { format: 'opaque' } }],
  ])('is refused with a state %s', async (_what, state, claims) => {
    await expectRefused(await verify({ state }, claims), 'event_state', 'invalid_state')
  })
})

it('answers 503 while the keys of the transmitter cannot be fetched', async () => {
  const headers = [HEADERS[0] as Header, ['Authorization', UNREACHABLE] as const]
  const claims = claimsOf('account-disabled', { iss: 'https://down.example' })
  const answer = await post(await setOf(claims), headers)
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'event_keys_unavailable'])
  expect(answer.header('retry-after')).toBe('5')
  expect(await list('ops')).toEqual([])
})

it('answers 503 to a key that it does not know, while it does not ask the transmitter again', async () => {
  await post(await setOf(claimsOf('account-enabled')))
  const answer = await post(await setOf(claimsOf('account-disabled'), { kid: 'nobody' }))
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'event_keys_unavailable'])
  expect(await list('ops')).toEqual([])
})

describe('refuses', () => {
  const disabled = { [`${RISC}account-disabled`]: {} }
  it.each<[what: string, claims: Members, header: Members, code: string, err: string]>([
    ['another typ', {}, { typ: 'JWT' }, 'event_invalid', 'invalid_request'],
    ['no typ', {}, { typ: undefined }, 'event_invalid', 'invalid_request'],
    ['a key in the header', {}, { jwk: { kty: 'EC' } }, 'event_invalid', 'invalid_request'],
    ['another issuer', { iss: 'https://x.example' }, {}, 'event_issuer', 'invalid_issuer'],
    ['no issuer', { iss: undefined }, {}, 'event_invalid', 'invalid_request'],
    ['another audience', { aud: 'https://x.example' }, {}, 'event_audience', 'invalid_audience'],
    ['no audience', { aud: undefined }, {}, 'event_audience', 'invalid_audience'],
    ['exp', { exp: now() + 60 }, {}, 'event_invalid', 'invalid_request'],
    ['sub', { sub: 'alice' }, {}, 'event_invalid', 'invalid_request'],
    ['no jti', { jti: undefined }, {}, 'event_invalid', 'invalid_request'],
    ['a long jti', { jti: 'x'.repeat(257) }, {}, 'event_invalid', 'invalid_request'],
    ['no iat', { iat: undefined }, {}, 'event_invalid', 'invalid_request'],
    ['a time in the future', { iat: now() + 3600 }, {}, 'event_old', 'invalid_request'],
    ['an old event', { iat: now() - 7 * DAY - 60 }, {}, 'event_old', 'invalid_request'],
    ['no event', { events: {} }, {}, 'event_invalid', 'invalid_request'],
    [
      ...(['two events', { events: { ...disabled, [`${RISC}account-purged`]: {} } }, {}] as const),
      ...(['event_invalid', 'invalid_request'] as const),
    ],
    [
      'an event that is no object',
      { events: { [`${RISC}account-disabled`]: 1 } },
      {},
      'event_invalid',
      'invalid_request',
    ],
    [
      'an unknown event',
      { events: { 'https://x.example/e': {} } },
      {},
      'event_refused',
      'access_denied',
    ],
    ['no subject', { sub_id: undefined }, {}, 'event_invalid', 'invalid_request'],
    [
      'a subject in the event',
      {
        sub_id: undefined,
        events: { [`${RISC}account-disabled`]: { subject: { format: 'iss_sub' } } },
      },
      {},
      'event_invalid',
      'invalid_request',
    ],
    [
      'another format',
      { sub_id: { format: 'email', email: 'a@x.example' } },
      {},
      'event_refused',
      'access_denied',
    ],
    [
      'an event that is not accepted',
      { iss: 'https://few.example' },
      {},
      'event_refused',
      'access_denied',
    ],
    ['crit', {}, { crit: ['b64'], b64: true }, 'event_invalid', 'invalid_request'],
    ['an unencoded payload', {}, { b64: false }, 'event_invalid', 'invalid_request'],
    [
      ...(['the name of a prototype as an event', { events: { constructor: {} } }, {}] as const),
      ...(['event_refused', 'access_denied'] as const),
    ],
    [
      ...([
        'audiences of other forms',
        { aud: [null, [RESOURCE], { aud: RESOURCE }] },
        {},
      ] as const),
      ...(['event_audience', 'invalid_audience'] as const),
    ],
    ['deep JSON', { sub_id: nested(100) }, {}, 'event_invalid', 'invalid_request'],
    [
      'a subject that is no text',
      { sub_id: { ...{ format: 'iss_sub', iss: [], sub: {} } } },
      {},
      'event_refused',
      'access_denied',
    ],
  ])('%s', async (_what, claims, header, code, err) => {
    const response = await post(await setOf(claimsOf('account-disabled', claims), header))
    await expectRefused(response, code, err)
    expect((await alice()).status).toBe(200)
  })

  it('a SET whose signature is an HMAC with the public key', async () => {
    const claims = claimsOf('account-disabled')
    for (const secret of [JSON.stringify(idp.jwk), publicPem(idp.jwk)]) {
      const parts = [{ ...TYP, alg: 'HS256' }, claims].map((part) =>
        Buffer.from(JSON.stringify(part)).toString('base64url'),
      )
      const mac = createHmac('sha256', secret).update(parts.join('.')).digest('base64url')
      await expectRefused(await post([...parts, mac].join('.')), 'event_invalid', 'invalid_request')
    }
    expect((await alice()).status).toBe(200)
  })

  it('__proto__ as an event', async () => {
    const text = JSON.stringify(claimsOf('account-disabled', { events: {} }))
    const payload = text.replace('"events":{}', '"events":{"__proto__":{}}')
    const [head] = (await setOf({})).split('.')
    const set = `${head}.${Buffer.from(payload).toString('base64url')}.AAAA`
    await expectRefused(await post(set), 'event_invalid', 'invalid_request')
  })

  it('an access token as a SET, and a SET as an access token', async () => {
    const token = await issuerOf('acme').mint({ sub: 'alice' })
    await expectRefused(await post(token), 'event_invalid', 'invalid_request')
    const set = await issuerOf('acme').mint(claimsOf('account-disabled', { sub: 'alice' }), TYP)
    expectDenial(await world.send({ token: set }), 401, 'type_forbidden')
    // Nor is it a token that can be given back.
    const given = await world.send({
      ...{ method: 'POST', target: '/.edgewarden/revoke', token },
      headers: [['Content-Type', 'application/x-www-form-urlencoded']],
      body: new URLSearchParams({ token: set }).toString(),
    })
    expect([given.status, await list('ops')]).toEqual([200, []])
  })

  it('a subject of an issuer of which the transmitter may not speak', async () => {
    const sub_id = about('beta', 'alice')
    await expectRefused(
      await tell('account-disabled', { sub_id }),
      'event_refused',
      'access_denied',
    )
    expect((await ask('beta', { sub: 'alice' })).status).toBe(200)
    const more = { ...about('acme', 'alice'), more: 1 }
    await expectRefused(
      await tell('account-disabled', { sub_id: more }),
      'event_refused',
      'access_denied',
    )
  })

  it('a SET that another key has signed, also one of the issuer of the subject', async () => {
    const wrong = await createKey('RS256', 'idp')
    const claims = claimsOf('account-disabled')
    await expectRefused(await post(await sign(TYP, claims, wrong)), 'event_key', 'invalid_key')
    const acme = await issuerOf('acme').mint({ ...claims, iss: IDP }, { typ: 'secevent+jwt' })
    expect((await post(acme)).status).toBe(503)
    const [head, body] = (await setOf(claims)).split('.')
    await expectRefused(await post(`${head}.${body}.AAAA`), 'event_key', 'invalid_key')
    await expectRefused(await post(`${head}.${body}.`), 'event_key', 'invalid_key')
    expect((await alice()).status).toBe(200)
  })

  it('a request without the Authorization header of the transmitter', async () => {
    const set = await setOf(claimsOf('account-disabled'))
    const [type] = HEADERS as [Header]
    for (const headers of [[type], [type, ['Authorization', `${AUTHORIZATION}x`] as const]]) {
      await expectRefused(
        await post(set, headers),
        'event_unauthenticated',
        'authentication_failed',
      )
    }
    // Another transmitter's header does not carry it.
    await expectRefused(
      await post(set, [type, ['Authorization', OTHER]]),
      'event_issuer',
      'invalid_issuer',
    )
  })

  it('another content type, an encoding, and a body that is no SET or too large', async () => {
    const set = await setOf(claimsOf('account-disabled'))
    const [, by] = HEADERS as [Header, Header]
    const json: Header = ['Content-Type', 'application/json']
    await expectRefused(await post(set, [json, by]), 'event_invalid', 'invalid_request')
    const coded: Header = ['Content-Encoding', 'gzip']
    await expectRefused(await post(set, [...HEADERS, coded]), 'event_invalid', 'invalid_request')
    for (const body of ['', '{}', 'a.b.c', set.slice(1), `${set}.`, `${set}\n`]) {
      await expectRefused(await post(body), 'event_invalid', 'invalid_request')
    }
    await expectRefused(await post('x'.repeat(70_000)), 'body_too_large', 'invalid_request')
  })

  it.each(['GET', 'PUT', 'DELETE'])('%s', async (method) => {
    const answer = await world.send({ method, target: EVENTS, headers: HEADERS })
    expect(answer.status).toBe(404)
  })
})
