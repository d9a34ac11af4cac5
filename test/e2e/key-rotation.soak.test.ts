import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { type Setting, startSetting, until } from './setting.ts'
import { askOnce, kindsOf, type Seen, startTraffic } from './traffic.ts'

const COOLDOWN = 1_000
const FRESH = 2_000
/** Milliseconds that a busy machine may add. */
const SLACK = 1_000

const start = async (context: TestContext, times: Members): Promise<Setting> => {
  const setting = await startSetting({
    issuer: { jwks_cache: { cooldown: `${COOLDOWN}ms`, ...times } },
  })
  context.onTestFinished(() => setting.close())
  return setting
}

const passes = ({ status }: Seen) => status === 200

describe.concurrent('a key that is rotated in', () => {
  it('is used at once where the issuer was not asked a moment ago', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: '1m' })
    expect(kindsOf([await askOnce(gate, await token())])).toEqual(['200'])
    await wait(COOLDOWN + 100)
    await issuer.rotate()
    const all = await Promise.all([1, 2, 3, 4, 5].map(async () => askOnce(gate, await token())))
    expect(kindsOf(all)).toEqual(['200'])
    expect(issuer.requests).toHaveLength(2)
  })

  it('is used within the cooldown otherwise, while those before it go on', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: '1m' })
    const old = await token()
    const traffic = startTraffic(gate, 3, () => old)
    const unknown = await issuer.mint({}, { kid: 'guessed' })
    await until(
      () => askOnce(gate, unknown),
      () => issuer.requests.length === 2,
      COOLDOWN + SLACK,
    )
    await issuer.rotate()
    const next = await token()
    const rotated = Date.now()
    const answers = await until(() => askOnce(gate, next), passes, COOLDOWN + SLACK)
    expect(Date.now() - rotated).toBeLessThan(COOLDOWN + SLACK)
    expect(kindsOf(answers)).toEqual(['200', '401 key_unknown'])
    expect(kindsOf(await traffic.end())).toEqual(['200'])
  })
})

describe.concurrent('a key that is withdrawn', () => {
  it('stops within the fresh time, also for tokens that passed before', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: `${FRESH}ms` })
    const old = issuer.key
    const passed = await token()
    await until(() => askOnce(gate, passed), passes, SLACK)
    const mintOld = () => issuer.mint({}, {}, { key: old })
    const traffic = startTraffic(gate, 3, (turn) => (turn % 2 === 0 ? passed : mintOld()))
    await issuer.rotate({ keep: false })
    const withdrawn = Date.now()
    await until(async () => askOnce(gate, await token()), passes, COOLDOWN + SLACK)
    const late = () => traffic.seen.filter(({ at }) => at > withdrawn + FRESH)
    await until(
      async () => late(),
      ({ length }) => length >= 9,
      FRESH + 2 * SLACK,
    )
    expect(kindsOf(await traffic.end())).toEqual(['200', '401 key_unknown'])
    expect(kindsOf(late())).toEqual(['401 key_unknown'])
    expect(kindsOf([await askOnce(gate, passed)])).toEqual(['401 key_unknown'])
  })
})

describe.concurrent('a key that is withdrawn while nobody asks', () => {
  it('does not pass once more after the fresh time', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: `${FRESH}ms` })
    const passed = await token()
    expect(kindsOf([await askOnce(gate, passed)])).toEqual(['200'])
    await issuer.rotate({ keep: false })
    await wait(FRESH + 100)
    const tokens = [passed, await token()]
    const [old, next] = await Promise.all(tokens.map((one) => askOnce(gate, one)))
    expect([old?.code, next?.status]).toEqual(['key_unknown', 200])
    expect(issuer.requests).toHaveLength(2)
  })
})

describe.concurrent('a set that has not changed', () => {
  it('is asked for by its entity-tag, and goes on without being sent', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: `${FRESH}ms` })
    issuer.setHeaders({ etag: '"one"', 'cache-control': 'max-age=600' })
    const { key } = issuer
    const traffic = startTraffic(gate, 2, () => issuer.mint({}, {}, { key }))
    await until(
      async () => issuer.requests,
      ({ length }) => length >= 4,
      3 * FRESH,
    )
    const [first, ...others] = issuer.requests
    expect(first?.header('if-none-match')).toBeUndefined()
    expect(new Set(others.map((one) => one.header('if-none-match')))).toEqual(new Set(['"one"']))
    await issuer.rotate()
    issuer.setHeaders({ etag: '"two"' })
    const next = await token()
    await until(() => askOnce(gate, next), passes, FRESH + SLACK)
    expect(kindsOf(await traffic.end())).toEqual(['200'])
  })
})
