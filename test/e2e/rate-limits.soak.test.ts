import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { expectExact } from './exact-limit.ts'
import { outcome, startSetting } from './setting.ts'

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

it('an exact limit takes no file for each agent', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-limiters-'))
  const routes = [{ match: 'GET /v1/x', scopes: [], rate_limit: { daily: 1 } }]
  const setting = await startSetting({ routes, dataDir })
  for (let i = 0; i < 400; i++) {
    const token = await setting.token({ sub: `agent-${i}`, client_id: `agent-${i}` })
    expect((await outcome(await setting.ask('/v1/x', { token }))).status).toBe(200)
  }
  await setting.close()
  const files = await readdir(dataDir, { recursive: true })
  const objects = files.filter((file) => /RateLimiter.*\/[0-9a-f]{64}\.sqlite$/.test(file))
  expect(objects.length).toBeGreaterThan(100)
  expect(objects.length).toBeLessThanOrEqual(256)
  await rm(dataDir, { recursive: true })
})
