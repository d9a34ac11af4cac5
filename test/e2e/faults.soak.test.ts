import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { CAN_SET_CLOCK } from '../kit/clock.ts'
import { eventually } from '../kit/eventually.ts'
import { clocked, hang, MALFORMED } from './keys-setting.ts'
import { HOUR, type ServedClock, servedClock } from './served-clock.ts'
import { askGate, outcome, startSetting } from './setting.ts'

/** Seconds by which the clock is wrong, one after the other. */
const STEPS = [0, -20, 0, -HOUR, 30, -HOUR / 2, HOUR / 2, 0, -20, 0]

let gate: ServedClock
beforeAll(async () => {
  if (CAN_SET_CLOCK) gate = await servedClock({ revocation: { consistency: 'strict' } })
})
afterAll(() => gate?.close())

it.runIf(CAN_SET_CLOCK)(
  'clocks that step and processes that are killed lose no revocation, and no decision of a process that stops gracefully',
  async () => {
    const { clock, ask, mint, issuer } = gate
    let served = await gate.start()
    const revoked: string[] = []
    const ids: string[] = []
    for (const [i, seconds] of STEPS.entries()) {
      await clock.set(seconds)
      const client = `agent-${i}`
      const token = await mint({ client_id: client })
      for (let k = 0; k < 20; k++) {
        const id = `request-${i}-${k}`
        const answer = await ask('/v1/x', token, { headers: { 'x-request-id': id } })
        expect(answer.status).toBe(200)
        ids.push(id)
      }
      const admin = await mint({ client_id: 'operator', scope: 'edgewarden:revoke' })
      const body = JSON.stringify({ kind: 'agent', issuer, value: client })
      const answer = await ask('/.edgewarden/revocations', admin, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      expect(answer.status).toBe(200)
      revoked.push(token)
      if (i % 3 !== 2) continue
      served.child.kill('SIGKILL')
      await served.ended()
      served = await gate.start()
      // What was not stored when the process was killed may be lost.
      ids.length = 0
    }
    for (const token of revoked)
      expect((await outcome(await ask('/v1/x', token))).code).toBe('token_revoked')
    await clock.set(-HOUR)
    served.child.kill('SIGTERM')
    expect(await served.ended()).toBe(0)
    await clock.set(0)
    served = await gate.start()
    for (const token of revoked) expect((await ask('/v1/x', token)).status).toBe(401)
    const reading = await mint({ client_id: 'operator', scope: 'edgewarden:audit:read' })
    const answer = await ask('/.edgewarden/decisions?limit=1000&decision=allowed', reading)
    const { decisions } = (await answer.json()) as { decisions: { request_id: string }[] }
    expect(decisions.map(({ request_id }) => request_id)).toEqual(expect.arrayContaining(ids))
  },
)

const COOLDOWN = 8_000

it('a herd of two hundred agents is accepted one cooldown after their issuer has a new key', async () => {
  const setting = await startSetting({ issuer: { jwks_cache: { cooldown: `${COOLDOWN}ms` } } })
  onTestFinished(() => setting.close())
  const use = async (token: string) => (await askGate(setting.gate, '/v1/x', { token })).status
  expect(await use(await setting.token())).toBe(200)
  await setting.issuer.rotate()
  const rotated = performance.now()
  const tokens = await Promise.all(
    Array.from({ length: 200 }, (_, i) => setting.token({ client_id: `agent-${i}` })),
  )
  await eventually(async () => {
    const statuses = await Promise.all(tokens.map(use))
    expect(new Set(statuses)).toEqual(new Set([200]))
  })
  // The rest is what 200 signatures and a busy machine take.
  expect(performance.now() - rotated).toBeLessThan(2 * COOLDOWN)
})

it('a set of revocations that hangs delays only the first request by six seconds', async () => {
  const setting = await startSetting(await clocked(MALFORMED))
  onTestFinished(() => setting.close())
  const use = async () => {
    const began = performance.now()
    const { status } = await outcome(
      await askGate(setting.gate, '/v1/x', { token: await setting.token() }),
    )
    return { status, took: performance.now() - began }
  }
  expect(await use()).toMatchObject({ status: 200 })
  await hang(setting.gate, 'lookup')
  expect(await use()).toMatchObject({ status: 503 })
  for (let i = 0; i < 5; i++) {
    const { status, took } = await use()
    expect(status).toBe(503)
    expect(took).toBeLessThan(4_000)
  }
  await hang(setting.gate)
  await eventually(async () => expect(await use()).toMatchObject({ status: 200 }))
})
