import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it, vi } from 'vitest'
import type { AgentRegistry } from '../../../src/control/agents/object.ts'
import { createSightings } from '../../../src/control/agents/sightings.ts'
import { readRecord } from '../../../src/control/records/terms.ts'
import { recordAt } from '../audit/record.ts'
import { sqlOf } from './support.workerd.ts'

const { AGENTS } = env as unknown as { readonly AGENTS: DurableObjectNamespace<AgentRegistry> }

const TERMS = { prefix: '/.edgewarden', maxRows: Number.POSITIVE_INFINITY }
const ISSUERS = Array.from({ length: 10 }, (_, i) => `https://auth-${i}.example`)
const HOUR = 3_600_000
const START = Date.UTC(2030, 0, 1)

/** What the audit tells of some agents of an issuer that each sent a request. */
const sightings = (issuer: string, from: number, count: number, at: number) => {
  const gathered = createSightings()
  for (let i = from; i < from + count; i++) {
    gathered.add(readRecord(recordAt(at, { issuer, agent: `agent-${i}` })), TERMS)
  }
  return gathered.take()
}

it('discovers 100,000 agents under the limit of each issuer, and forgets none that was approved', async () => {
  const registry = AGENTS.getByName('registry')
  const count = async () =>
    sqlOf(registry, "SELECT count(*) AS all_, sum(status = 'approved') AS approved FROM agents")
  await registry.observe(sightings('https://auth-0.example', 0, 10, START), TERMS)
  for (let i = 0; i < 10; i++) {
    const key = { issuer: 'https://auth-0.example', agent: `agent-${i}` }
    await registry.change({ ...key, act: 'put', status: 'approved', match: '*', at: 1, by: 'ops' })
  }
  let rows = 0
  await runInDurableObject(registry, (_, { storage }) => {
    const { exec } = storage.sql
    vi.spyOn(storage.sql, 'exec').mockImplementation((...given) => {
      const cursor = exec.apply(storage.sql, given)
      if (/^\s*(?:INSERT|DELETE|UPDATE)/.test(String(given[0]))) rows += cursor.rowsWritten
      return cursor
    })
  })
  for (let from = 0; from < 10_000; from += 1_000) {
    for (const issuer of ISSUERS) {
      await registry.observe(sightings(issuer, from, 1_000, START + from), TERMS)
    }
  }
  expect(await count()).toEqual([{ all_: 100_000, approved: 10 }])
  expect(rows).toBeLessThan(100_100)
  // All again within ten minutes: nothing is written.
  rows = 0
  for (const issuer of ISSUERS)
    await registry.observe(sightings(issuer, 0, 2_000, START + 1), TERMS)
  expect(rows).toBe(0)
  // A tenant mints 5,000 more.
  await registry.observe(sightings('https://auth-0.example', 20_000, 2_000, START + HOUR), TERMS)
  await registry.observe(sightings('https://auth-0.example', 30_000, 2_000, START + HOUR), TERMS)
  const [after] = await count()
  expect(after?.approved).toBe(10)
  expect(Number(after?.all_)).toBeLessThanOrEqual(100_010)
  expect(Number(after?.all_)).toBeGreaterThan(99_000)
  const size = await runInDurableObject(registry, (_, { storage }) => storage.sql.databaseSize)
  expect(size).toBeLessThan(150e6)
  console.log(`agents: ${after?.all_}, bytes: ${size}`)
}, 300_000)
