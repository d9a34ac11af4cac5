import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { explaining } from './explaining.ts'
import { revoking } from './revoking.ts'
import {
  askGate,
  outcome,
  type Setting,
  type SettingOptions,
  startSetting,
  until,
  withGate,
} from './setting.ts'
import { sharedShards } from './shards.ts'
import { sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

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

/** Two gates that remember tokens together, on a disk that stays. */
let options: SettingOptions
let dataDir: string
let setting: Setting
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-single-use-'))
  const shown = {
    routes: ROUTES,
    // Its tokens need no jti.
    issuer: { admin: 'all', required_claims: ['iss', 'exp', 'aud', 'sub', 'iat'] },
    gate: { revocation: { consistency: 'bounded', max_staleness: '1s' } },
  }
  options = {
    ...shown,
    beside: [shown],
    dataDir,
    bundle: await sharedShards(),
    durableObjects: { ...usualObjects(), REPLAYS: 'TroubledReplays' },
    reaching: true,
  }
  setting = await startSetting(options)
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting.close()
  await rm(dataDir, { recursive: true })
})

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
    expect(gates).toHaveLength(2)
    const token = await setting.token()
    const seen = await Promise.all(
      Array.from({ length: 30 }, (_, i) => use(token, '/v1/once', gates[i % 2])),
    )
    expect(seen.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(seen.filter(({ code }) => code === 'token_replayed')).toHaveLength(29)
    expect(setting.origin.requests).toHaveLength(1)
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

  it('has a jti, whatever its issuer says', async () => {
    const token = await setting.token({ jti: undefined })
    expect(await use(token, '/v1/free')).toEqual(PASSED)
    expect(await use(token)).toEqual({ status: 401, code: 'claim_missing' })
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
    const crowd = Array.from({ length: 20 }, (_, i) => use(token, '/v1/counted', gates[i % 2]))
    const codes = (await Promise.all(crowd)).map(({ code }) => code ?? 'passed')
    expect(codes.sort()).toEqual(['passed', ...Array(19).fill('token_replayed')])
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

it('a token that is revoked is not used', async () => {
  const { revoke, lift } = revoking(setting, setting.gate)
  const paths = ['/v1/once', '/v1/strictly']
  const revoked = await Promise.all(
    paths.map(async (path) => {
      const jti = `revoked${path}`
      return {
        path,
        token: await setting.token({ jti }),
        id: await revoke({ kind: 'token', value: jti }),
      }
    }),
  )
  const areFree = (status: number) =>
    until(
      // An answer on its way is cut when its token is revoked.
      () => Promise.all(revoked.map(({ token }) => use(token, '/v1/free').catch(() => undefined))),
      (answers) => answers.every((answer) => answer?.status === status),
      30_000,
    )
  await areFree(401)
  for (const { token, path } of revoked) {
    for (let i = 0; i < 2; i++) {
      expect(await use(token, path)).toEqual({ status: 401, code: 'token_revoked' })
    }
  }
  for (const { id } of revoked) await lift(id)
  await areFree(200)
  for (const { token, path } of revoked) {
    expect(await use(token, path)).toEqual(PASSED)
    expect(await use(token, path)).toEqual(REPLAYED)
  }
})

describe('the store of used tokens', () => {
  /** What becomes of the next claims. */
  const behave = (...next: readonly ('fails' | 'loses')[]) =>
    setting.gate.call('REPLAYS', 'any', 'behave', next)

  it('that cannot be reached lets nothing pass, and the token is good once it can', async () => {
    const token = await setting.token()
    await behave('fails', 'fails')
    const refused = await askGate(setting.gate, '/v1/once', { token })
    expect(refused.headers.get('retry-after')).toBe('5')
    expect(await outcome(refused)).toEqual(UNAVAILABLE)
    expect(setting.origin.requests).toHaveLength(0)
    expect(await use(token)).toEqual(PASSED)
    expect(await use(token)).toEqual(REPLAYED)
  })

  it('whose answer is lost knows that it was the same request', async () => {
    const token = await setting.token()
    await behave('loses')
    expect(await use(token)).toEqual(PASSED)
    expect(await use(token)).toEqual(REPLAYED)
  })

  it('is no matter of other rules', async () => {
    const token = await setting.token()
    await behave('fails', 'fails', 'fails', 'fails')
    expect(await use(token)).toEqual(UNAVAILABLE)
    expect(await use(token, '/v1/free')).toEqual(PASSED)
    expect(await use(token, '/v1/counted')).toEqual(UNAVAILABLE)
  })

  it('must be bound where a rule needs it', async () => {
    const { REPLAYS: _, ...durableObjects } = usualObjects()
    await withGate(setting, { routes: ROUTES, durableObjects }, async (gate) => {
      const invalid = { status: 503, code: 'policy_invalid' }
      expect(await use(await setting.token(), '/v1/once', gate)).toEqual(invalid)
      expect(await outcome(await askGate(gate, '/.edgewarden/ready'))).toEqual(invalid)
      expect(gate.output()).toContain('bindings.REPLAYS: is not there')
    })
  })

  it('outlives the gate', async () => {
    const token = await setting.token()
    expect(await use(token)).toEqual(PASSED)
    await setting.gate.stop('SIGKILL')
    const next = await setting.another({ ...options, beside: [] })
    expect(await use(token, '/v1/once', next)).toEqual(REPLAYED)
    expect(await use(await setting.token(), '/v1/once', next)).toEqual(PASSED)
  })
})

describe('tokens of two issuers', () => {
  let world: World
  beforeAll(async () => {
    world = await sharedWorld(WORLD)
  })
  const { told } = explaining(() => world)

  it('with one jti are two', async () => {
    for (const by of ['acme', 'beta'] as const) {
      const token = await world[by].mint({ jti: 'one-id' })
      const seen = [1, 2].map(
        async () => (await world.send({ target: '/v1/once-apart', token })).status,
      )
      expect((await Promise.all(seen)).sort()).toEqual([200, 401])
    }
  })

  it('are looked at in explanations, and not used', async () => {
    const token = await world.acme.mint()
    const explained = async () => {
      const { allowed, denial, steps } = await told('ops', { token, path: '/v1/once-apart' })
      const { outcome } = steps.find(({ stage }) => stage === 'replay') ?? {}
      return { allowed, code: denial?.code, outcome }
    }
    for (let i = 0; i < 2; i++) {
      expect(await explained()).toEqual({ allowed: true, code: undefined, outcome: 'passed' })
    }
    expect((await world.send({ target: '/v1/once-apart', token })).status).toBe(200)
    expect(await explained()).toEqual({
      allowed: false,
      code: 'token_replayed',
      outcome: 'denied',
    })
  })
})
