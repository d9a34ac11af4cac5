import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { createIssuer, type IssuerOptions } from '../kit/issuer.ts'
import { PATIENCE } from '../kit/wait.ts'
import {
  ALLOWED,
  clocked,
  type Issued,
  makePatient,
  type Outcome,
  startIssued,
  UNAVAILABLE,
} from './keys-setting.ts'
import { askGate, outcome, startSetting, until } from './setting.ts'

describe('isolates that share one keeper of keys', () => {
  let setting: Issued
  let gates: readonly Gate[]

  beforeAll(async () => {
    const entry = { jwks_cache: { cooldown: '1s' } }
    const wanted = { once: entry, outage: entry, rotation: entry }
    setting = await startIssued(wanted, await clocked(), 2)
    // So that nothing but the keeper is shared.
    await setting.gate.kv.fail(500)
    gates = [setting.gate, ...setting.gate.beside]
    expect(gates).toHaveLength(3)
    await makePatient(setting.gate)
  })
  afterAll(() => setting.close())

  /** What so many requests at each of them come to, each kind once. */
  const askAll = async (name: string, times = 1) => {
    const asks = gates.flatMap((gate) => Array.from({ length: times }, () => gate))
    const answers = await Promise.all(asks.map((gate) => setting.use(name, { gate })))
    return [...new Set(answers.map((one) => JSON.stringify(one)))].map(
      (one): Outcome => ({ code: undefined, ...JSON.parse(one) }),
    )
  }

  it('ask the issuer once, with many first requests at each at once', async () => {
    expect(await askAll('once', 10)).toEqual([ALLOWED])
    expect(setting.of('once').requests).toHaveLength(1)
  })

  it('learn of an outage from each other', async () => {
    await setting.of('outage').fail(503)
    for (const gate of gates) expect(await setting.use('outage', { gate })).toEqual(UNAVAILABLE)
    expect(setting.of('outage').requests).toHaveLength(1)
  })

  it('learn of a rotation from each other', async () => {
    expect(await askAll('rotation')).toEqual([ALLOWED])
    await setting.of('rotation').rotate()
    await until(
      () => askAll('rotation'),
      ([first, ...others]) => first?.status === 200 && others.length === 0,
      PATIENCE,
    )
    expect(setting.of('rotation').requests).toHaveLength(2)
  })
})

describe('deployments on one KV namespace', () => {
  /** Issuers of one name and one key id at different places. */
  const SAME: IssuerOptions = { issuer: 'https://auth.localhost', kid: 'signing-key' }
  const INVALID = { status: 401, code: 'signature_invalid' }

  it('keep the keys of two places apart, and those that came by plain http from https', async () => {
    const elsewhere = await createIssuer(SAME)
    onTestFinished(() => elsewhere.close())
    const secure = { jwks_uri: 'https://nowhere.invalid/jwks', allow_insecure_http: undefined }
    const other = { issuer: { jwks_uri: elsewhere.jwksUri } }
    const setting = await startSetting({ signing: SAME, beside: [other, { issuer: secure }] })
    onTestFinished(() => setting.close())
    const [there, production] = setting.gate.beside as [Gate, Gate]
    const use = async (gate: Gate, token: string) =>
      outcome(await askGate(gate, '/v1/x', { token }))
    const stored = async (entries: number) => {
      const list = () => setting.gate.kv.list()
      await until(list, ({ length }) => length === entries, PATIENCE)
    }
    const [own, foreign] = [await setting.token(), await elsewhere.mint()]

    expect(await use(setting.gate, own)).toEqual(ALLOWED)
    await stored(1)
    expect(await use(production, own)).toEqual(UNAVAILABLE)
    await stored(1)
    expect(await use(there, own)).toEqual(INVALID)
    expect(await use(there, foreign)).toEqual(ALLOWED)
    await stored(2)

    // Cold gates that have nothing but what is in KV, while neither issuer can be asked.
    await Promise.all([setting.issuer.fail('down'), elsewhere.fail('down')])
    const again = await setting.another({ kv: setting.gate, beside: [other, { issuer: secure }] })
    const [thereAgain, productionAgain] = again.beside as [Gate, Gate]
    expect(await use(again, own)).toEqual(ALLOWED)
    expect(await use(again, foreign)).toEqual(INVALID)
    expect(await use(thereAgain, foreign)).toEqual(ALLOWED)
    expect(await use(thereAgain, own)).toEqual(INVALID)
    expect(await use(productionAgain, own)).toEqual(UNAVAILABLE)
  })
})
