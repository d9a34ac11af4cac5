import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gate, VERSION } from '../kit/gate.ts'
import { type AskInit, askGate, type Setting, startSetting, withGate } from './setting.ts'

const ROUTES = [
  { match: 'GET /v1/watched', scopes: ['a:read'], mode: 'shadow' },
  { match: 'GET /v1/{id}', scopes: ['chat:write'] },
  { match: 'GET /public', access: 'public' },
]

let setting: Setting
let token: string
let asked = 0

beforeAll(async () => {
  setting = await startSetting({ routes: ROUTES })
  token = await setting.token()
})
afterAll(() => setting.close())

/** Asks, and gives the id its journal line would have. */
const ask = async (gate: Gate, path: string, init: AskInit = {}) => {
  const id = `sampling-${++asked}`
  const response = await askGate(gate, path, { ...init, headers: { 'x-request-id': id } })
  await response.text()
  return { id, status: response.status }
}

const lineOf = (gate: Gate, id: string) => gate.journalLine(({ request_id }) => request_id === id)

const withShare = (allowed: number, use: (gate: Gate) => Promise<void>) =>
  withGate(setting, { routes: ROUTES, gate: { journal: { allowed } } }, use)

/** Some of each kind, the denied ones last: lines come in the order of the decisions. */
const askAll = async (gate: Gate) => {
  const of = async (status: number, path: string, init?: AskInit) => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      const told = await ask(gate, path, init)
      expect(told.status).toBe(status)
      ids.push(told.id)
    }
    return ids
  }
  return {
    allowed: [
      ...(await of(200, '/v1/x', { token })),
      ...(await of(200, '/public')),
      ...(await of(200, '/.well-known/oauth-protected-resource')),
    ],
    wouldDeny: [...(await of(200, '/v1/watched', { token })), ...(await of(200, '/v1/watched'))],
    denied: [...(await of(401, '/v1/x')), ...(await of(404, '/nowhere'))],
  }
}

describe('GATE.journal', () => {
  it('of allowed = 0 has a line for every denial, and for no other request', async () => {
    await withShare(0, async (gate) => {
      const { denied, wouldDeny } = await askAll(gate)
      for (const id of denied) {
        expect((await lineOf(gate, id)).decision).toBe('denied')
      }
      for (const id of wouldDeny) {
        expect(await lineOf(gate, id)).toMatchObject({ decision: 'allowed', would_deny: true })
      }
      const written = gate.journal().filter(({ v }) => v === 1)
      expect(written.map((line) => line.request_id)).toEqual([...wouldDeny, ...denied])
    })
  })

  it('of allowed = 0 has a line for an allowed request that its origin failed', async () => {
    setting.origin.on('/v1/broken', (req) => req.socket.destroy())
    await withShare(0, async (gate) => {
      const { id } = await ask(gate, '/v1/broken', { token })
      expect(await lineOf(gate, id)).toMatchObject({
        decision: 'denied',
        code: 'origin_unreachable',
        agent: 'agent-1',
      })
    })
  })

  it('of allowed = 1 has a line for every request', async () => {
    await withShare(1, async (gate) => {
      const { allowed, wouldDeny, denied } = await askAll(gate)
      for (const id of denied) await lineOf(gate, id)
      const written = gate.journal().filter(({ v }) => v === 1)
      expect(written.map((line) => line.request_id)).toEqual([...allowed, ...wouldDeny, ...denied])
    })
  })

  it('of a share has some of the allowed', async () => {
    await withShare(0.5, async (gate) => {
      const ids: string[] = []
      for (let i = 0; i < 100; i++) ids.push((await ask(gate, '/v1/x', { token })).id)
      await lineOf(gate, (await ask(gate, '/v1/x')).id)
      const written = gate.journal().filter(({ request_id: id }) => ids.includes(String(id)))
      // How many is for a seeded test to say; all or none of a hundred is never chance.
      expect(written.length).toBeGreaterThan(0)
      expect(written.length).toBeLessThan(100)
    })
  })

  it.each([-0.1, 1.1, '1', null, true])('of %j makes the policy invalid', async (allowed) => {
    const options = { routes: ROUTES, gate: { journal: { allowed } } }
    await withGate(setting, options, async (gate) => {
      expect((await ask(gate, '/public')).status).toBe(503)
    })
  })
})

describe('the version of the deployment', () => {
  it('is in every line', async () => {
    for (const [path, init] of [
      ['/v1/x', { token }],
      ['/v1/x', {}],
      ['/v1/watched', {}],
      ['/nowhere', {}],
    ] as const) {
      const { id } = await ask(setting.gate, path, init)
      expect((await lineOf(setting.gate, id)).version).toBe(VERSION)
    }
  })

  it('is in the line of a broken policy', async () => {
    const options = { routes: ROUTES, gate: { no_such_key: 1 }, version: 'version-2' }
    await withGate(setting, options, async (gate) => {
      const { id, status } = await ask(gate, '/public')
      expect(status).toBe(503)
      expect(await lineOf(gate, id)).toMatchObject({ code: 'policy_invalid', version: 'version-2' })
    })
  })

  it('is left out where the platform does not tell it', async () => {
    await withGate(setting, { routes: ROUTES, version: false }, async (gate) => {
      const { id, status } = await ask(gate, '/public')
      expect(status).toBe(200)
      expect(await lineOf(gate, id)).not.toHaveProperty('version')
    })
  })
})
