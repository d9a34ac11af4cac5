import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KEY_TIMES } from '../../src/gate/keys/times.ts'
import { later, reply } from '../kit/answers.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { type Header, rawRequest } from '../kit/raw.ts'
import {
  ALLOWED,
  clocked,
  forward,
  type Issued,
  makePatient,
  startIssued,
  UNAVAILABLE,
} from './keys-setting.ts'
import { HOST } from './setting.ts'

/** Who hangs up during the fetch of keys, and how: each of them has an issuer of its own. */
const LEAVING = ['resetAndDestroy', 'destroy'].flatMap((hangUp) =>
  ['waiting', 'late', 'alone'].map((who) => `${who}-${hangUp}`),
)
const NAMES = ['down', 'many', 'some']

let setting: Issued
/** Serves the keys of those whose clients leave. */
let keys: Origin

beforeAll(async () => {
  keys = await startOrigin()
  setting = await startIssued(
    Object.fromEntries([
      ...NAMES.map((name) => [name, {}]),
      ...LEAVING.map((name) => [name, { jwks_uri: `${keys.url}/${name}` }]),
    ]),
    await clocked(),
  )
  await makePatient(setting.gate)
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting.close()
  await keys.close()
})

describe('an issuer that is down', () => {
  it('is 503 with Retry-After from the start, and recovers by itself', async () => {
    const { gate, ask, origin, use } = setting
    const issuer = setting.of('down')
    issuer.fail(500)
    const token = await issuer.mint()
    const response = await ask('/v1/down', { token })
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(response.headers.get('www-authenticate')).toBeNull()
    expect(await response.json()).toMatchObject({ status: 503, code: 'keys_unavailable' })
    const ready = await ask('/.edgewarden/ready')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({
      ready: false,
      checks: { policy: true, keys: false, revocations: true },
    })
    // The failure is remembered: one question now, and one when it has been waited out.
    issuer.fail()
    expect(await use('down', { token })).toEqual(UNAVAILABLE)
    expect(issuer.requests).toHaveLength(1)
    expect(origin.requests).toHaveLength(0)
    await forward(gate, KEY_TIMES.failureMs)
    expect(await use('down', { token })).toEqual(ALLOWED)
    expect(issuer.requests).toHaveLength(2)
    expect(origin.requests).toHaveLength(1)
    expect((await ask('/.edgewarden/ready')).status).toBe(200)
    expect(gate.output()).not.toContain(token)
  })
})

describe('unknown key ids', () => {
  const codes = async (name: string, size: number) =>
    new Set(
      await Promise.all(
        Array.from({ length: size }, async (_, i) => {
          const token = await setting.of(name).mint({}, { kid: `unknown-${i}` })
          return (await setting.use(name, { token })).code
        }),
      ),
    )

  it('cause one fetch in all, warm or cold', async () => {
    const issuer = setting.of('many')
    expect(await codes('many', 30)).toEqual(new Set(['key_unknown']))
    expect(issuer.requests).toHaveLength(1)
    expect(await setting.use('many')).toEqual(ALLOWED)
    expect(await codes('many', 30)).toEqual(new Set(['key_unknown']))
    expect(issuer.requests).toHaveLength(1)
  })
})

describe('a client that hangs up during a key fetch', () => {
  /** Has the keys of an issuer come when the test says so. */
  const holding = (name: string) => {
    const release = Promise.withResolvers<void>()
    const document = JSON.stringify({ keys: [setting.of(name).jwk] })
    const json = { 'content-type': 'application/json' }
    keys.on(`/${name}`, later(release.promise, reply(200, json, document)))
    return release
  }

  /** A client whose request waits for the keys; `reset` is how the gate notices at once. */
  const client = async (name: string) => {
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', `Bearer ${await setting.of(name).mint()}`],
    ]
    const socket = connect({ port: setting.gate.port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write(rawRequest({ target: '/v1/left', headers }))
    await keys.arrival(({ url }) => url === `/${name}`)
    return socket
  }
  /** Connections are served in order: whoever hung up before has been noticed then. */
  const noticed = async () => {
    for (let i = 0; i < 3; i++) {
      expect((await setting.ask('/.edgewarden/health')).status).toBe(200)
    }
  }

  describe.each(['resetAndDestroy', 'destroy'] as const)('by %s', (hangUp) => {
    it('leaves those who wait with it with their keys', async () => {
      const name = `waiting-${hangUp}`
      const release = holding(name)
      const socket = await client(name)
      const waiting = Array.from({ length: 5 }, () => setting.use(name))
      await noticed()
      socket[hangUp]()
      await noticed()
      release.resolve()
      expect(await Promise.all(waiting)).toEqual(Array(5).fill(ALLOWED))
    })

    it('leaves those who come later with theirs', async () => {
      const name = `late-${hangUp}`
      const release = holding(name)
      const socket = await client(name)
      socket[hangUp]()
      await noticed()
      const late = setting.use(name)
      release.resolve()
      expect(await late).toEqual(ALLOWED)
      expect(await setting.use(name)).toEqual(ALLOWED)
    })

    it('leaves nothing behind when everybody has gone', async () => {
      const name = `alone-${hangUp}`
      const release = holding(name)
      const sockets = [await client(name), await client(name), await client(name)]
      for (const socket of sockets) socket[hangUp]()
      await noticed()
      release.resolve()
      expect(await setting.use(name)).toEqual(ALLOWED)
    })
  })
})
