import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it, vi } from 'vitest'
import type { AgentRegistry } from '../../../src/control/agents/object.ts'
import { leader } from '../../kit/shards.workerd.ts'

const { AGENTS } = env as unknown as { readonly AGENTS: DurableObjectNamespace<AgentRegistry> }

it('a change of an agent writes as many rows as the documentation says', async () => {
  const registry = AGENTS.getByName('registry')
  const rows = { registry: 0, set: 0 }
  const counting = (stub: DurableObjectStub, of: keyof typeof rows) =>
    runInDurableObject(stub, (_, { storage }) => {
      const { exec } = storage.sql
      vi.spyOn(storage.sql, 'exec').mockImplementation((...given) => {
        const cursor = exec.apply(storage.sql, given)
        rows[of] += cursor.rowsWritten
        return cursor
      })
      vi.spyOn(storage.kv, 'put').mockImplementation(() => void rows[of]++)
      vi.spyOn(storage, 'setAlarm').mockImplementation(async () => void rows[of]++)
    })
  const change = (act: 'put' | 'suspend') =>
    registry.change({ issuer: 'https://a.example', agent: 'a', act, at: 1, by: 'ops' })
  await change('put')
  await counting(registry, 'registry')
  await counting(leader(), 'set')
  await change('suspend')
  console.log(JSON.stringify(rows))
  expect(rows.registry).toBeLessThanOrEqual(4)
  expect(rows.set).toBeLessThanOrEqual(16)
})
