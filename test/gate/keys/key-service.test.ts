import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createKeyService,
  type KeyServiceState,
  type Question,
} from '../../../src/gate/keys/key-service.ts'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { issuerOf, publicJwk, startClock, startServer } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })
const MINUTE = 60_000

let server: Awaited<ReturnType<typeof startServer>>
let clock: ReturnType<typeof startClock>
let issuer: Issuer
let state: KeyServiceState | undefined
let events: Record<string, unknown>[]
const publish = (...keys: unknown[]) => server.json('/jwks', { keys })
const asked = () => server.requests.filter((path) => path === '/jwks').length

/** A service that has just started, over what was kept. */
const start = () =>
  createKeyService({
    fetch: (url, init) => fetch(url, init),
    clock,
    random: () => 1,
    state: {
      read: () => structuredClone(state),
      write: (next) => {
        state = structuredClone(next)
      },
    },
    waitUntil: () => {},
    log: (event) => void events.push(event),
  })
let service: ReturnType<typeof start>

const ask = (over: Partial<Question> = {}, of = issuer) =>
  service.ask({ place: of, times: of.keyTimes, why: 'newer', ...over })

beforeEach(async () => {
  server = await startServer()
  clock = startClock()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  state = undefined
  events = []
  publish(A)
  service = start()
})
afterEach(() => server.close())

describe('a service', () => {
  it('knows what it knew when it starts again, and asks nobody for it', async () => {
    server.json('/jwks', { keys: [A] }, { etag: '"1"' })
    const answer = await ask()
    service = start()
    expect(await ask({ why: 'look' })).toEqual(answer)
    expect(await ask()).toEqual(answer)
    expect(asked()).toBe(1)
    clock.advance(10 * MINUTE)
    expect((await ask()).record).toMatchObject({ keys: [A], fetchedAt: clock.now() })
    expect(server.heard[1]?.['if-none-match']).toBe('"1"')
  })

  it.each([
    ['in the first half, gets what there is', 5 * MINUTE - 1, 0, 0],
    ['in the second half, is not kept waiting', 5 * MINUTE, 0, 1],
    ['past the end, waits', 10 * MINUTE, 1, 1],
  ])('whoever holds nothing, %s', async (_, age, waited, asks) => {
    await ask()
    const before = clock.now()
    clock.advance(age)
    const { record } = await ask()
    expect(record?.fetchedAt).toBe(waited ? clock.now() : before)
    await expect.poll(() => asked()).toBe(1 + asks)
  })

  it('asks for whoever holds what it holds itself, and not again for the next', async () => {
    const { fetchedAt = 0 } = (await ask()).record ?? {}
    clock.advance(5 * MINUTE)
    expect((await ask({ fetchedAt })).record?.fetchedAt).toBe(clock.now())
    expect((await ask({ fetchedAt })).record?.fetchedAt).toBe(clock.now())
    expect(asked()).toBe(2)
  })

  it.each([
    ['ten minutes', undefined, 0, 1],
    ['an hour, half an hour ahead', 3_600, 25 * MINUTE, 1],
    ['an hour, long before', 3_600, 25 * MINUTE - 1, 0],
  ])('asks ahead of time where keys live %s', async (_, maxAge, age, asks) => {
    const headers = maxAge === undefined ? {} : { 'cache-control': `max-age=${maxAge}` }
    server.json('/jwks', { keys: [A] }, headers)
    await ask({ why: 'ahead' })
    clock.advance(age)
    await ask({ why: 'ahead' })
    expect(asked()).toBe(1 + asks)
  })

  it('goes on believing as long as the issuer said, where an unchanged set says nothing', async () => {
    server.json('/jwks', { keys: [A] }, { etag: '"1"', 'cache-control': 'max-age=60' })
    await ask()
    server.status('/jwks', 304)
    clock.advance(MINUTE)
    expect((await ask()).record).toMatchObject({ fetchedAt: clock.now(), maxAge: 60 })
    server.json('/jwks', { keys: [A] })
    clock.advance(MINUTE)
    expect((await ask()).record).not.toHaveProperty('maxAge')
  })

  it('says a set is as old as the question', async () => {
    const askedAt = clock.now()
    const answer = Promise.withResolvers<void>()
    const arrived = server.hold('/jwks', answer.promise)
    const asking = ask()
    await arrived
    clock.advance(3_000)
    answer.resolve()
    expect((await asking).record?.fetchedAt).toBe(askedAt)
  })
})

it('remembers and tells rotations, but for the first set', async () => {
  const turn = async (...keys: unknown[]) => {
    publish(...keys)
    clock.advance(10 * MINUTE)
    return (await ask()).record?.rotations ?? []
  }
  await turn(A)
  expect(events).toEqual([])
  expect(await turn(A, B)).toMatchObject([{ added: ['b'], removed: [] }, { added: ['a'] }])
  expect(await turn(B)).toMatchObject([{ added: [], removed: ['a'] }, {}, {}])
  expect(await turn(B)).toHaveLength(3)
  expect(events).toEqual([
    { event: 'keys_rotated', issuer: 'acme', added: ['b'], removed: [] },
    { event: 'keys_rotated', issuer: 'acme', added: [], removed: ['a'] },
  ])
})

describe('an issuer that fails', () => {
  /** Milliseconds until it is asked again. */
  const wait = async () => {
    const { failure } = await ask()
    const ms = (failure?.retryAt ?? 0) - clock.now()
    clock.advance(ms - 1)
    const before = asked()
    await ask()
    expect(asked()).toBe(before)
    clock.advance(1)
    return ms
  }

  it('is asked after twice the time each time, a minute at most, and at once after a success', async () => {
    server.status('/jwks', 500)
    const waits: number[] = []
    for (let i = 0; i < 12; i++) waits.push(await wait())
    expect(waits.slice(0, 6)).toEqual([5_000, 10_000, 20_000, 40_000, MINUTE, MINUTE])
    expect(new Set(waits.slice(6))).toEqual(new Set([MINUTE]))
    publish(A)
    expect(await ask()).toEqual({ record: expect.objectContaining({ keys: [A] }) })
    server.status('/jwks', 500)
    clock.advance(10 * MINUTE)
    expect(await wait()).toBe(5_000)
  })

  it('is asked once per failure, whoever asks for what', async () => {
    server.status('/jwks', 500)
    const caller = { network: '192.0.2.1', isKnown: true }
    const whys = ['newer', 'ahead', 'unknown', 'look'] as const
    for (let i = 0; i < 40; i++) {
      const why = whys[i % whys.length] ?? 'look'
      expect(await ask({ why, kid: `x${i}`, caller })).toEqual({ failure: expect.anything() })
    }
    expect(asked()).toBe(1)
    expect(events).toEqual([{ event: 'keys_fetch_failed', issuer: 'acme', error: 'status 500' }])
  })

  it.each<[string, () => unknown, string]>([
    ['an error', () => server.status('/jwks', 500), 'status 500'],
    ['an empty set', () => publish(), 'no public keys'],
    ['private keys', () => publish({ ...A, d: 'x' }), 'no public keys'],
    ['no set', () => server.json('/jwks', {}), 'not a JWK set'],
  ])('with %s leaves the keys that are known', async (_, break_, error) => {
    const { record } = await ask()
    break_()
    clock.advance(10 * MINUTE)
    const at = clock.now()
    expect(await ask()).toEqual({ record, failure: { error, at, retryAt: at + 5_000 } })
    publish(B)
    clock.advance(5_000)
    expect(await ask()).toEqual({ record: expect.objectContaining({ keys: [B] }) })
  })
})
