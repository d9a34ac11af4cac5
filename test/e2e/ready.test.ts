import { afterAll, beforeAll, expect, it } from 'vitest'
import { PATIENCE } from '../kit/wait.ts'
import { clocked, forward } from './keys-setting.ts'
import { type Setting, startSetting, until } from './setting.ts'

/** Milliseconds that an answer is given again. */
const KEPT = 5_000

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    ...(await clocked({ REVOCATIONS: 'TroubledShard' })),
    gate: { revocation: { consistency: 'bounded', max_staleness: '1s', shards: 1 } },
  })
})
afterAll(() => setting.close())

const behave = (ways: object) => setting.gate.call('REVOCATIONS', '0', 'behave', ways)

const probe = async (signal?: AbortSignal) => {
  const response = await setting.ask('/.edgewarden/ready', { ...(signal && { signal }) })
  const { checks } = (await response.json()) as { checks: object }
  return { status: response.status, checks }
}

it('answers in time while the revocation set hangs, also who asked with one that left', async () => {
  const ready = { status: 200, checks: { policy: true, keys: true, revocations: true } }
  const away = { status: 503, checks: { policy: true, keys: true, revocations: false } }
  expect(await probe()).toEqual(ready)
  await behave({ trouble: 'hangs' })
  await forward(setting.gate, KEPT)
  const gone = new AbortController()
  const left = probe(gone.signal).catch(() => 'left')
  const waiting = [probe(), probe(), probe()]
  // Connections are served in order: they wait by then.
  expect((await setting.ask('/.edgewarden/health')).status).toBe(200)
  gone.abort()
  expect(await left).toBe('left')
  // The set never answers, so that they would wait for ever.
  expect(await Promise.all(waiting)).toEqual([away, away, away])
  expect(await probe()).toEqual(away)
  await behave({})
  await forward(setting.gate, KEPT)
  await until(probe, ({ status }) => status === 200, PATIENCE)
})
