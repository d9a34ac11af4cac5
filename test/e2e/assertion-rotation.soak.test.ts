import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { cachingVerifier, keysOf, withKeyTimes } from './asserting.ts'
import { askGate, type Setting, startSetting, until } from './setting.ts'

/** Milliseconds, in the order of the real ones: an hour is six seconds. */
const TIMES = { ahead: 6_000, after: 6_400, rotation: 12_000, fresh: 800, usable: 4_800 }
/** How long the origin keeps the keys it has fetched. */
const KEPT = 2_000

let setting: Setting
let worker: Awaited<ReturnType<typeof withKeyTimes>>
let dataDir: string

beforeAll(async () => {
  worker = await withKeyTimes(inject('bundle'), TIMES)
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-rotation-'))
  setting = await startSetting()
})
afterAll(async () => {
  await setting.close()
  await worker.remove()
  await rm(dataDir, { recursive: true, force: true })
})

const jwk = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })

/** What the origin has found: the keys it met, in order, and why it refused. */
const startOriginCheck = (gate: () => Gate) => {
  const verify = cachingVerifier(gate, setting.origin.url, KEPT)
  const met: string[] = []
  const refused: unknown[] = []
  let last = ''
  setting.origin.on('*', async (_req, res, recorded) => {
    try {
      const { protectedHeader } = await verify(recorded.header('x-agent-assertion') ?? '')
      const { kid = '' } = protectedHeader
      if (!met.includes(kid)) met.push(kid)
      last = kid
      res.writeHead(200).end()
    } catch (error) {
      refused.push(error)
      res.writeHead(401).end()
    }
  })
  return {
    met,
    refused,
    get last() {
      return last
    },
  }
}

/** Asks all the time, by several agents at once and each at least once, until it is enough. */
const ask = async (gate: Gate, isEnough: () => boolean) => {
  const tokens = await Promise.all(Array.from({ length: 4 }, () => setting.token()))
  const statuses = new Set<number>()
  let count = 0
  const end = Date.now() + 120_000
  const asking = tokens.map(async (token) => {
    do {
      statuses.add((await askGate(gate, '/v1/x', { token })).status)
      count++
      // Often enough to meet every moment of a rotation, and no load that others would wait for.
      await pause(40)
    } while (!isEnough() && Date.now() < end)
  })
  await Promise.all(asking)
  return { statuses: [...statuses], count }
}

it('keys that are made are rotated under load, and no origin refuses', async () => {
  const gate = await setting.another({ bundle: worker.path })
  const { met, refused } = startOriginCheck(() => gate)
  const { statuses, count } = await ask(gate, () => met.length === 3)
  expect(refused).toEqual([])
  expect(statuses).toEqual([200])
  expect(met).toHaveLength(3)
  expect(count).toBeGreaterThan(10)
  await gate.stop()
})

it('keys that are brought take the place of made ones, and of each other', async () => {
  const [first, second] = [jwk(), jwk()]
  let gate: Gate | undefined
  const { met, refused } = startOriginCheck(() => gate as Gate)
  /** Deploys with these keys in the secret, and asks until the origin has met another one. */
  const deploy = async (keys: readonly object[], known: number) => {
    await gate?.stop()
    gate = await setting.another({
      bundle: worker.path,
      dataDir,
      ...(keys.length > 0 && { secrets: { ASSERTION_KEYS: JSON.stringify({ keys }) } }),
    })
    const { statuses } = await ask(gate, () => met.length === known)
    expect(refused).toEqual([])
    expect(statuses).toEqual([200])
    expect(met).toHaveLength(known)
    return gate
  }
  await deploy([], 1)
  await deploy([first], 2)
  await deploy([second, first], 3)
  const last = await deploy([second], 3)
  // The one that was taken out is published until its assertions have ended.
  const published = async () => (await keysOf(last)).keys.map(({ x }) => x)
  const told = await until(published, (xs) => !xs.includes(first.x), 60_000)
  expect(told[0]).toContain(first.x)
  expect(told.at(-1)).toContain(second.x)
  await last.stop()
})

it('made keys take the place of brought ones at once, and give it back, and no origin refuses', async () => {
  const own = jwk()
  const kid = await calculateJwkThumbprint(own as JWK)
  // Two deployments of one gate, side by side; which of them is asked is what changes.
  const brought = await setting.another({
    bundle: worker.path,
    secrets: { ASSERTION_KEYS: JSON.stringify({ keys: [own] }) },
    beside: [{ secrets: {} }],
  })
  const [made] = brought.beside
  if (!made) throw new Error('no gate beside')
  let gate = brought
  const check = startOriginCheck(() => gate)
  const askUntil = async (isEnough: () => boolean) => {
    const { statuses, count } = await ask(gate, isEnough)
    expect(check.refused).toEqual([])
    expect(statuses).toEqual([200])
    return count
  }

  await askUntil(() => check.met.length > 0)
  expect(check.met).toEqual([kid])
  // Whoever keeps keys for so long has now seen what stands by.
  const seen = Date.now() + KEPT
  expect(await askUntil(() => Date.now() > seen)).toBeGreaterThan(0)
  expect(check.met).toEqual([kid])
  const published = async () => (await keysOf(gate)).keys.map((key) => key.kid)
  const before = await published()

  gate = made
  await askUntil(() => check.met.length > 1)
  expect(before).toContain(check.met[1])
  // The brought one is published no more, so that it is new when it comes back.
  let isGone = false
  const going = until(published, (kids) => !kids.includes(kid), 60_000)
  await Promise.all([going.then(() => (isGone = true)), askUntil(() => isGone)])

  gate = brought
  await askUntil(() => check.last === kid)
  await brought.stop()
})

it('an assertion that is on its way when its key goes is still good', async () => {
  const gate = await setting.another({ bundle: worker.path })
  const { met } = startOriginCheck(() => gate)
  await ask(gate, () => met.length === 1)
  const text = setting.origin.requests.at(-1)?.header('x-agent-assertion') ?? ''
  await ask(gate, () => met.length === 2)
  // By keys that are fetched only now.
  const verify = cachingVerifier(() => gate, setting.origin.url, KEPT)
  await expect(verify(text)).resolves.toMatchObject({ protectedHeader: { kid: met[0] } })
  await gate.stop()
})
