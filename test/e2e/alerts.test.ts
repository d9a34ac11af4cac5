import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { isSoak } from '../kit/property.ts'
import { type Received, type Receiver, startReceiver } from '../kit/receiver.ts'
import { ROOT } from '../kit/repository.ts'
import { change, clocked, forward } from './keys-setting.ts'
import { askGate, type Setting, type SettingOptions, startSetting } from './setting.ts'

const KEY = `whsec_${Buffer.from('a key of an alert, of 32 bytes..').toString('base64')}`
const ROUTES = [
  { match: 'GET /v1/dead', scopes: [], origin: 'http://127.0.0.1:9' },
  { match: 'GET /v1/*', scopes: [] },
]

let receiver: Receiver
let dataDir: string
let setting: Setting
let gates: SettingOptions

beforeAll(async () => {
  receiver = await startReceiver()
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-alerts-'))
  setting = await startSetting()
  gates = {
    ...(await clocked()),
    durableObjects: { ...WITH_AUDIT, CLOCK: 'Clock' },
    issuer: { admin: 'all' },
    routes: ROUTES,
  }
})
afterAll(async () => {
  await Promise.all([setting.close(), receiver.close()])
  await rm(dataDir, { recursive: true, force: true })
})

let begun = 0
beforeEach(() => {
  receiver.answer(204)
  begun = receiver.received.length
})

/** What was received in this test. */
const received = () => receiver.received.slice(begun)
const dataOf = ({ body }: Received) => JSON.parse(body)

const withAlerts = (alerts: object = {}, more: SettingOptions = {}) =>
  setting.another({
    ...gates,
    ...more,
    secrets: { ALERTS: JSON.stringify({ url: receiver.url, key: KEY, gate: 'test', ...alerts }) },
  })

/** A token that does not end however far the gate's clock is put forward. */
const lasting = (claims: object = {}) =>
  setting.token({ exp: Math.floor(Date.now() / 1000) + 850, ...claims })

const metricsOf = async (gate: Gate) => {
  const token = await lasting({ scope: 'edgewarden:metrics' })
  return (await askGate(gate, '/.edgewarden/metrics', { token })).text()
}

/** Sends requests that an origin does not answer. */
const fail = async (gate: Gate, times = 6) => {
  const token = await lasting()
  for (let i = 0; i < times; i++) await askGate(gate, '/v1/dead', { token })
}

/** The check of a receiver, as the documentation has it. */
const documented = async () => {
  const page = await readFile(join(ROOT, 'docs/health.md'), 'utf8')
  const [, code = ''] = /```js\n(.*?)```/s.exec(page) ?? []
  const url = `data:text/javascript,${encodeURIComponent(code)}`
  return (await import(/* @vite-ignore */ url)) as {
    check(headers: object, body: string, secret: string, now?: number): string
  }
}

