import { describe, expect, it, onTestFinished } from 'vitest'
import { PATIENCE } from '../kit/wait.ts'
import { startSetting, until } from './setting.ts'
import { askOnce, kindsOf } from './traffic.ts'

const FIRST = 50

describe('five processes that share one keeper of keys', () => {
  it('ask the issuer once, with fifty first requests at each at once', async () => {
    const setting = await startSetting({ sharing: true })
    onTestFinished(() => setting.close())
    const { gate, issuer, token } = setting
    // Each has a KV namespace of its own, so that nothing but the keeper is shared.
    const others = await Promise.all([1, 2, 3, 4].map(() => setting.another({ keeper: gate })))
    const tokens = await Promise.all(Array.from({ length: FIRST }, () => token()))
    const all = [gate, ...others].flatMap((one) => tokens.map((bearer) => askOnce(one, bearer)))
    expect(kindsOf(await Promise.all(all))).toEqual(['200'])
    expect(issuer.requests).toHaveLength(1)
  })

  it('learn of an outage from each other', async () => {
    const setting = await startSetting({ sharing: true })
    onTestFinished(() => setting.close())
    const { gate, issuer, token } = setting
    const others = await Promise.all([1, 2, 3, 4].map(() => setting.another({ keeper: gate })))
    await issuer.fail(503)
    const seen = []
    for (const one of [gate, ...others]) seen.push(await askOnce(one, await token()))
    expect(kindsOf(seen)).toEqual(['503 keys_unavailable'])
    expect(issuer.requests).toHaveLength(1)
  })

  it('learn of a rotation from each other', async () => {
    const times = { issuer: { jwks_cache: { cooldown: '1s' } } }
    const setting = await startSetting({ ...times, sharing: true })
    onTestFinished(() => setting.close())
    const { gate, issuer, token } = setting
    const others = await Promise.all(
      [1, 2, 3, 4].map(() => setting.another({ ...times, keeper: gate })),
    )
    const gates = [gate, ...others]
    const ask = async () => {
      const bearer = await token()
      return Promise.all(gates.map((one) => askOnce(one, bearer)))
    }
    expect(kindsOf(await ask())).toEqual(['200'])
    await issuer.rotate()
    await until(ask, (seen) => seen.every(({ status }) => status === 200), PATIENCE)
    expect(issuer.requests).toHaveLength(2)
  })
})
