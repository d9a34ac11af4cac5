import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gate, VERSION } from '../kit/gate.ts'
import { type AskInit, askGate, type Setting, startSetting } from './setting.ts'

const ROUTES = [
  { match: 'GET /v1/watched', scopes: ['a:read'], mode: 'shadow' },
  { match: 'GET /v1/{id}', scopes: ['chat:write'] },
  { match: 'GET /public', access: 'public' },
]
const writing = (allowed: number) => ({ routes: ROUTES, gate: { journal: { allowed } } })

let setting: Setting
let token: string
let asked = 0

beforeAll(async () => {
  const unversioned = { ...writing(1), version: false } as const
  setting = await startSetting({
    ...writing(1),
    beside: [writing(0), writing(0.5), unversioned],
  })
  token = await setting.token()
})
afterAll(() => setting.close())

const beside = (index: number) => setting.gate.beside[index] as Gate

/** Asks, and gives the id its journal line would have. */
const ask = async (gate: Gate, status: number, path: string, init: AskInit = {}) => {
  const id = `sampling-${++asked}`
  const response = await askGate(gate, path, { ...init, headers: { 'x-request-id': id } })
  await response.text()
  expect(response.status).toBe(status)
  return id
}

const lineOf = (gate: Gate, id: string) => gate.journalLine(({ request_id }) => request_id === id)

/** The ids of those requests that have a line, in the order of the lines. */
const written = (gate: Gate, ids: readonly string[]) =>
  gate
    .journal()
    .map(({ request_id }) => String(request_id))
    .filter((id) => ids.includes(id))

it.each([0, 1])(
  'allowed = %i has a line for every denial, and for the allowed as it says',
  async (share) => {
    const gate = share === 0 ? beside(0) : setting.gate
    const allowed = [
      await ask(gate, 200, '/v1/x', { token }),
      await ask(gate, 200, '/public'),
      await ask(gate, 200, '/.well-known/oauth-protected-resource'),
    ]
    // The denied come last: lines come in the order of the decisions.
    const always = [
      await ask(gate, 200, '/v1/watched', { token }),
      await ask(gate, 200, '/v1/watched'),
      await ask(gate, 401, '/v1/x'),
      await ask(gate, 404, '/nowhere'),
    ]
    for (const id of always) expect((await lineOf(gate, id)).version).toBe(VERSION)
    const expected = share === 0 ? always : [...allowed, ...always]
    expect(written(gate, [...allowed, ...always])).toEqual(expected)
  },
)

it('an allowed request that its origin failed has a line in any case', async () => {
  setting.origin.on('/v1/broken', (req) => req.socket.destroy())
  const id = await ask(beside(0), 502, '/v1/broken', { token })
  expect(await lineOf(beside(0), id)).toMatchObject({
    ...{ decision: 'denied', code: 'origin_unreachable', agent: 'agent-1' },
  })
})

it('a share has some of the allowed', async () => {
  const ids: string[] = []
  for (let i = 0; i < 40; i++) ids.push(await ask(beside(1), 200, '/public'))
  await lineOf(beside(1), await ask(beside(1), 401, '/v1/x'))
  // How many is for a seeded test to say; all or none of forty is never chance.
  const { length } = written(beside(1), ids)
  expect(length).toBeGreaterThan(0)
  expect(length).toBeLessThan(40)
})

it('the version of the deployment is left out where the platform does not tell it', async () => {
  const id = await ask(beside(2), 200, '/public')
  expect(await lineOf(beside(2), id)).not.toHaveProperty('version')
})
