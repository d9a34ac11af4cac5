import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { later, reply } from '../kit/answers.ts'
import { createIssuer } from '../kit/issuer.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { type Header, rawRequest } from '../kit/raw.ts'
import { HOST, outcome, type Setting, type SettingOptions, startSetting, until } from './setting.ts'

const cleanup: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const one of cleanup.splice(0).reverse()) await one()
})

const start = async (options?: SettingOptions): Promise<Setting> => {
  const setting = await startSetting(options)
  cleanup.push(() => setting.close())
  return setting
}

describe('an issuer that is down', () => {
  it('is 503 with Retry-After from the start, and recovers by itself', async () => {
    const { issuer, gate, ask, token, origin } = await start()
    issuer.fail(500)
    const bearer = await token()
    const response = await ask('/v1/x', { token: bearer })
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(response.headers.get('www-authenticate')).toBeNull()
    expect(await outcome(response)).toEqual({ status: 503, code: 'keys_unavailable' })
    const ready = await ask('/.edgewarden/ready')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({
      ready: false,
      checks: { policy: true, keys: false, revocations: true },
    })
    issuer.fail()
    const answers = await until(
      async () => (await ask('/v1/x', { token: bearer })).status,
      (status) => status === 200,
      5_500,
    )
    expect(new Set(answers)).toEqual(new Set([503, 200]))
    // The failure was remembered: one question then, one now.
    expect(issuer.requests).toHaveLength(2)
    expect(origin.requests).toHaveLength(1)
    expect(gate.output()).not.toContain(bearer)
  })

  it.each(['destroy', 404, 301] as const)(
    '(%s) goes on with the keys that are known',
    async (failure) => {
      const { issuer, ask, token } = await start()
      expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
      issuer.fail(failure)
      for (let i = 0; i < 3; i++) {
        expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
      }
      expect(issuer.requests).toHaveLength(1)
    },
  )

  it('takes no other issuer down', async () => {
    const other = await createIssuer()
    cleanup.push(() => other.close())
    other.fail('destroy')
    const { ask, token } = await start({
      issuer: { agent_prefix: 'acme/' },
      more: {
        ISSUERS_2: {
          other: {
            issuer: other.issuer,
            jwks_uri: other.jwksUri,
            allow_insecure_http: true,
            agent_prefix: 'other/',
          },
        },
      },
    })
    expect((await ask('/v1/x', { token: await other.mint() })).status).toBe(503)
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
  })

  it.each([
    ['a broken document', '{"keys":'],
    ['no key set', '{}'],
    ['too much', JSON.stringify({ keys: [], fill: 'x'.repeat(64 * 1024) })],
  ])('is one that serves %s', async (_name, document) => {
    const { issuer, ask, token } = await start()
    issuer.setDocument(document)
    const answer = await outcome(await ask('/v1/x', { token: await token() }))
    expect(answer).toEqual({ status: 503, code: 'keys_unavailable' })
  })
})

describe('unknown key ids', () => {
  const flood = async ({ issuer, ask }: Setting, size: number) =>
    Promise.all(
      Array.from({ length: size }, async (_, i) => {
        const token = await issuer.mint({}, { kid: `unknown-${i}` })
        return (await outcome(await ask('/v1/x', { token }))).code
      }),
    )

  it('cause one fetch in all, warm or cold', async () => {
    const setting = await start()
    expect(new Set(await flood(setting, 30))).toEqual(new Set(['key_unknown']))
    expect(setting.issuer.requests).toHaveLength(1)
    expect((await setting.ask('/v1/x', { token: await setting.token() })).status).toBe(200)
    expect(new Set(await flood(setting, 30))).toEqual(new Set(['key_unknown']))
    expect(setting.issuer.requests).toHaveLength(1)
  })

  it('of an issuer that is not trusted cause none', async () => {
    const { issuer, ask, token } = await start()
    const bearer = await token({ iss: 'https://unknown.example' })
    expect((await ask('/v1/x', { token: bearer })).status).toBe(401)
    expect(issuer.requests).toHaveLength(0)
  })
})

describe('a client that hangs up during a key fetch', () => {
  let keys: Origin
  let release: PromiseWithResolvers<void>
  let setting: Setting

  beforeEach(async () => {
    keys = await startOrigin()
    release = Promise.withResolvers()
    setting = await start({ issuer: { jwks_uri: `${keys.url}/jwks` } })
    cleanup.push(() => keys.close())
    const document = JSON.stringify({ keys: [setting.issuer.jwk] })
    const json = { 'content-type': 'application/json' }
    keys.on('/jwks', later(release.promise, reply(200, json, document)))
  })

  /** A client whose request waits for the keys; `reset` is how the gate notices at once. */
  const client = async () => {
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', `Bearer ${await setting.token()}`],
    ]
    const socket = connect({ port: setting.gate.port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write(rawRequest({ target: '/v1/left', headers }))
    await keys.arrival()
    return socket
  }
  /** Connections are served in order: whoever hung up before has been noticed then. */
  const noticed = async () => {
    for (let i = 0; i < 3; i++) {
      expect((await setting.ask('/.edgewarden/health')).status).toBe(200)
    }
  }
  const status = async () => (await setting.ask('/v1/x', { token: await setting.token() })).status

  describe.each(['resetAndDestroy', 'destroy'] as const)('by %s', (hangUp) => {
    it('leaves those who wait with it with their keys', async () => {
      const socket = await client()
      const waiting = Array.from({ length: 5 }, status)
      await noticed()
      socket[hangUp]()
      await noticed()
      release.resolve()
      expect(await Promise.all(waiting)).toEqual([200, 200, 200, 200, 200])
    })

    it('leaves those who come later with theirs', async () => {
      const socket = await client()
      socket[hangUp]()
      await noticed()
      const late = status()
      release.resolve()
      expect(await late).toBe(200)
      expect(await status()).toBe(200)
    })

    it('leaves nothing behind when everybody has gone', async () => {
      for (const socket of [await client(), await client(), await client()]) socket[hangUp]()
      await noticed()
      release.resolve()
      expect(await status()).toBe(200)
    })
  })
})
