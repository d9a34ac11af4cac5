import { describe, expect, it, type TestContext } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { PATIENCE } from '../kit/wait.ts'
import { type Setting, startSetting, until } from './setting.ts'
import { askOnce, kindsOf, type Seen, startTraffic } from './traffic.ts'

const COOLDOWN = 1_000
const FRESH = 2_000

const start = async (context: TestContext, times: Members): Promise<Setting> => {
  const setting = await startSetting({
    issuer: { jwks_cache: { cooldown: `${COOLDOWN}ms`, ...times } },
  })
  context.onTestFinished(() => setting.close())
  return setting
}

const passes = ({ status }: Seen) => status === 200

describe.concurrent('a key that is rotated in', () => {
  it('is used after the cooldown, while those before it go on', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: '1m' })
    const old = await token()
    const traffic = startTraffic(gate, 3, () => old)
    const unknown = await issuer.mint({}, { kid: 'guessed' })
    await until(
      () => askOnce(gate, unknown),
      () => issuer.requests.length === 2,
      PATIENCE,
    )
    await issuer.rotate()
    const next = await token()
    const answers = await until(() => askOnce(gate, next), passes, PATIENCE)
    for (const kind of kindsOf(answers)) expect(['200', '401 key_unknown']).toContain(kind)
    // The next question has healed.
    expect(issuer.requests).toHaveLength(3)
    expect(kindsOf(await traffic.end())).toEqual(['200'])
  })
})

describe.concurrent('a key that is withdrawn', () => {
  it('stops when the new one is known, also for tokens that passed before', async (context) => {
    const { gate, issuer, token } = await start(context, { max_fresh: `${FRESH}ms` })
    const old = issuer.key
    const passed = await token()
    await until(() => askOnce(gate, passed), passes, PATIENCE)
    const mintOld = () => issuer.mint({}, {}, { key: old })
    const traffic = startTraffic(gate, 3, (turn) => (turn % 2 === 0 ? passed : mintOld()))
    await issuer.rotate({ keep: false })
    await until(async () => askOnce(gate, await token()), passes, PATIENCE)
    const known = Date.now()
    const late = () => traffic.seen.filter(({ at }) => at > known)
    await until(
      async () => late(),
      ({ length }) => length >= 9,
      PATIENCE,
    )
    expect(kindsOf(await traffic.end())).toEqual(['200', '401 key_unknown'])
    expect(kindsOf(late())).toEqual(['401 key_unknown'])
    expect(kindsOf([await askOnce(gate, passed)])).toEqual(['401 key_unknown'])
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
      PATIENCE,
    )
    const [first, ...others] = issuer.requests
    expect(first?.header('if-none-match')).toBeUndefined()
    expect(new Set(others.map((one) => one.header('if-none-match')))).toEqual(new Set(['"one"']))
    await issuer.rotate()
    issuer.setHeaders({ etag: '"two"' })
    const next = await token()
    await until(() => askOnce(gate, next), passes, PATIENCE)
    expect(kindsOf(await traffic.end())).toEqual(['200'])
  })
})
