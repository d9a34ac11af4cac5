import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AuditLog } from '../../../src/control/audit/object.ts'
import { recordAt } from './record.ts'

const { AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

afterEach(() => void vi.restoreAllMocks())

describe('the object that keeps decisions', () => {
  it('writes at most 0.3 rows a decision at 100 a second, deletions included', async () => {
    const written = await runInDurableObject(
      AUDIT_LOG.getByName('billed'),
      async (object, { storage }) => {
        let rows = 0
        const { exec } = storage.sql
        vi.spyOn(storage.sql, 'exec').mockImplementation((...given) => {
          const cursor = exec.apply(storage.sql, given)
          const text = String(given[0])
          if (/^(?:INSERT|DELETE)/.test(text)) rows += cursor.rowsWritten
          return cursor
        })
        const alarms = vi.spyOn(storage, 'setAlarm')
        // Two seconds of 20 isolates with five requests a second each, at every moment of each second.
        await Promise.all(
          Array.from({ length: 40 }, async (_, i) => {
            await new Promise((done) => setTimeout(done, i * 50))
            await object.append({
              id: crypto.randomUUID(),
              known: Array.from({ length: 5 }, () => recordAt(Date.now())),
              strangers: [],
              retention: 86_400,
              maxBytes: 1e9,
              maxRows: Number.POSITIVE_INFINITY,
            })
          }),
        )
        vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3 * 86_400_000)
        await object.alarm()
        expect(storage.sql.exec('SELECT id FROM known').toArray()).toEqual([])
        return rows + alarms.mock.calls.length
      },
    )
    expect(written / 200).toBeLessThanOrEqual(0.3)
    expect(written).toBeGreaterThan(2)
  })
})
