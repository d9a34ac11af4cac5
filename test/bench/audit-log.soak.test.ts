import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ObjectWorker, startObjects } from '../../dev/bench/object-worker.ts'

const disk = mkdtempSync(join(tmpdir(), 'edgewarden-audit-log-'))
let log: ObjectWorker
beforeAll(async () => {
  log = await startObjects({ module: 'audit-log', binding: 'AUDIT_LOG', key: 'audit', disk })
})
afterAll(async () => {
  await log.stop()
  rmSync(disk, { recursive: true, force: true })
})

it('is filled with what the audit itself can list, count and add to', async () => {
  await log.ask('fill', 0, 1, 8)
  await log.ask('fill', 1, 7, 8)
  expect(await log.ask('usual', 1)).toBe(25)
  expect(await log.ask('rare', 1)).toBe(1)
  expect(await log.ask('usage')).toBe(8 * 250)
  await log.ask('append', 1)
  expect(await log.ask('usage')).toBe(9 * 250)
})

it('fails where what is asked for is not so', async () => {
  await expect(log.ask('nothing')).rejects.toThrow('404')
})
