import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gate, VERSION } from '../kit/gate.ts'
import { type AskInit, askGate, type Setting, startSetting } from './setting.ts'

const ROUTES = [
  { match: 'GET /v1/watched', scopes: ['a:read'], mode: 'shadow' },
  { match: 'GET /v1/{id}', scopes: ['chat:write'] },
  { match: 'GET /public', access: 'public' },
]

let setting: Setting
/** Gates by what they write of the allowed; the last two are of other deployments. */
let all: Gate
let none: Gate
let some: Gate
let broken: Gate
let unversioned: Gate
let token: string
let asked = 0

beforeAll(async () => {
  const writing = (allowed: number) => ({ routes: ROUTES, gate: { journal: { allowed } } })
  setting = await startSetting({
    ...writing(1),
    beside: [
      writing(0),
      writing(0.5),
      { ...writing(-0.1), version: 'version-2' },
      { ...writing(1), version: false },
    ],
  })
  const [first, second, third, fourth] = setting.gate.beside as [Gate, Gate, Gate, Gate]
  all = setting.gate
  none = first
  some = second
  broken = third
  unversioned = fourth
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

/** The ids of those requests that have a line, in the order of the lines. */
const written = (gate: Gate, ids: readonly string[]) =>
  gate
    .journal()
    .map(({ request_id }) => String(request_id))
    .filter((id) => ids.includes(id))

/** Some of each kind, the denied ones last: lines come in the order of the decisions. */
const askAll = async (gate: Gate) => {
  const of = async (status: number, path: string, init?: AskInit) => {
    const ids: string[] = []
    for (let i = 0; i < 2; i++) {
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
    const { allowed, denied, wouldDeny } = await askAll(none)
    for (const id of denied) {
      expect((await lineOf(none, id)).decision).toBe('denied')
    }
    for (const id of wouldDeny) {
      expect(await lineOf(none, id)).toMatchObject({ decision: 'allowed', would_deny: true })
    }
    const expected = [...wouldDeny, ...denied]
    expect(written(none, [...allowed, ...expected])).toEqual(expected)
  })

  it('of allowed = 0 has a line for an allowed request that its origin failed', async () => {
    setting.origin.on('/v1/broken', (req) => req.socket.destroy())
    const { id } = await ask(none, '/v1/broken', { token })
    expect(await lineOf(none, id)).toMatchObject({
      decision: 'denied',
      code: 'origin_unreachable',
      agent: 'agent-1',
    })
  })

  it('of allowed = 1 has a line for every request', async () => {
    const { allowed, wouldDeny, denied } = await askAll(all)
    for (const id of denied) await lineOf(all, id)
    const expected = [...allowed, ...wouldDeny, ...denied]
    expect(written(all, expected)).toEqual(expected)
  })

  it('of a share has some of the allowed', async () => {
    const ids: string[] = []
    for (let i = 0; i < 40; i++) ids.push((await ask(some, '/public')).id)
    await lineOf(some, (await ask(some, '/v1/x')).id)
    // How many is for a seeded test to say; all or none of forty is never chance.
    const { length } = written(some, ids)
    expect(length).toBeGreaterThan(0)
    expect(length).toBeLessThan(40)
  })

  it('of less than none makes the policy invalid', async () => {
    expect((await ask(broken, '/public')).status).toBe(503)
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
      const { id } = await ask(all, path, init)
      expect((await lineOf(all, id)).version).toBe(VERSION)
    }
  })

  it('is in the line of a broken policy', async () => {
    const { id, status } = await ask(broken, '/public')
    expect(status).toBe(503)
    expect(await lineOf(broken, id)).toMatchObject({ code: 'policy_invalid', version: 'version-2' })
  })

  it('is left out where the platform does not tell it', async () => {
    const { id, status } = await ask(unversioned, '/public')
    expect(status).toBe(200)
    expect(await lineOf(unversioned, id)).not.toHaveProperty('version')
  })
})
