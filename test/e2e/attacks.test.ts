import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FORBIDDEN_TYPES } from '../../src/gate/base/jws.ts'
import { rawRequest } from '../kit/raw.ts'
import { HOSTS, METHODS, PATHS } from './attacks/addresses.ts'
import { CREDENTIALS } from './attacks/credentials.ts'
import { FOREIGN_TYPES, TOKENS } from './attacks/tokens.ts'
import { expectDenial, expectNoLeak } from './denied.ts'
import { type Ask, HOST, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
/** A token that passes wherever a token without special claims does. */
let good: string
/** How often the keys of `acme` had been fetched before. */
let fetched: number
/** How much the gate had written before. */
let said: number
beforeAll(async () => {
  world = await sharedWorld(WORLD)
  good = await world.token()
  fetched = world.acme.requests.length
  said = world.gate.output().length
})
beforeEach(() => world.origin.clear())
afterEach(() => {
  expect(world.origin.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([])
  // An issuer whose key set is fetched for every forged token could be overrun.
  expect(world.acme.requests.length - fetched).toBeLessThanOrEqual(3)
})
afterAll(() => {
  const output = world.gate.output().slice(said)
  expect(output).not.toMatch(/unexpected_error/)
  for (const part of good.split('.').slice(1)) expect(output).not.toContain(part)
})

const filled = (ask: Ask): Ask => {
  const fill = (text: string) => text.replaceAll('TOKEN', good)
  return {
    ...ask,
    ...(ask.target !== undefined && { target: fill(ask.target) }),
    ...(ask.body !== undefined && { body: fill(ask.body) }),
    headers: (ask.headers ?? []).map(([name, value]) => [name, fill(value)]),
  }
}

describe('a token that', () => {
  it.each(TOKENS)('has %s is denied with %s', async (_name, code, forge) => {
    const token = await forge(world)
    const response = await world.send({ token })
    expectDenial(response, 401, code)
    expectNoLeak(response, world, token)
  })

  it('is of any type that is never an access token is among those', () => {
    expect([...FORBIDDEN_TYPES].sort()).toEqual([...FOREIGN_TYPES].sort())
  })
})

describe('a request that', () => {
  it.each([...PATHS, ...HOSTS, ...METHODS])(
    'has %s gets %i %s',
    async (_name, status, code, ask) => {
      expectDenial(await world.send({ token: good, ...ask }), status, code)
    },
  )

  it.each(CREDENTIALS)('has %s gets %i %s', async (_name, status, code, ask) => {
    const response = await world.send(filled(ask))
    expectDenial(response, status, code)
    expectNoLeak(response, world, good)
  })
})

describe('what workerd answers by itself', () => {
  it.each([
    ['BREW', 501],
    ['get', 501],
    ['Get', 501],
    ['TRACK', 501],
    ['GETT', 501],
    ['CONNECT', 500],
  ] as const)('method %s gets %i and goes nowhere', async (method, status) => {
    expect((await world.send({ method, token: good })).status).toBe(status)
  })

  it.each([
    '\\v1\\admin\\users',
    '/v1/any\xff',
    '/v1/<any>',
    '/v1/any`x',
    '/v1/any /v1/admin/users',
    'v1/any',
    '?x=1',
    '#/v1/any',
    `${HOST}/v1/any`,
  ])('target %s gets 400 and goes nowhere', async (target) => {
    const response = await world.send({ target, token: good })
    expect(response.status).toBe(400)
    expect(response.header('x-request-id')).toBeUndefined()
  })

  it.each(['', '\xe4pi.example.com'])('Host "%s" gets 400 and goes nowhere', async (host) => {
    expect((await world.send({ hosts: [host], token: good })).status).toBe(400)
  })
})

describe('a target in another form than a path', () => {
  it.each([
    ['*', HOST, 400, 'host_malformed'],
    [`//evil.example/v1/any`, HOST, 400, 'path_ambiguous'],
    [`http://${HOST}/v1/admin/users`, HOST, 403, 'scope_missing'],
    [`https://${HOST}/v1/admin/users`, HOST, 403, 'scope_missing'],
    [`http://${HOST}/public/../v1/admin/users`, HOST, 400, 'path_ambiguous'],
    [`http://${HOST}/v1/any`, 'evil.example', 421, 'host_unknown'],
    ['/v1/admin/users#', HOST, 403, 'scope_missing'],
    ['/v1/admin/users#/../any', HOST, 403, 'scope_missing'],
    ['/public/../v1/admin/users#x', HOST, 400, 'path_ambiguous'],
  ] as const)('%s at host %s gets %i %s', async (target, host, status, code) => {
    expectDenial(await world.send({ target, hosts: [host], token: good }), status, code)
  })
})

describe('a message that', () => {
  const head = (lines: readonly string[]) =>
    [
      `POST /v1/any HTTP/1.1`,
      `Host: ${HOST}`,
      `Authorization: Bearer ${good}`,
      ...lines,
      '',
      '',
    ].join('\r\n')

  it.each([
    ['has two lengths', ['Content-Length: 1', 'Content-Length: 2'], 'ab'],
    ['has a negative length', ['Content-Length: -1'], ''],
    ['has a length in words', ['Content-Length: 1x'], 'a'],
    ['has a space before a colon', ['X-Agent-Id : root'], ''],
    ['has a folded line', ['X-A: b', ' Authorization: Bearer x'], ''],
    ['has a NUL in a value', ['X-A: b\0'], ''],
    ['has a header without a name', [': x'], ''],
  ])('%s is refused by workerd', async (_name, lines, body) => {
    expect((await world.gate.raw(head(lines) + body)).status).toBe(400)
  })

  it('has no Host is answered by its URL, which no rule is for', async () => {
    const bytes = rawRequest({ target: '/v1/any', headers: [['Authorization', `Bearer ${good}`]] })
    const { status } = await world.gate.raw(bytes)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
  })
})
