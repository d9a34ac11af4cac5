import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { deployment } from '../kit/repository.ts'
import { explaining } from './explaining.ts'
import { revoking } from './revoking.ts'
import { askGate, outcome, type Setting, startSetting, until, withGate } from './setting.ts'
import { withShards } from './shards.ts'
import { startWorld, type World } from './world.ts'

const PASSED = { status: 200, code: undefined }
const REPLAYED = { status: 401, code: 'token_replayed' }
const UNAVAILABLE = { status: 503, code: 'single_use_unavailable' }

const once = (match: string, more: object = {}) => ({
  match,
  scopes: [],
  single_use: true,
  ...more,
})
const ROUTES = [
  once('GET,POST /v1/once'),
  once('GET /v1/once/{id}'),
  once('GET /v1/strictly', { revocation: 'strict' }),
  once('GET /v1/scoped', { scopes: ['a:read'] }),
  once('GET /v1/watched', { mode: 'shadow' }),
  once('GET /v1/counted', { rate_limit: { daily: 2 } }),
  { match: 'GET /v1/*', scopes: [] },
]

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    routes: ROUTES,
    beside: [{ routes: ROUTES }, { routes: ROUTES }],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

const use = async (token: string, path = '/v1/once', gate: Gate = setting.gate) =>
  outcome(await askGate(gate, path, { token }))

describe('a token that is good for one use', () => {
  it('passes once, and the next one passes', async () => {
    const [token, next] = [await setting.token(), await setting.token()]
    expect(await use(token)).toEqual(PASSED)
    for (let i = 0; i < 2; i++) {
      const answer = await askGate(setting.gate, '/v1/once', { token })
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
      expect(await outcome(answer)).toEqual(REPLAYED)
    }
    expect(await use(next)).toEqual(PASSED)
    expect(setting.origin.requests).toHaveLength(2)
  })

  it('passes once of many at once, over several isolates', async () => {
    const gates = [setting.gate, ...setting.gate.beside]
    expect(gates).toHaveLength(3)
    for (let round = 0; round < 5; round++) {
      setting.origin.clear()
      const token = await setting.token()
      const seen = await Promise.all(
        Array.from({ length: 60 }, (_, i) => use(token, '/v1/once', gates[i % 3])),
      )
      expect(seen.filter(({ status }) => status === 200)).toHaveLength(1)
      expect(seen.filter(({ code }) => code === 'token_replayed')).toHaveLength(59)
      expect(setting.origin.requests).toHaveLength(1)
    }
  })

  it('is used for all such rules and methods together, and is known by its jti', async () => {
    const jti = 'one-of-two-tokens'
    const [token, twin] = [await setting.token({ jti }), await setting.token({ jti, x: 1 })]
    const head = await askGate(setting.gate, '/v1/once/7', { method: 'HEAD', token })
    expect(head.status).toBe(200)
    for (const path of ['/v1/once', '/v1/once/7', '/v1/strictly']) {
      expect(await use(token, path)).toEqual(REPLAYED)
      expect(await use(twin, path)).toEqual(REPLAYED)
    }
    for (let i = 0; i < 2; i++) expect(await use(token, '/v1/free')).toEqual(PASSED)
  })

  it('is not used by other rules, nor by what is refused before', async () => {
    const token = await setting.token({ scope: 'b:read' })
    for (let i = 0; i < 2; i++) expect(await use(token, '/v1/free')).toEqual(PASSED)
    expect(await use(token, '/v1/scoped')).toMatchObject({ code: 'scope_missing' })
    expect(await use(token)).toEqual(PASSED)
  })

  it('is used by a request that the origin fails', async () => {
    setting.origin.on('/v1/once', reply(500, {}, 'x'))
    const token = await setting.token()
    expect((await use(token)).status).toBe(500)
    expect(await use(token)).toEqual(REPLAYED)
  })

  it('outlives the gate', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-single-use-'))
    const token = await setting.token()
    for (const expected of [PASSED, REPLAYED]) {
      await withGate(setting, { routes: ROUTES, dataDir }, async (gate) => {
        expect(await use(token, '/v1/once', gate)).toEqual(expected)
        await gate.stop('SIGKILL')
      })
    }
    await rm(dataDir, { recursive: true })
  })

  it('has a jti, whatever its issuer says', async () => {
    const issuer = { required_claims: ['iss', 'exp', 'aud', 'sub', 'iat'] }
    await withGate(setting, { routes: ROUTES, issuer }, async (gate) => {
      const token = await setting.token({ jti: undefined })
      expect(await use(token, '/v1/free', gate)).toEqual(PASSED)
      expect(await use(token, '/v1/once', gate)).toEqual({ status: 401, code: 'claim_missing' })
    })
  })

  it('takes nothing from its agent once it is used', async () => {
    const sub = 'agent-of-a-used-token'
    const [used, good] = [1, 2].map(() => setting.token({ sub, client_id: sub }))
    const token = await (used as Promise<string>)
    expect(await use(token, '/v1/counted')).toEqual(PASSED)
    for (let i = 0; i < 3; i++) expect(await use(token, '/v1/counted')).toEqual(REPLAYED)
    expect(await use(await (good as Promise<string>), '/v1/counted')).toEqual(PASSED)
  })

  it('takes one request from its agent, however many come at once', async () => {
    const sub = 'agent-of-a-crowd'
    const mint = () => setting.token({ sub, client_id: sub })
    const [token, next] = [await mint(), await mint()]
    const gates = [setting.gate, ...setting.gate.beside]
    const crowd = Array.from({ length: 30 }, (_, i) => use(token, '/v1/counted', gates[i % 3]))
    const codes = (await Promise.all(crowd)).map(({ code }) => code ?? 'passed')
    expect(codes.sort()).toEqual(['passed', ...Array(29).fill('token_replayed')])
    expect(await use(next, '/v1/counted')).toEqual(PASSED)
  })

  it('is not used in shadow mode, where it is told that it was', async () => {
    const token = await setting.token()
    const watched = async (id: string) => {
      const headers = { 'x-request-id': id }
      const answer = await askGate(setting.gate, '/v1/watched', { token, headers })
      expect(answer.status).toBe(200)
      return setting.gate.journalLine(({ request_id }) => request_id === id)
    }
    for (const id of ['watched-first', 'watched-again']) {
      expect(await watched(id)).not.toHaveProperty('code')
    }
    expect(await use(token)).toEqual(PASSED)
    expect(await watched('watched-later')).toMatchObject({
      would_deny: true,
      code: 'token_replayed',
    })
  })
})

