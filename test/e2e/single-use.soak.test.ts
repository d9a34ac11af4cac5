import { afterAll, beforeAll, expect, it } from 'vitest'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const ROUTES = [{ match: 'GET /v1/once', scopes: [], single_use: true }]

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    routes: ROUTES,
    beside: [{ routes: ROUTES }, { routes: ROUTES }],
  })
})
afterAll(() => setting.close())

it('a token that is good for one use passes once of many at once, over several isolates', async () => {
  const gates = [setting.gate, ...setting.gate.beside]
  expect(gates).toHaveLength(3)
  for (let round = 0; round < 50; round++) {
    setting.origin.clear()
    const token = await setting.token()
    const use = async (i: number) =>
      outcome(await askGate(gates[i % 3] ?? setting.gate, '/v1/once', { token }))
    const seen = await Promise.all(Array.from({ length: 60 }, (_, i) => use(i)))
    expect(seen.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(seen.filter(({ code }) => code === 'token_replayed')).toHaveLength(59)
    expect(setting.origin.requests).toHaveLength(1)
  }
})
