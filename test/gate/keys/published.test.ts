import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchPublished, type Learned } from '../../../src/gate/keys/published.ts'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { issuerOf, publicJwk, startClock, startServer } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const MINUTE = 60_000
const METADATA = '/.well-known/oauth-authorization-server'

let server: Awaited<ReturnType<typeof startServer>>
let clock: ReturnType<typeof startClock>
let placed: Issuer
let discovered: Issuer

beforeEach(async () => {
  server = await startServer()
  clock = startClock()
  placed = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  discovered = issuerOf({ issuer: server.origin })
  server.json('/jwks', { keys: [A] })
  lead('/jwks')
})
afterEach(() => server.close())

/** Has the metadata say where the keys are. */
const lead = (path: string, over: object = {}, headers?: Record<string, string>) =>
  server.json(METADATA, { issuer: server.origin, jwks_uri: server.origin + path, ...over }, headers)

const ask = (place: Issuer, learned: Learned = {}) =>
  fetchPublished(
    {
      place,
      times: place.keyTimes,
      fetch: (url, init) => fetch(url, init),
      now: clock.now(),
    },
    learned,
  )

/** What is learned of an issuer that answers. */
const learn = async (place: Issuer, learned?: Learned) => {
  const published = await ask(place, learned)
  if (!published.ok) throw new Error(published.reason)
  return published.value
}
const asked = () => server.requests.splice(0)

describe('a key set', () => {
  it('is asked for at its configured place, and nothing else is', async () => {
    expect(await ask(placed)).toEqual({ ok: true, value: { keys: [A] } })
    expect(asked()).toEqual(['/jwks'])
  })

  it('is asked for by the entity-tag that is held of it', async () => {
    server.json('/jwks', { keys: [A] }, { etag: '"1"', 'cache-control': 'max-age=300' })
    const first = await learn(placed)
    const validator = { uri: `${server.origin}/jwks`, etag: '"1"' }
    expect(first).toEqual({ keys: [A], maxAge: 300, validator })
    expect(await learn(placed, first)).toEqual({ maxAge: 300, validator })
    expect(server.heard.map((headers) => headers['if-none-match'])).toEqual([undefined, '"1"'])
    server.json('/jwks', { keys: [] }, { etag: '"2"' })
    expect(await ask(placed, first)).toEqual({ ok: false, reason: 'no public keys' })
  })

  it('keeps its entity-tag where an unchanged one says none', async () => {
    server.paths.set('/jwks', (_, response) => response.writeHead(304).end())
    const validator = { uri: `${server.origin}/jwks`, etag: '"1"' }
    expect(await learn(placed, { validator })).toEqual({ validator })
  })

  it.each([
    ['no keys', { keys: [] }, 'no public keys'],
    ['private keys only', { keys: [{ ...A, d: 'x' }] }, 'no public keys'],
    ['no list of keys', { keys: {} }, 'not a JWK set'],
    ['a list', [A], 'not a JSON object'],
  ])('with %s is none', async (_, document, reason) => {
    server.json('/jwks', document)
    expect(await ask(placed)).toEqual({ ok: false, reason })
  })
})

describe('metadata', () => {
  it('is asked for first, and again when half its life is over', async () => {
    let learned: Learned = await learn(discovered)
    expect(learned.location).toEqual({ uri: `${server.origin}/jwks`, at: clock.now() })
    expect(asked()).toEqual([METADATA, '/jwks'])
    clock.advance(5 * MINUTE - 1)
    learned = await learn(discovered, learned)
    expect(asked()).toEqual(['/jwks'])
    clock.advance(1)
    learned = await learn(discovered, learned)
    expect(asked()).toEqual([METADATA, '/jwks'])
    expect(learned.location?.at).toBe(clock.now())
  })

  it.each<[string, () => unknown]>([
    ['nothing', () => server.paths.delete('/jwks')],
    ['not for us', () => server.status('/jwks', 403)],
    ['elsewhere', () => server.status('/jwks', 302, { location: 'https://elsewhere.example/' })],
    ['no set', () => server.json('/jwks', { moved: true })],
  ])('is asked for again where the place it said has %s', async (_, break_) => {
    const learned = await learn(discovered)
    asked()
    server.json('/new', { keys: [A] })
    lead('/new')
    break_()
    expect(await learn(discovered, learned)).toMatchObject({
      keys: [A],
      location: { uri: `${server.origin}/new` },
    })
    expect(asked()).toEqual(['/jwks', METADATA, '/new'])
  })

  it.each([
    ['an error of its server', 503],
    ['too many requests', 429],
  ])('is not asked for again for %s', async (_, status) => {
    const learned = await learn(discovered)
    asked()
    server.status('/jwks', status)
    expect(await ask(discovered, learned)).toEqual({ ok: false, reason: `status ${status}` })
    expect(asked()).toEqual(['/jwks'])
  })

  it.each([
    ['of another issuer', { issuer: 'https://evil.example' }, 'metadata of another issuer'],
    ['with a slash too many', { issuer: 'x/' }, 'metadata of another issuer'],
    ['without a place', { jwks_uri: undefined }, 'no jwks_uri'],
    ['with a place that is none', { jwks_uri: 'jwks' }, 'no jwks_uri'],
    ['that leads to a plain name', { jwks_uri: 'http://keys.example/' }, 'address not allowed'],
  ])('%s leads nowhere, also where a place is known', async (_, over, reason) => {
    const learned = await learn(discovered)
    lead('/jwks', over)
    const openid = { issuer: server.origin, jwks_uri: `${server.origin}/jwks`, ...over }
    server.json('/.well-known/openid-configuration', openid)
    expect(await ask(discovered)).toEqual({ ok: false, reason })
    clock.advance(5 * MINUTE)
    expect(await ask(discovered, learned)).toEqual({ ok: false, reason })
  })

  it('does not lead to the gate itself', async () => {
    const never = [server.origin]
    const entry = issuerOf({ issuer: server.origin, keys: { kind: 'discovery', never } })
    expect(await ask(entry)).toEqual({ ok: false, reason: 'address not allowed' })
    expect(asked()).toEqual([])
  })

  it('that cannot be had leaves the place it said before, for a day', async () => {
    const learned = await learn(discovered)
    server.status(METADATA, 503)
    server.status('/.well-known/openid-configuration', 503)
    clock.advance(5 * MINUTE)
    expect(await learn(discovered, learned)).toMatchObject({ keys: [A], ...learned })
    clock.at = (learned.location?.at ?? 0) + 24 * 60 * MINUTE
    expect(await ask(discovered, learned)).toEqual({ ok: false, reason: 'status 503' })
  })
})
