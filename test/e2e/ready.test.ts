import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { deployment } from '../kit/repository.ts'
import { type Setting, startSetting, until } from './setting.ts'
import { withShards } from './shards.ts'

/** Milliseconds that a probe waits at most, that its answer is kept, and what a slow machine adds. */
const PATIENCE = 4_000
const KEPT = 5_000
const SLACK = 1_500

let setting: Setting
let shards: Awaited<ReturnType<typeof withShards>>
beforeAll(async () => {
  shards = await withShards(inject('bundle'))
  setting = await startSetting({
    bundle: shards.path,
    durableObjects: { ...deployment().durableObjects, REVOCATIONS: 'TroubledShard' },
    reaching: true,
    gate: { revocation: { consistency: 'bounded', max_staleness: '1s', shards: 1 } },
  })
})
afterAll(async () => {
  await setting.close()
  await shards.remove()
})

const behave = (ways: object) => setting.gate.call('REVOCATIONS', '0', 'behave', ways)

const probe = async (signal?: AbortSignal) => {
  const sentAt = Date.now()
  const response = await setting.ask('/.edgewarden/ready', { ...(signal && { signal }) })
  const { checks } = (await response.json()) as { checks: object }
  return { status: response.status, checks, took: Date.now() - sentAt }
}

it('answers in time while the revocation set hangs, once for all who ask', async () => {
  expect((await probe()).status).toBe(200)
  await behave({ trouble: 'hangs' })
  await wait(KEPT)
  const gone = new AbortController()
  const left = probe(gone.signal).catch(() => 'left')
  await wait(200)
  const waiting = [probe(), probe(), probe()]
  await wait(200)
  gone.abort()
  expect(await left).toBe('left')
  for (const { status, checks, took } of await Promise.all(waiting)) {
    expect(status).toBe(503)
    expect(checks).toEqual({ policy: true, keys: true, revocations: false })
    expect(took).toBeLessThan(PATIENCE + SLACK)
  }
  const again = await probe()
  expect(again.status).toBe(503)
  expect(again.took).toBeLessThan(SLACK)
  await behave({})
  await until(probe, ({ status }) => status === 200, KEPT + PATIENCE + SLACK)
}, 40_000)
