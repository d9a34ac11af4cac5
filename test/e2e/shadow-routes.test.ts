import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { type Answers, answersOf, SHADOW_RULES } from './answers-setting.ts'
import { type AskInit, askGate, HOST, outcome } from './setting.ts'

const ALLOWED = { status: 200, code: undefined }
const _MISSING = { status: 401, code: 'credential_missing' }

let setting: Answers
/** Everything in shadow mode but what says otherwise, under another prefix of identity headers. */
let shadow: Gate

beforeAll(async () => {
  setting = await answersOf('shadow')
  const gate = { mode: 'shadow', identity_prefix: 'x-caller-' }
  shadow = await setting.another({ routes: SHADOW_RULES, gate })
})
beforeEach(() => setting.origin.clear())
afterAll(() => shadow?.stop())

/** Asks the gate that enforces all but what says otherwise. */
const enforcing = (path: string, init?: AskInit) => setting.ask(path, init)
const shadowing = (path: string, init?: AskInit) => askGate(shadow, path, init)
const use = async (ask: typeof enforcing, path: string, token?: string) =>
  outcome(await ask(path, token === undefined ? {} : { token }))

describe('mode of a rule', () => {
  it('removes the token where it is enforced, and keeps it where it is not', async () => {
    const token = await setting.token({ scope: 'a:read' })
    for (const [path, authorization] of [
      ['/v1/watched', `Bearer ${token}`],
      ['/v1/enforced', undefined],
    ] as const) {
      setting.origin.clear()
      expect(await use(shadowing, path, token)).toEqual(ALLOWED)
      const [request] = setting.origin.requests
      expect(request?.header('authorization')).toBe(authorization)
      expect(request?.header('x-caller-id')).toBe('agent-1')
    }
  })
})

describe('what would be denied', () => {
  it('has no identity under the prefix of this gate, in any spelling', async () => {
    const names = ['X-Caller-Id', 'x_caller_id', 'X.Caller_Id', 'X-Caller-', 'X-Agent-Id']
    const headers = Object.fromEntries(names.map((name) => [name, 'forged']))
    expect((await shadowing('/v1/other', { headers })).status).toBe(200)
    const [request] = setting.origin.requests
    expect(request?.rawHeaders.filter(([, value]) => value === 'forged')).toEqual([])
  })

  it('keeps a body of unknown length whole', async () => {
    setting.origin.on('*', reply(201))
    const parts = Array.from({ length: 50 }, (_, i) => Buffer.alloc(20_000, i))
    const body = ReadableStream.from(parts)
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    expect((await shadowing('/v1/upload', init)).status).toBe(201)
    const [request] = setting.origin.requests
    expect(request?.bodyLength).toBe(1_000_000)
    const hash = createHash('sha256').update(Buffer.concat(parts)).digest('base64url')
    expect(request?.bodySha256).toBe(hash)
  })

  it('connects a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${shadow.port}/v1/socket`, {
      headers: { host: HOST, authorization: 'Basic dXNlcjpwYXNz' },
    })
    const echo = await new Promise((done, fail) => {
      socket.on('open', () => socket.send('hello'))
      socket.on('message', (data) => done(String(data)))
      socket.on('error', fail)
    })
    socket.terminate()
    expect(echo).toBe('hello')
    expect(setting.origin.requests[0]?.header('authorization')).toBe('Basic dXNlcjpwYXNz')
  })
})
