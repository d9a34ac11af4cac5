import { describe, expect, it, onTestFinished } from 'vitest'
import { startGate } from '../kit/gate.ts'
import { createIssuer, type IssuerOptions } from '../kit/issuer.ts'
import { startOrigin } from '../kit/origin.ts'
import type { Members } from '../kit/signing.ts'
import { policyOf, startSetting, until } from './setting.ts'
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
    await until(ask, (seen) => seen.every(({ status }) => status === 200), 2_000)
    expect(issuer.requests).toHaveLength(2)
  })
})

describe('two deployments on one KV namespace', () => {
  /** Issuers of one name and one key id at different places, and a gate for each place. */
  const start = async (...places: readonly ((jwksUri: string) => Members)[]) => {
    const origin = await startOrigin()
    onTestFinished(() => origin.close())
    const options: IssuerOptions = { issuer: 'https://auth.localhost', kid: 'signing-key' }
    const issuers = await Promise.all(places.map(() => createIssuer(options)))
    const open = async (index: number, kv: true | Awaited<ReturnType<typeof startGate>>) => {
      const issuer = issuers[index]
      const place = places[index]
      if (!issuer || !place) throw new Error('no such place')
      const vars = policyOf({ issuer: place(issuer.jwksUri) }, issuer, origin)
      const gate = await startGate({ vars, kv })
      onTestFinished(() => gate.stop())
      return { gate, issuer, ask: async () => askOnce(gate, await issuer.mint()) }
    }
    for (const issuer of issuers) onTestFinished(() => issuer.close())
    return open
  }
  const stored = (gate: Awaited<ReturnType<typeof startGate>>, entries: number) =>
    until(
      () => gate.kv.list(),
      ({ length }) => length === entries,
      3_000,
    )
  const local = (jwks_uri: string) => ({ jwks_uri, allow_insecure_http: true })

  it('keep the keys of two places apart, whichever was there first', async () => {
    const open = await start(local, local)
    const one = await open(0, true)
    expect(kindsOf([await one.ask()])).toEqual(['200'])
    await stored(one.gate, 1)
    const other = await open(1, one.gate)
    const foreign = await one.issuer.mint()
    expect(kindsOf([await askOnce(other.gate, foreign)])).toEqual(['401 signature_invalid'])
    expect(kindsOf([await other.ask()])).toEqual(['200'])
    await stored(one.gate, 2)
    // Cold gates that have nothing but what is in KV.
    for (const index of [0, 1]) {
      const again = await open(index, one.gate)
      await again.issuer.fail('down')
      expect(kindsOf([await again.ask()])).toEqual(['200'])
      const others = index === 0 ? await other.issuer.mint() : foreign
      expect(kindsOf([await askOnce(again.gate, others)])).toEqual(['401 signature_invalid'])
    }
  })

  it('keep keys that came by plain http from one that wants https', async () => {
    const jwks_uri = 'https://nowhere.invalid/jwks'
    const open = await start(local, () => ({ jwks_uri, allow_insecure_http: undefined }))
    const development = await open(0, true)
    expect(kindsOf([await development.ask()])).toEqual(['200'])
    await stored(development.gate, 1)
    const production = await open(1, development.gate)
    const token = await development.issuer.mint()
    expect(kindsOf([await askOnce(production.gate, token)])).toEqual(['503 keys_unavailable'])
    expect(await development.gate.kv.list()).toHaveLength(1)
  })
})
