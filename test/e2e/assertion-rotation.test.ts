import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, type JSONWebKeySet, type JWK } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { PATIENCE } from '../kit/wait.ts'
import { keysOf, verified } from './asserting.ts'
import { clocked, forward } from './keys-setting.ts'
import { askGate, type Setting, type SettingOptions, startSetting, until } from './setting.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

let setting: Setting
let options: SettingOptions

beforeAll(async () => {
  options = await clocked()
  setting = await startSetting(options)
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

/** An origin that fetches the keys each half hour, and knows no others until it does so again. */
const startOrigin = () => {
  /** Milliseconds by which the gate's clock is ahead of ours. */
  let ahead = 0
  let kept: JSONWebKeySet | undefined
  const check = (text: string, keys: JSONWebKeySet) =>
    verified(text, keys, setting.origin.url, new Date(Date.now() + ahead))
  return {
    get ahead() {
      return ahead
    },
    /** Puts the clock of a gate forward; of one that has just started by `all` that has gone by. */
    async later(gate: Gate, ms: number, all = ms) {
      ahead += ms
      await forward(gate, all)
    },
    /** Has the gate ask the origin, which verifies by the keys that it has and then fetches them anew. */
    async turn(gate: Gate): Promise<string> {
      const iat = Math.floor((Date.now() + ahead) / 1000)
      const token = await setting.token({ iat })
      expect((await askGate(gate, '/v1/x', { token })).status).toBe(200)
      const text = setting.origin.requests.at(-1)?.header('x-agent-assertion') ?? ''
      const { protectedHeader } = await check(text, kept ?? (await keysOf(gate)))
      kept = await keysOf(gate)
      await check(text, kept)
      return protectedHeader.kid ?? ''
    },
  }
}

const kidsOf = async (gate: Gate) => (await keysOf(gate)).keys.map(({ kid }) => kid)

it('a key that was made is published an hour before it signs and an hour after, and no origin refuses', async () => {
  const { gate } = setting
  const origin = startOrigin()
  const old = await origin.turn(gate)
  await origin.later(gate, 30 * DAY - 95 * MINUTE)
  const signed: string[] = []
  const told: string[] = []
  for (let halfHours = 0; halfHours < 8; halfHours++) {
    signed.push(await origin.turn(gate))
    told.push(String((await kidsOf(gate)).length))
    await origin.later(gate, 30 * MINUTE)
  }
  const next = signed.at(-1) ?? ''
  expect(next).not.toBe(old)
  // A gate goes on with what it knows while it asks again, so that it may be a turn behind.
  expect(signed.join()).toMatch(new RegExp(`^(${old},){5,6}(${next},?)+$`))
  expect(told.join('')).toMatch(/^1+2222*1*$/)
  const goesOn = async () => {
    await origin.turn(gate)
    return kidsOf(gate)
  }
  await until(goesOn, (kids) => !kids.includes(old), PATIENCE)
  expect(await kidsOf(gate)).toContain(next)
})

it('a key that is brought takes the place of a made one and gives it back, and no origin refuses', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-rotation-'))
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    format: 'jwk',
  })
  const kid = await calculateJwkThumbprint(own as JWK)
  const secrets = { ASSERTION_KEYS: JSON.stringify({ keys: [own] }) }
  const origin = startOrigin()
  const deploy = async (more: SettingOptions, use: (gate: Gate) => Promise<void>) => {
    const gate = await setting.another({ ...options, ...more, dataDir })
    await origin.later(gate, 0, origin.ahead)
    await use(gate)
    await gate.stop()
  }
  let made = ''
  await deploy({}, async (gate) => {
    made = await origin.turn(gate)
    expect(await kidsOf(gate)).toEqual([made])
  })
  await deploy({ secrets }, async (gate) => {
    const signed: string[] = []
    for (let halfHours = 0; halfHours < 4; halfHours++) {
      signed.push(await origin.turn(gate))
      expect(await kidsOf(gate)).toEqual(expect.arrayContaining([made, kid]))
      await origin.later(gate, 31 * MINUTE)
    }
    expect(signed.join()).toMatch(new RegExp(`^(${made},){2,3}(${kid},?)+$`))
  })
  await deploy({}, async (gate) => {
    // It stood by, so that origins know it.
    expect(await origin.turn(gate)).toBe(made)
    expect(await kidsOf(gate)).toEqual(expect.arrayContaining([made, kid]))
    await origin.later(gate, 63 * MINUTE)
    expect(await origin.turn(gate)).toBe(made)
    await until(
      () => kidsOf(gate),
      (kids) => kids.join() === made,
      PATIENCE,
    )
  })
  await rm(dataDir, { recursive: true, force: true })
})