describe('a token that is revoked', () => {
  it.each(['/v1/once', '/v1/strictly'])('is not used at %s', async (path) => {
    const options = {
      routes: ROUTES,
      issuer: { admin: 'all' },
      gate: { revocation: { consistency: 'bounded', max_staleness: '1s' } },
    }
    await withGate(setting, options, async (gate) => {
      const { revoke, lift } = revoking(setting, gate)
      const jti = `revoked${path}`
      const token = await setting.token({ jti })
      const id = await revoke({ kind: 'token', value: jti })
      const isRevoked = (revoked: boolean) =>
        until(
          () => use(token, '/v1/free', gate),
          ({ status }) => (status === 401) === revoked,
          5_000,
        )
      await isRevoked(true)
      for (let i = 0; i < 3; i++) {
        expect(await use(token, path, gate)).toEqual({ status: 401, code: 'token_revoked' })
      }
      await lift(id)
      await isRevoked(false)
      expect(await use(token, path, gate)).toEqual(PASSED)
      expect(await use(token, path, gate)).toEqual(REPLAYED)
    })
  })
})

describe('the store of used tokens', () => {
  const withStore = async (REPLAYS: string, run: (gate: Gate) => Promise<void>) => {
    const shards = await withShards(inject('bundle'))
    const durableObjects = { ...deployment().durableObjects, REPLAYS }
    await withGate(setting, { routes: ROUTES, bundle: shards.path, durableObjects }, run)
    await shards.remove()
  }

  it('that cannot be reached lets nothing pass, and the token is good once it can', async () => {
    await withStore('TwiceUnreachableReplays', async (gate) => {
      const token = await setting.token()
      const refused = await askGate(gate, '/v1/once', { token })
      expect(refused.headers.get('retry-after')).toBe('5')
      expect(await outcome(refused)).toEqual(UNAVAILABLE)
      expect(setting.origin.requests).toHaveLength(0)
      expect(await use(token, '/v1/once', gate)).toEqual(PASSED)
      expect(await use(token, '/v1/once', gate)).toEqual(REPLAYED)
    })
  })

  it('whose answer is lost knows that it was the same request', async () => {
    await withStore('LosingReplays', async (gate) => {
      const token = await setting.token()
      expect(await use(token, '/v1/once', gate)).toEqual(PASSED)
      expect(await use(token, '/v1/once', gate)).toEqual(REPLAYED)
    })
  })

  it('is no matter of other rules', async () => {
    await withStore('UnreachableShard', async (gate) => {
      const token = await setting.token()
      expect(await use(token, '/v1/once', gate)).toEqual(UNAVAILABLE)
      expect(await use(token, '/v1/counted', gate)).toEqual(UNAVAILABLE)
      expect(await use(token, '/v1/free', gate)).toEqual(PASSED)
    })
  })

  it('must be bound where a rule needs it, and only there', async () => {
    const { REPLAYS: _, ...durableObjects } = deployment().durableObjects
    await withGate(setting, { routes: ROUTES, durableObjects }, async (gate) => {
      const invalid = { status: 503, code: 'policy_invalid' }
      expect(await use(await setting.token(), '/v1/once', gate)).toEqual(invalid)
      expect(await outcome(await askGate(gate, '/.edgewarden/ready'))).toEqual(invalid)
      expect(gate.output()).toContain('bindings.REPLAYS: is not there')
    })
    const free = [{ match: 'GET /v1/*', scopes: [] }]
    await withGate(setting, { routes: free, durableObjects }, async (gate) => {
      expect(await use(await setting.token(), '/v1/free', gate)).toEqual(PASSED)
    })
  })
})

describe('tokens of two issuers', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ routes: [once('GET /v1/apart')] })
  })
  afterAll(() => world.close())
  const { told } = explaining(() => world)

  it('with one jti are two', async () => {
    for (const by of ['acme', 'beta'] as const) {
      const token = await world[by].mint({ jti: 'one-id' })
      const seen = [1, 2].map(async () => (await world.send({ target: '/v1/apart', token })).status)
      expect((await Promise.all(seen)).sort()).toEqual([200, 401])
    }
  })

  it('are looked at in explanations, and not used', async () => {
    const token = await world.acme.mint()
    const explained = async () => {
      const { allowed, denial, steps } = await told('ops', { token, path: '/v1/apart' })
      const { outcome } = steps.find(({ stage }) => stage === 'replay') ?? {}
      return { allowed, code: denial?.code, outcome }
    }
    for (let i = 0; i < 2; i++) {
      expect(await explained()).toEqual({ allowed: true, code: undefined, outcome: 'passed' })
    }
    expect((await world.send({ target: '/v1/apart', token })).status).toBe(200)
    expect(await explained()).toEqual({
      allowed: false,
      code: 'token_replayed',
      outcome: 'denied',
    })
  })
})
