import { randomBytes } from 'node:crypto'
import { describe, expect, it, type TestContext } from 'vitest'
import { type Flood, startFlood } from '../kit/flood.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { PATIENCE } from '../kit/wait.ts'
import { askGate, HOST, outcome, type Setting, startSetting, until } from './setting.ts'

const MANY = 10_000
const COOLDOWN = 1_000
/** Milliseconds a flood lasts at least: it meets the end of a cooldown several times. */
const LASTING = 5 * COOLDOWN

const HONEST = { 'cf-connecting-ip': '198.51.100.7' }

/** Where a flood comes from, over how many connections, and how many questions it may cause while it lasts. */
const FLOODS = [
  ['one address', 16, () => '203.0.113.9', () => 2],
  ['one /64 of IPv6', 2, () => `2001:db8:a:b:${words(4).join(':')}`, () => 2],
  ['everywhere', 2, () => randomBytes(4).join('.'), (ms: number) => ms / COOLDOWN + 1],
] as const

const words = (count: number) =>
  Array.from({ length: count }, () =>
    randomBytes(2)
      .toString('hex')
      .replace(/^0+(?=.)/, ''),
  )

const start = async (context: TestContext, issuer: Members): Promise<Setting> => {
  const setting = await startSetting({
    // The address is what Cloudflare says, as it is unless configured.
    gate: { client_ip: undefined },
    issuer,
  })
  context.onTestFinished(() => setting.close())
  return setting
}

/** Tokens that differ in their key id, with a signature that would have to be verified. */
const flood = ({ issuer, gate }: Setting, connections: number, address: () => string): Flood => {
  const claims = issuer.claims()
  const signature = randomBytes(64).toString('base64url')
  return startFlood(gate.port, connections, () => {
    const kid = randomBytes(9).toString('base64url')
    const token = issuer.unsigned({ alg: 'ES256', typ: 'at+jwt', kid }, claims, signature)
    const headers = { host: HOST, authorization: `Bearer ${token}` }
    return { path: '/v1/x', headers: { ...headers, 'cf-connecting-ip': address() } }
  })
}

/** What an honest agent gets: `200`, or a status and a code. */
const askOnce = async (gate: Gate, token: string) => {
  const { status, code } = await outcome(await askGate(gate, '/v1/x', { token, headers: HONEST }))
  return code ? `${status} ${code}` : `${status}`
}
const passes = (seen: string) => seen === '200'

describe('ten thousand tokens with random key ids', () => {
  it('reach the issuer with two questions at most, in a gate that knew no key', async (context) => {
    const setting = await start(context, {})
    const going = flood(setting, 16, () => '203.0.113.9')
    await going.reached(MANY)
    await going.end()
    expect([...going.answers.keys()]).toEqual(['401 key_unknown'])
    expect(setting.issuer.requests.length).toBeLessThanOrEqual(2)
    expect(await askOnce(setting.gate, await setting.token())).toBe('200')
  })
})

describe.concurrent.each(FLOODS)('random key ids from %s', (_name, connections, address, most) => {
  it('cause few questions, and delay no rotation beyond one cooldown', async (context) => {
    const setting = await start(context, { jwks_cache: { cooldown: `${COOLDOWN}ms` } })
    const { gate, issuer, token } = setting
    const old = await token()
    expect(await askOnce(gate, old)).toBe('200')
    const began = Date.now()
    const going = flood(setting, connections, address)
    // From here on a flood of one caller has had what it may have, and the honest one is on its own.
    await until(
      async () => issuer.requests.length > 2 || Date.now() > began + 3 * COOLDOWN,
      (isSpent) => isSpent,
      PATIENCE,
    )
    await issuer.rotate()
    const asked = issuer.requests.length
    const next = await token()
    await until(() => askOnce(gate, next), passes, PATIENCE)
    // The next question heals, and it was there for the honest to ask; one may come right after it.
    expect(issuer.requests.length - asked).toBeLessThanOrEqual(2)
    await until(
      async () => Date.now(),
      (now) => now > began + LASTING,
      PATIENCE,
    )
    await going.end()
    const lasted = Date.now() - began
    for (const token of [old, next]) {
      expect(await askOnce(gate, token)).toBe('200')
    }
    expect([...going.answers.keys()]).toEqual(['401 key_unknown'])
    // Beside them, the first set and the question that heals.
    expect(issuer.requests.length).toBeLessThanOrEqual(1 + most(lasted) + 1)
  })
})