describe('an alert', () => {
  it.runIf(isSoak())(
    'is sent until it is taken, under one id, and by no redirect; the process is killed meanwhile',
    async () => {
      const elsewhere = await startReceiver()
      receiver.answer(500, { location: elsewhere.url }, 'hangs')
      const first = await withAlerts({}, { dataDir })
      await fail(first)
      await eventually(() => expect(received().length).toBeGreaterThanOrEqual(3))
      await first.stop('SIGKILL')
      receiver.answer(500, 204)
      const before = received().length
      // Nobody asks anything: its alarm does it.
      const second = await withAlerts({}, { dataDir })
      await eventually(() => expect(received().length).toBeGreaterThanOrEqual(before + 2))
      const all = received()
      expect(elsewhere.received).toEqual([])
      await elsewhere.close()
      expect(new Set(all.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
      expect(new Set(all.map(({ body }) => body)).size).toBe(1)
      const [alert] = all.map(dataOf)
      expect(alert).toEqual({
        type: 'problem.began',
        timestamp: expect.any(String),
        data: {
          gate: 'test',
          problem: 'origin',
          since: expect.any(String),
          found: expect.stringMatching(
            /^[56] of [56] in five minutes \(origin_unreachable 502: [56]\)$/,
          ),
          advice: expect.any(String),
        },
      })
      const none = 'edgewarden_alerts_waiting{shard="0"} 0\n'
      await eventually(async () => expect(await metricsOf(second)).toContain(none))
      expect(received()).toHaveLength(before + 2)
    },
  )

  it('is signed, so that a receiver refuses a forged or repeated one', async () => {
    const gate = await withAlerts()
    await fail(gate)
    const [{ headers, body }] = (await eventually(() => {
      expect(received()).toHaveLength(1)
      return received()
    })) as [Received]
    const { check } = await documented()
    expect(check(headers, `${body} `, KEY)).toBe('refuse')
    expect(check({ ...headers, 'webhook-id': 'msg_other' }, body, KEY)).toBe('refuse')
    expect(check({ ...headers, 'webhook-timestamp': '1' }, body, KEY)).toBe('refuse')
    expect(check(headers, body, `whsec_${Buffer.alloc(32).toString('base64')}`)).toBe('refuse')
    expect(check({}, body, KEY)).toBe('refuse')
    const late = Number(headers['webhook-timestamp']) + 301
    expect(check(headers, body, KEY, late)).toBe('refuse')
    expect(check(headers, body, KEY)).toBe('new')
    expect(check(headers, body, KEY)).toBe('known')
    // Another's implementation of Standard Webhooks.
    const { webhooks } = new OpenAI({ apiKey: 'none' })
    const given = headers as { [name: string]: string }
    await webhooks.verifySignature(body, given, KEY)
    await expect(webhooks.verifySignature(`${body} `, given, KEY)).rejects.toThrow()
  })

  it('says once that a problem has begun, and once that it has ended', async () => {
    const gate = await withAlerts()
    await fail(gate)
    await eventually(() => expect(received()).toHaveLength(1))
    await fail(gate)
    const failures = 'code="origin_unreachable",status="502"} 12\n'
    await eventually(async () => expect(await metricsOf(gate)).toContain(failures))
    await forward(gate, 8 * 60_000)
    const token = await setting.token()
    await eventually(async () => {
      await askGate(gate, '/v1/x', { token })
      expect(received()).toHaveLength(2)
    })
    expect(received().map(dataOf)).toMatchObject([
      { type: 'problem.began', data: { problem: 'origin' } },
      { type: 'problem.ended', data: { problem: 'origin', until: expect.any(String) } },
    ])
    await fail(gate, 12)
    await eventually(() => expect(received()).toHaveLength(3))
    expect(received().map(({ headers }) => headers['webhook-id'])).toHaveLength(3)
    expect(new Set(received().map(({ headers }) => headers['webhook-id'])).size).toBe(3)
  })

  it('tells of a policy with mistakes, though no request is decided', async () => {
    const gate = await withAlerts()
    await change(gate, { ROUTES: [{ match: 'GET /v1/*', nope: true }] })
    expect((await askGate(gate, '/v1/x')).status).toBe(503)
    await eventually(() => expect(received()).toHaveLength(1))
    expect(received().map(dataOf)).toMatchObject([{ data: { problem: 'policy' } }])
  })
})

it('with a mistake in ALERTS nothing is refused, and the log tells it without what it says', async () => {
  const ALERTS = JSON.stringify({ url: 'http://hooks.example', key: KEY })
  const gate = await setting.another({ ...gates, secrets: { ALERTS } })
  expect((await askGate(gate, '/v1/x', { token: await setting.token() })).status).toBe(200)
  const warning = /\{"event":"policy_warnings".*/.exec(gate.output())?.[0] ?? ''
  expect(warning).toContain('ALERTS.url: must be an https URL; no alerts are sent')
  expect(warning).not.toContain(KEY)
  expect(warning).not.toContain('hooks.example')
})
