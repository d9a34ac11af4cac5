import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../kit/eventually.ts'
import { connectRaw, rawRequest } from '../kit/raw.ts'
import { clocked, forward } from './keys-setting.ts'
import { revoking } from './revoking.ts'
import {
  askGate,
  HOST,
  outcome,
  type Setting,
  type SettingOptions,
  sharedSetting,
} from './setting.ts'

const EXCEEDED = { status: 429, code: 'in_flight_exceeded' }
const alone = (match: string, more: object = {}) => ({ match, scopes: [], in_flight: 1, ...more })

const SETTING: SettingOptions = {
  gate: { in_flight: 8, revocation: { consistency: 'bounded', max_staleness: '2s' } },
  issuer: { agent_id: 'sub', admin: 'all' },
  routes: [
    alone('GET /alone/*'),
    alone('GET /slow/*', { timeout: '500ms' }),
    alone('GET /never/*', { when: 'token.sub == "nobody"' }),
    alone('POST /posted/*', { on_revocation: 'end-all' }),
    alone('GET /strict/*', { in_flight: 4, revocation: 'strict' }),
    { match: 'GET /v1/*', scopes: [] },
    { match: 'GET /v2/*', scopes: [] },
  ],
}

let setting: Setting
beforeAll(async () => {
  setting = await sharedSetting({ ...SETTING, ...(await clocked()) })
})

/** An agent of its own for each test, and a path that no other test asks for. */
const place = async (path: string) => {
  const sub = `busy-${randomUUID()}`
  return { sub, token: await setting.token({ sub }), path: `${path}/${randomUUID()}` }
}
type Place = Awaited<ReturnType<typeof place>>

const ask = async ({ path, token }: Place, method = 'GET') =>
  outcome(await askGate(setting.gate, path, { token, method }))

/** Sends a request that the origin has and does not answer yet. */
const hold = async ({ path, token }: Place, method = 'GET') => {
  const { gate, origin } = setting
  let response: ServerResponse | undefined
  const before = origin.requests.length
  origin.on(path, (_, res) => {
    response = res
  })
  const connection = await connectRaw(gate.port)
  const headers = [
    ['Host', HOST],
    ['Authorization', `Bearer ${token}`],
    ['Content-Length', method === 'POST' ? '5' : '0'],
  ] as const
  connection.send(rawRequest({ method, target: path, headers }))
  if (method === 'POST') connection.send('a')
  await eventually(() => expect(origin.requests.length).toBeGreaterThan(before))
  await eventually(() => expect(response).toBeDefined())
  return { connection, answer: response as unknown as ServerResponse }
}

/** Holds a request whose answer is an open stream of events. */
const holdStream = async (at: Place) => {
  const held = await hold(at)
  held.answer.writeHead(200, { 'content-type': 'text/event-stream' })
  held.answer.write('data: first\n\n')
  await held.connection.until((text) => text.includes('data: first'))
  return held
}

/** Another request of the agent to a rule that allows one is answered again. */
const isFree = async (at: Place, method = 'GET') => {
  setting.origin.on(at.path, (_, res) => res.end('free'))
  await eventually(async () => expect((await ask(at, method)).status).toBe(200))
}

describe('requests in progress', () => {
  it('are refused beyond the number of the rule, with the time to wait', async () => {
    const at = await place('/alone')
    const { answer } = await hold(at)
    const { path, token } = at
    const refused = await askGate(setting.gate, path, { token })
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(refused.headers.get('www-authenticate')).toBeNull()
    expect(await outcome(refused)).toEqual(EXCEEDED)
    // Another rule with the same number counts its own.
    expect((await ask({ ...at, path: path.replace('alone', 'slow') })).status).toBe(200)
    answer.end('done')
    await isFree(at)
  })

  it('of one agent are counted for all rules together, but those with a number of their own', async () => {
    const at = await place('/v1')
    const held = []
    for (let i = 0; i < 8; i++) {
      held.push(await hold({ ...at, path: `${at.path.replace('v1', `v${1 + (i % 2)}`)}/${i}` }))
    }
    expect(await ask({ ...at, path: `${at.path}/more` })).toEqual(EXCEEDED)
    expect((await ask({ ...at, path: at.path.replace('v1', 'alone') })).status).toBe(200)
    expect((await ask(await place('/v1'))).status).toBe(200)
    for (const { answer } of held) answer.end()
    await isFree(at)
  })

  it('with a revoked token leave room for those with a good one', async () => {
    const at = await place('/strict')
    const jti = randomUUID()
    const stolen = { ...at, token: await setting.token({ sub: at.sub, jti }) }
    await revoking(setting, setting.gate).revoke({ kind: 'token', value: jti })
    // A rule that is bounded has the copy of the set renewed.
    await forward(setting.gate, 2_100)
    const revoked = { status: 401, code: 'token_revoked' }
    expect(await ask({ ...stolen, path: '/v1/free' })).toEqual(revoked)
    setting.origin.on(at.path, (_, res) => res.end())
    let isOver = false
    const codes = new Set<string>()
    const thieves = Array.from({ length: 16 }, async () => {
      while (!isOver) codes.add((await ask(stolen)).code)
    })
    for (let i = 0; i < 20; i++) expect((await ask(at)).status).toBe(200)
    isOver = true
    await Promise.all(thieves)
    expect([...codes]).toEqual(['token_revoked'])
  })
})

