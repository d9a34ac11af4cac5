import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recordAt } from '../audit/record.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { askGate, startSetting } from './setting.ts'

const DECISIONS = '/.edgewarden/decisions'

interface Page {
  readonly decisions: readonly { readonly request_id: string }[]
  readonly cursor?: string
}

const OPTIONS = { durableObjects: WITH_AUDIT, issuer: { admin: 'all' } }

/** The request ids of all decisions that a query finds. */
const idsOf = async (gate: Gate, token: string, query: { readonly [name: string]: string }) => {
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const asked = new URLSearchParams({ limit: '1000', ...query, ...(cursor && { cursor }) })
    const response = await askGate(gate, `${DECISIONS}?${asked}`, { token })
    expect(response.status).toBe(200)
    const page = (await response.json()) as Page
    ids.push(...page.decisions.map(({ request_id }) => request_id))
    cursor = page.cursor
  } while (cursor !== undefined)
  return ids
}

describe('a gate that is killed under load', () => {
  it('has every decision that was stored, and none twice', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-audit-'))
    const setting = await startSetting(OPTIONS)
    const reader = await setting.token({ scope: 'edgewarden:audit:read' })
    const agent = await setting.token({ client_id: 'agent-load' })
    const weak = await setting.token({ client_id: 'agent-load', aud: 'https://other.example' })
    const sent: { readonly id: string; readonly at: number; readonly refused: boolean }[] = []
    const stored = new Set<string>()
    const lost: { readonly before: number; readonly refused: boolean }[] = []
    try {
      for (let round = 0; round < 10; round++) {
        const gate = await setting.another({ ...OPTIONS, dataDir })
        const begun = sent.length
        let isOver = false
        const load = Promise.all(
          [0, 1, 2, 3].map(async (lane) => {
            for (let i = 0; !isOver; i++) {
              const id = `load-${round}-${lane}-${i}`
              const refused = i % 10 === 9
              const response = await askGate(gate, '/v1/x', {
                token: refused ? weak : agent,
                headers: { 'x-request-id': id },
              }).catch(() => undefined)
              if (response && !isOver) sent.push({ id, at: Date.now(), refused })
            }
          }),
        )
        await new Promise((done) => setTimeout(done, 3_000 + 137 * round))
        for (const id of await idsOf(gate, reader, { agent: 'agent-load' })) stored.add(id)
        isOver = true
        const killed = Date.now()
        await gate.stop('SIGKILL')
        await load
        const again = await setting.another({ ...OPTIONS, dataDir })
        const found = await idsOf(again, reader, { agent: 'agent-load' })
        expect(new Set(found).size).toBe(found.length)
        const there = new Set(found)
        expect([...stored].filter((id) => !there.has(id))).toEqual([])
        for (const { id, at, refused } of sent.slice(begun)) {
          if (!there.has(id)) lost.push({ before: killed - at, refused })
        }
        await again.stop()
      }
      const most = (refused: boolean) =>
        Math.max(0, ...lost.filter((one) => one.refused === refused).map(({ before }) => before))
      console.log(
        `${sent.length} answered, ${lost.length} lost; allowed: at most ${most(false)} ms before the end, refused: ${most(true)} ms`,
      )
      expect(sent.length).toBeGreaterThan(500)
      expect(stored.size).toBeGreaterThan(sent.length / 4)
    } finally {
      await setting.close()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

describe('revocations of a gate that is killed', () => {
  it('are in the audit, each once', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-acts-'))
    const setting = await startSetting(OPTIONS)
    const answered: string[] = []
    try {
      const token = await setting.token({ scope: 'edgewarden:audit:read edgewarden:revoke' })
      for (let round = 0; round < 50; round++) {
        const gate = await setting.another({ ...OPTIONS, dataDir })
        let isOver = false
        const load = Promise.all(
          [0, 1].map(async (lane) => {
            for (let i = 0; !isOver; i++) {
              const id = `act-${round}-${lane}-${i}`
              const value = JSON.stringify({
                kind: 'agent',
                issuer: setting.issuer.issuer,
                value: id,
              })
              const response = await askGate(gate, '/.edgewarden/revocations', {
                method: 'POST',
                token,
                headers: { 'x-request-id': id, 'content-type': 'application/json' },
                body: value,
              }).catch(() => undefined)
              if (response?.status === 200) answered.push(id)
            }
          }),
        )
        await new Promise((done) => setTimeout(done, 200 + 31 * (round % 20)))
        isOver = true
        await gate.stop('SIGKILL')
        await load
      }
      const gate = await setting.another({ ...OPTIONS, dataDir })
      await askGate(gate, '/.edgewarden/revocations', { token })
      await eventually(async () => {
        const found = await idsOf(gate, token, { kind: 'act' })
        const acts = found.filter((id) => id.startsWith('act-'))
        expect(new Set(acts).size).toBe(acts.length)
        expect(answered.filter((id) => !acts.includes(id))).toEqual([])
      })
      console.log(`${answered.length} revocations answered in 50 kills`)
      expect(answered.length).toBeGreaterThan(50)
    } finally {
      await setting.close()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

describe('a million decisions in one shard', () => {
  it('are found by each filter', async () => {
    const setting = await startSetting({ ...OPTIONS, reaching: true })
    try {
      const reader = await setting.token({ scope: 'edgewarden:audit:read' })
      const start = Date.now() - 86_400_000
      const [batches, size] = [1_000, 1_000]
      const issuer = setting.issuer.issuer
      const append = (i: number) => {
        const known = Array.from({ length: size }, (_, j) => {
          const n = i * size + j
          const rare = n === 123_456 ? { subject: 'rare-subject', request_id: 'rare-request' } : {}
          const denied = n % 97 === 0 ? { decision: 'denied', code: 'scope_missing' } : {}
          const agent = `agent-${Math.floor(n / 100) % 500}`
          return recordAt(start + n * 80, { issuer, agent, ...denied, ...rare })
        })
        const batch = { known, strangers: [], retention: 30 * 86_400, maxBytes: 9e9, maxRows: 1e9 }
        return setting.gate.call('AUDIT_LOG', '0', 'append', { ...batch, id: `million-${i}` })
      }
      for (let i = 0; i < batches; i += 4) {
        await Promise.all([0, 1, 2, 3].map((lane) => append(i + lane)))
      }
      const timed = async (query: { readonly [name: string]: string }) => {
        const began = performance.now()
        const response = await askGate(setting.gate, `${DECISIONS}?${new URLSearchParams(query)}`, {
          token: reader,
        })
        const page = (await response.json()) as Page
        return [page.decisions.length, Math.round(performance.now() - began)] as const
      }
      await eventually(async () => expect((await timed({}))[0]).toBe(100))
      const found: { [name: string]: readonly [number, number] } = {}
      for (const [name, value] of Object.entries({
        agent: 'agent-7',
        subject: 'rare-subject',
        request_id: 'rare-request',
        code: 'scope_missing',
        rule: 'GET /v1/files/{id}',
        workflow: 'none',
        from: String((start + 80_000_000) / 1000 - 100),
      })) {
        found[name] = await timed({ [name]: value })
      }
      console.log(found)
      expect(found.subject?.[0]).toBe(1)
      expect(found.request_id?.[0]).toBe(1)
      expect(found.workflow?.[0]).toBe(0)
      expect(found.code?.[0]).toBe(100)
    } finally {
      await setting.close()
    }
  })
})
