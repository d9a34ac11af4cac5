import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { isRecord } from '../kit/records.ts'
import { type Members, sign } from '../kit/signing.ts'
import { type Misbehaviour, startTransmitter, type Transmitter } from '../kit/transmitter.ts'
import { administration } from './administration.ts'
import { expectDenial } from './denied.ts'
import { RESOURCE, REVOCATIONS, startWorld, type World } from './world.ts'

const IDP = 'https://idp.acme.example'
const OTHER = 'https://idp.other.example'
const AUTHORIZATION = 'Bearer poll-7f1d2c9ab34e4a0f8e'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const DAY = 24 * 60 * 60
const MIB = 1024 * 1024

let world: World
let idp: Issuer
let transmitter: Transmitter
let other: Transmitter
beforeAll(async () => {
  idp = await createIssuer({ kid: 'idp', alg: 'RS256' })
  transmitter = await startTransmitter(AUTHORIZATION)
  other = await startTransmitter(AUTHORIZATION)
  const of = (issuer: string, { endpoint }: Transmitter) => ({
    ...{ issuer, audience: RESOURCE, jwks_uri: idp.jwksUri },
    poll: { endpoint, authorization: 'POLL' },
  })
  const down = { ...of('https://down.example', other), jwks_uri: 'http://localhost:9/keys' }
  world = await startWorld({
    issuers: {
      acme: { events: [of(IDP, transmitter), of(OTHER, other), down] },
      beta: { events: [of(IDP, transmitter)] },
      ops: { admin: 'all' },
    },
    start: {
      secrets: { ORIGIN_KEY: 'origin', POLL: AUTHORIZATION },
      durableObjects: WITH_AUDIT,
      cron: true,
    },
    beside: [{}, {}],
  })
})
const { list, issuerOf, call } = administration(() => world)
beforeEach(async () => {
  for (const one of [transmitter, other]) {
    one.fail()
    for (const jti of one.held()) one.drop(jti)
  }
  for (const reach of ['own', 'all']) {
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}?reach=${reach}` })
  }
})
afterAll(async () => {
  expect([...transmitter.complaints, ...other.complaints]).toEqual([])
  await world.close()
  await Promise.all([idp.close(), transmitter.close(), other.close()])
})

const now = () => Math.floor(Date.now() / 1000)
let sets = 0
const about = (name: 'acme' | 'beta', sub: string) => ({
  ...{ format: 'iss_sub', iss: issuerOf(name).issuer, sub },
})
/** Lets a transmitter hold an event; returns its name. */
const hold = async (event: string, claims: Members = {}, at = transmitter) => {
  const iss = at === transmitter ? IDP : OTHER
  const jti = `poll-${++sets}`
  const all = { iss, aud: RESOURCE, jti, iat: now(), txn: `cause-${jti}`, ...claims }
  const text = await sign(
    { typ: 'secevent+jwt', kid: 'idp' },
    { sub_id: about('acme', 'alice'), events: { [RISC + event]: {} }, ...all },
    idp.key,
  )
  at.hold(jti, text)
  return jti
}
const ask = async (name: 'acme' | 'beta', sub: string) =>
  world.send({ token: await issuerOf(name).mint({ sub }) })
const cron = () => world.gate.cron()
const logged = (event: string, from = 0) =>
  world.gate
    .output()
    .slice(from)
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === event)
const mark = () => world.gate.output().length
/** The failures that a run of the cron trigger logs. */
const failures = async () => {
  const from = mark()
  await cron()
  return eventually(() => {
    const found = logged('events_poll_failed', from)
    expect(found).not.toEqual([])
    return found.map(({ transmitter: of, error }) => [of, error])
  })
}

describe('the cron trigger', () => {
  it('takes the events that a transmitter holds, and acknowledges them', async () => {
    const names = [await hold('account-disabled'), await hold('account-purged')]
    names.push(await hold('account-disabled', { sub_id: about('beta', 'bob') }))
    const before = transmitter.polls.length
    await cron()
    expectDenial(await ask('acme', 'alice'), 401, 'token_revoked')
    expectDenial(await ask('beta', 'bob'), 401, 'token_revoked')
    expect((await ask('acme', 'bob')).status).toBe(200)
    expect(transmitter.held()).toEqual([])
    const [first, second, ...more] = transmitter.polls.slice(before)
    expect(first).toMatchObject({ ack: [], setErrs: {}, maxEvents: 32, returnImmediately: true })
    expect(first?.answered).toEqual(names)
    expect(second).toMatchObject({ setErrs: {}, answered: [] })
    expect([...(second?.ack ?? [])].sort()).toEqual([...names].sort())
    expect(more).toEqual([])
  })

  it('says why it refuses an event, and takes the others', async () => {
    const refused: readonly (readonly [string, string])[] = [
      [await hold('account-disabled', { aud: 'https://x.example' }), 'invalid_audience'],
      [await hold('account-disabled', { iss: 'https://x.example' }), 'invalid_issuer'],
      [await hold('account-disabled', { iat: now() - 8 * DAY }), 'invalid_request'],
      [await hold('account-disabled', { exp: now() + 60 }), 'invalid_request'],
      [await hold('unknown'), 'access_denied'],
      [
        await hold('account-disabled', { sub_id: { ...about('acme', 'x'), iss: RESOURCE } }),
        'access_denied',
      ],
      // The name of an event in the list is its jti.
      [await hold('account-disabled', { jti: 'another' }), 'invalid_request'],
    ]
    transmitter.hold('no-text', 7)
    transmitter.hold('no-set', 'a.b.c')
    transmitter.hold('long', 'x'.repeat(70_000))
    const good = await hold('account-disabled', { sub_id: about('acme', 'bob') })
    const from = mark()
    await cron()
    const said = Object.entries(transmitter.errors).map(([jti, { err }]) => [jti, err])
    for (const name of ['no-text', 'no-set', 'long']) {
      expect(said).toContainEqual([name, 'invalid_request'])
    }
    for (const pair of refused) expect(said).toContainEqual(pair)
    expect(transmitter.errors['no-text']?.description).toMatch(/^[A-Z]/)
    expect(transmitter.held()).toEqual([])
    expect(Object.keys(transmitter.errors)).not.toContain(good)
    expect((await list('ops')).map(({ value }) => value)).toEqual(['bob'])
    const [line] = await eventually(() => {
      const found = logged('events_refused', from)
      expect(found).toHaveLength(1)
      return found
    })
    expect(line).toEqual({
      event: 'events_refused',
      transmitter: IDP,
      codes: {
        event_audience: 1,
        event_issuer: 1,
        event_old: 1,
        event_invalid: 5,
        event_refused: 2,
      },
    })
  })

  it('takes more events than one answer has, in the order of their times', async () => {
    const subs = Array.from({ length: 70 }, (_, i) => `user-${i}`)
    for (const sub of subs) await hold('account-disabled', { sub_id: about('acme', sub) })
    await cron()
    expect(transmitter.held()).toEqual([])
    expect(new Set((await list('ops', '?limit=1000')).map(({ value }) => value))).toEqual(
      new Set(subs),
    )
    // The answer has the later event first.
    await hold('account-enabled', { sub_id: about('acme', 'carol'), iat: now() - 5 })
    await hold('account-disabled', { sub_id: about('acme', 'carol'), iat: now() - 10 })
    await cron()
    expect((await ask('acme', 'carol')).status).toBe(200)
  })

  it('takes an event once, when its acknowledgement was lost and three gates poll at once', async () => {
    const jti = await hold('account-disabled', { iat: now() - 20 })
    const text = transmitter.textOf(jti)
    await Promise.all(
      [world.gate, ...world.beside.map(({ gate }) => gate)].map((one) => one.cron()),
    )
    expect(transmitter.held()).toEqual([])
    await hold('account-enabled', { iat: now() - 10 })
    await cron()
    expect((await ask('acme', 'alice')).status).toBe(200)
    transmitter.hold(jti, text)
    await cron()
    expect((await ask('acme', 'alice')).status).toBe(200)
    expect(transmitter.held()).toEqual([])
    const token = await world.ops.mint({ scope: 'edgewarden:audit:read', sub: 'maria' })
    await eventually(async () => {
      const target = '/.edgewarden/decisions?kind=act&limit=1000'
      const { decisions } = JSON.parse((await world.send({ target, token })).body)
      const acts = decisions.filter(
        ({ event }: Members) => (event as Members | undefined)?.jti === jti,
      )
      expect(acts).toHaveLength(1)
      expect(acts[0]).toMatchObject({
        act: 'revoke',
        event: { transmitter: IDP, uri: `${RISC}account-disabled`, txn: `cause-${jti}` },
      })
      expect(isRecord(acts[0])).toBe(true)
    })
  })

  it('leaves an event to the next run while the keys of its transmitter cannot be fetched', async () => {
    const jti = await hold('account-disabled', { iss: 'https://down.example' }, other)
    const good = await hold('account-disabled', { sub_id: about('acme', 'bob') }, other)
    expect(await failures()).toEqual([[OTHER, 'event_keys_unavailable']])
    expect(other.held()).toEqual([jti])
    expect(other.polls.at(-1)).toMatchObject({ ack: [good], maxEvents: 0 })
    expect(other.errors).not.toHaveProperty(jti)
    expect((await list('ops')).map(({ value }) => value)).toEqual(['bob'])
  })
})

describe('a transmitter that', () => {
  const json =
    (body: string): Misbehaviour =>
    (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  it.each<[does: string, how: Misbehaviour, error: string]>([
    ['refuses', (_, response) => response.writeHead(401).end(), 'status 401'],
    [
      'redirects',
      (_, response) => response.writeHead(307, { location: other.endpoint }).end(),
      'status 307',
    ],
    ['closes the connection', (request) => request.socket.destroy(), 'unreachable'],
    ['never answers', () => {}, 'timeout'],
    [
      'stops in the middle',
      (_, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"sets":{'),
      'timeout',
    ],
    [
      'answers without end',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const more = () => {
          while (!response.destroyed && response.write(' '.repeat(MIB / 4)));
        }
        response.on('drain', more)
        more()
      },
      'too large',
    ],
    [
      'answers with HTML',
      (_, response) => response.writeHead(200).end('<p>'),
      'not served as JSON',
    ],
    ['answers with a list', json('[]'), 'not a JSON object'],
    ['answers deeply', json('{"sets":'.repeat(20_000)), 'not a JSON object'],
    ['has no list of events', json('{}'), 'no list of events'],
    ['has null as events', json('{"sets":null}'), 'no list of events'],
    [
      'never stops',
      json('{"sets":{"a":"b"},"moreAvailable":true}'),
      'more events than fit in one run',
    ],
  ])('%s stops neither another, nor keys, nor requests', async (_does, how, error) => {
    const sub = `after-${++sets}`
    const jti = await hold('account-disabled')
    await hold('account-disabled', { sub_id: about('acme', sub) }, other)
    const redirected = other.polls.length
    transmitter.fail(how)
    const [failed, answered] = await Promise.all([failures(), ask('acme', 'alice')])
    expect(failed).toEqual([[IDP, error]])
    expect(answered.status).toBe(200)
    expectDenial(await ask('acme', sub), 401, 'token_revoked')
    // A redirect is not followed.
    expect(other.polls.length - redirected).toBe(2)
    // It comes again, and then it acts.
    transmitter.fail()
    await cron()
    expectDenial(await ask('acme', 'alice'), 401, 'token_revoked')
    expect(transmitter.held()).not.toContain(jti)
  })

  it('sends more events than it was asked for is not acknowledged beyond that', async () => {
    const names: string[] = []
    for (let i = 0; i < 40; i++) {
      names.push(await hold('account-disabled', { sub_id: about('acme', `more-${i}`) }))
    }
    const all = Object.fromEntries(names.map((jti) => [jti, transmitter.textOf(jti)]))
    transmitter.misbehave(json(JSON.stringify({ sets: all })))
    const before = transmitter.polls.length
    await cron()
    expect(transmitter.polls[before]?.ack).toHaveLength(32)
    expect(transmitter.held()).toEqual([])
  })
})

it('a failure is a problem of the gate, and no secret is in the log', async () => {
  transmitter.fail((_, response) => response.writeHead(500).end())
  await failures()
  const token = await world.ops.mint({ scope: 'edgewarden:metrics', sub: 'maria' })
  await eventually(async () => {
    const { body } = await world.send({ target: '/.edgewarden/metrics', token })
    expect(body).toMatch(/^edgewarden_problem\{[^}]*problem="events"[^}]*\} 1$/m)
  })
  expect(world.gate.output()).not.toContain(AUTHORIZATION)
  expect(world.gate.output()).not.toContain('in-the-query')
})
