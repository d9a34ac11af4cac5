import { expect, it } from 'vitest'
import { expectExact } from './exact-limit.ts'
import { startSetting } from './setting.ts'

it('an exact limit lets exactly a hundred of a thousand through, a hundred at once, each time', async () => {
  const routes = [{ match: 'GET /v1/x', scopes: [], rate_limit: { limit: 100, period: '1d' } }]
  const setting = await startSetting({ routes, beside: [{ routes }] })
  try {
    for (let i = 0; i < 2; i++) {
      setting.origin.clear()
      const token = await setting.token({ sub: `agent-${i}`, client_id: `agent-${i}` })
      await expectExact(setting, '/v1/x', { token, limit: 100, times: 1_000 })
    }
    expect(setting.origin.requests).toHaveLength(100)
  } finally {
    await setting.close()
  }
})
