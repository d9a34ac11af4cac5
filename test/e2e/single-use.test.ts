import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { PATIENCE } from '../kit/wait.ts'
import { revoking } from './revoking.ts'
import {
  askGate,
  outcome,
  type Setting,
  type SettingOptions,
  startSetting,
  until,
} from './setting.ts'
import { sharedShards } from './shards.ts'

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

  it('is used by a request that the origin fails', async () => {
    setting.origin.on('/v1/once', reply(500, {}, 'x'))
    const token = await setting.token()
    expect((await use(token)).status).toBe(500)
    expect(await use(token)).toEqual(REPLAYED)
  })

  it.each<[string, string, number, () => void]>([
    [
      'the origin has failed',
      '/v1/once',
      503,
      () => setting.origin.on('/v1/once', reply(503, { 'x-request-id': 'of-the-origin' }, 'x')),
    ],
    ['a limit has refused', '/v1/counted', 429, () => {}],
  ])('says how the first request failed: %s', async (_, path, status, prepare) => {
    prepare()
    const sub = `agent-of-${status}`
    const mint = () => setting.token({ sub, client_id: sub })
    if (status === 429) for (let i = 0; i < 2; i++) await use(await mint(), path)
    const token = await mint()
    const id = `first-of-${status}`
    const headers = { 'x-request-id': id }
    expect((await askGate(setting.gate, path, { token, headers })).status).toBe(status)
    const again = async () => (await askGate(setting.gate, path, { token })).json()
    const answers = await until(again, (answer) => 'first_status' in (answer as object), PATIENCE)
    expect(answers.at(-1)).toMatchObject({
      code: 'token_replayed',
      first_status: status,
      first_request_id: id,
      error: { message: expect.stringContaining(`answered with ${status}, ${id}`) },
    })
    const line = await setting.gate.journalLine(
      ({ detail }) => (detail as { first_request_id?: string })?.first_request_id === id,
    )
    expect(line).toMatchObject({ code: 'token_replayed', detail: { first_status: status } })
  })

  it('an SDK that retries by itself tells of the failure', async () => {
    setting.origin.on('/v1/once', reply(503, { 'retry-after-ms': '500' }, 'x'))
    const apiKey = await setting.token()
    const client = new OpenAI({
      apiKey,
      baseURL: `${setting.gate.url}/v1`,
      defaultHeaders: { 'x-request-id': 'first-of-an-sdk' },
      maxRetries: 1,
    })
    const error = await client.post('/once', { body: {} }).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain('answered with 503, first-of-an-sdk')
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('says nothing of a request that was answered', async () => {
    const token = await setting.token()
    await use(token)
    const again = async () => (await askGate(setting.gate, '/v1/once', { token })).json()
    expect(await again()).not.toHaveProperty('first_status')
    expect((await again()) as object).not.toHaveProperty('first_request_id')
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
})

it('a token that is revoked is not used, and uses up no limit of its agent', async () => {
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
  const claims = { sub: 'agent-of-a-stolen-token', client_id: 'agent-of-a-stolen-token' }
  const stolen = await setting.token({ ...claims, jti: 'revoked/v1/once' })
  for (let i = 0; i < 3; i++) {
    expect(await use(stolen, '/v1/counted')).toEqual({ status: 401, code: 'token_revoked' })
  }
  for (let i = 0; i < 2; i++) {
    expect(await use(await setting.token(claims), '/v1/counted')).toEqual(PASSED)
  }
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

  it('outlives the gate', async () => {
    const token = await setting.token()
    expect(await use(token)).toEqual(PASSED)
    await setting.gate.stop('SIGKILL')
    const next = await setting.another({ ...options, beside: [] })
    expect(await use(token, '/v1/once', next)).toEqual(REPLAYED)
    expect(await use(await setting.token(), '/v1/once', next)).toEqual(PASSED)
  })
})