/** How a request ends, each after it was counted. */
describe.concurrent('a request is no longer in progress', () => {
  it('after a later stage has refused it', async () => {
    const at = await place('/never')
    for (let i = 0; i < 5; i++) {
      expect(await ask(at)).toEqual({ status: 403, code: 'condition_failed' })
    }
  })

  it('after the origin has dropped it', async () => {
    const at = await place('/alone')
    const { connection, answer } = await hold(at)
    answer.destroy()
    expect((await connection.response()).status).toBe(502)
    await isFree(at)
  })

  it('after the origin has not answered in time', async () => {
    const at = await place('/slow')
    const { connection } = await hold(at)
    expect((await connection.response()).status).toBe(504)
    await isFree(at)
  })

  it.each(['close', 'reset'] as const)(
    'after the agent has gone before the answer (%s)',
    async (way) => {
      const at = await place('/alone')
      const { connection, answer } = await hold(at)
      connection[way]()
      // A closed connection is noticed when the answer comes, a reset one at once.
      if (way === 'close') answer.end('late')
      await isFree(at)
    },
  )

  it('after the agent has gone during its body', async () => {
    const at = await place('/posted')
    const { connection } = await hold(at, 'POST')
    connection.reset()
    await isFree(at, 'POST')
  })

  it('after its stream has ended, and not before', async () => {
    const at = await place('/alone')
    const { connection, answer } = await holdStream(at)
    expect(await ask(at)).toEqual(EXCEEDED)
    answer.end('data: last\n\n')
    await connection.until((text) => text.includes('data: last'))
    await isFree(at)
  })

  it('after the agent has left a silent stream', async () => {
    const at = await place('/alone')
    const { connection } = await holdStream(at)
    connection.reset()
    await isFree(at)
  })

  it('after the agent has left a stream that goes on', async () => {
    const at = await place('/alone')
    const { connection, answer } = await holdStream(at)
    connection.close()
    const talking = setInterval(() => answer.write('data: more\n\n'), 50)
    await isFree(at).finally(() => clearInterval(talking))
  })

  it('after its stream was cut, since the agent was revoked', async () => {
    const at = await place('/alone')
    const { connection } = await holdStream(at)
    const { revoke, lift } = revoking(setting, setting.gate)
    const id = await revoke({ kind: 'agent', value: at.sub })
    await connection.until((text) => text.includes('edgewarden.closed'))
    await lift(id)
    await isFree(at)
  })
})

describe('a WebSocket', () => {
  it.each(['agent', 'origin'] as const)('is in progress until the %s closes it', async (side) => {
    const at = await place('/alone')
    const socket = new WebSocket(`ws://127.0.0.1:${setting.gate.port}${at.path}`, {
      headers: { host: HOST, authorization: `Bearer ${at.token}` },
    })
    await once(socket, 'open')
    expect(await ask(at)).toEqual(EXCEEDED)
    socket.send(at.path)
    await once(socket, 'message')
    if (side === 'agent') socket.close()
    else for (const one of setting.origin.webSockets) one.close()
    await isFree(at)
  })
})

it('requests of an agent that has left are found before they are as many as allowed', async () => {
  const { gate } = setting
  const at = await place('/v1')
  for (let i = 0; i < 5; i++) (await hold(at)).connection.reset()
  setting.origin.on(at.path, (_, res) => res.end())
  for (let i = 0; i < 2; i++) {
    expect((await askGate(gate, at.path, at)).status).toBe(200)
    await forward(gate, 1_000)
  }
  for (let i = 0; i < 8; i++) await hold(at)
  expect(await outcome(await askGate(gate, at.path, at))).toEqual(EXCEEDED)
})
