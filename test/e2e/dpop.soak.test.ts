import { afterAll, beforeAll, expect, it } from 'vitest'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const KEY = await createProofKey()

let setting: Setting
beforeAll(async () => {
  const gate = { in_flight: 2_000 }
  setting = await startSetting({ gate, beside: [{ gate }] })
})
afterAll(() => setting.close())

it('one proof, sent 1,000 times at once over two gates at one store, passes once', async () => {
  const gates = [setting.gate, ...setting.gate.beside]
  expect(gates).toHaveLength(2)
  const token = await setting.token({ cnf: { jkt: KEY.jkt } })
  for (let round = 0; round < 3; round++) {
    setting.origin.clear()
    const dpop = await proofOf(KEY, { url: `${RESOURCE}/v1/x`, token })
    const headers = { authorization: `DPoP ${token}`, dpop }
    const seen = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) =>
        outcome(await askGate(gates[i % 2] ?? setting.gate, '/v1/x', { headers })),
      ),
    )
    expect(seen.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(seen.filter(({ code }) => code === 'proof_replayed')).toHaveLength(999)
    expect(setting.origin.requests).toHaveLength(1)
  }
}, 120_000)
