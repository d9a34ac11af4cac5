import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

/** Rules as docs/configuration/routes.md advises them for protocols that no rule reads. */
const ROUTES = [
  { match: 'GET /graphql', scopes: ['words:read'] },
  { match: 'POST /graphql', scopes: ['words:write'] },
  {
    match: 'GET /trusted/graphql',
    scopes: [],
    when: { condition: 'request.query.id in ["one-word", "all-words"]', query: ['id'] },
  },
  { match: 'POST /agent', scopes: ['tasks:send'] },
  { match: 'POST /agent/v1/message:send', scopes: ['tasks:send'] },
  { match: 'POST /agent/v1/tasks/{id}:cancel', scopes: ['tasks:cancel'] },
  { match: 'POST /words.v1.Words/Get', scopes: ['words:read'] },
  { match: 'POST /words.v1.Words/Delete', scopes: ['words:write'] },
]

let cards: Origin
let setting: Setting

beforeAll(async () => {
  cards = await startOrigin()
  setting = await startSetting({
    routes: [
      ...ROUTES,
      { match: 'GET /.well-known/agent-card.json', access: 'public' },
      { match: 'GET /agent/card.json', access: 'public', origin: cards.url },
    ],
  })
})
beforeEach(() => {
  setting.origin.clear()
  cards.clear()
})
afterAll(async () => {
  await setting?.close()
  await cards?.close()
})

/** The answer to a request with a token that has these scopes, and the body that the origin got. */
const asked = async (scope: string, method: string, path: string, body?: unknown) => {
  const before = setting.origin.requests.length
  const answer = await setting.ask(path, {
    method,
    token: await setting.token({ scope }),
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const [got] = setting.origin.requests.slice(before)
  await got?.finished()
  return { status: answer.status, text, got: got?.body }
}

describe('GraphQL', () => {
  const QUERY = { query: '{ word }' }
  const MUTATION = { query: 'mutation { deleteAll }' }

  it('is one rule for every operation: the gate forwards the body unread', async () => {
    for (const body of [QUERY, MUTATION, [QUERY, MUTATION], { query: '{ not GraphQL' }]) {
      const { status, got } = await asked('words:write', 'POST', '/graphql', body)
      expect([status, got]).toEqual([200, JSON.stringify(body)])
    }
  })

  it('can have a rule for GET, by which a server must not change anything', async () => {
    expect((await asked('words:read', 'GET', '/graphql?query=%7Bword%7D')).status).toBe(200)
    const { status, text, got } = await asked('words:read', 'POST', '/graphql', QUERY)
    expect([status, got]).toEqual([403, undefined])
    expect(text).toContain('scope_missing')
  })

  it('can have a condition on the id of a trusted document', async () => {
    const ask = async (query: string) => (await asked('', 'GET', `/trusted/graphql${query}`)).status
    expect(await ask('?id=one-word')).toBe(200)
    expect(await ask('?id=delete-all')).toBe(403)
    expect(await ask('?id=one-word&id=delete-all')).toBe(400)
    expect(await ask('?query=%7Bword%7D')).toBe(403)
  })
})

describe('A2A', () => {
  const call = (method: string) => ({ jsonrpc: '2.0', id: 1, method, params: {} })

  it('over JSON-RPC is one rule for every method', async () => {
    for (const method of ['message/send', 'tasks/cancel', 'tasks/pushNotificationConfig/set']) {
      const body = call(method)
      const { status, got } = await asked('tasks:send', 'POST', '/agent', body)
      expect([status, got]).toEqual([200, JSON.stringify(body)])
    }
  })

  it('over JSON-RPC without a version gets refusals as problems', async () => {
    const body = JSON.stringify(call('message/send'))
    const answer = await setting.ask('/agent', { method: 'POST', body })
    expect(await outcome(answer)).toEqual({ status: 401, code: 'credential_missing' })
  })

  it('over HTTP+JSON can have a rule for each operation', async () => {
    const ask = async (scope: string, path: string) =>
      (await asked(scope, 'POST', `/agent/v1/${path}`, {})).status
    expect(await ask('tasks:send', 'message:send')).toBe(200)
    expect(await ask('tasks:send', 'tasks/7:cancel')).toBe(403)
    expect(await ask('tasks:cancel', 'tasks/7:cancel')).toBe(200)
  })

  it('has a card that the gate forwards unread: its address leads around the gate', async () => {
    const around = `${setting.origin.url}/agent`
    const card = JSON.stringify({
      name: 'Words',
      supportedInterfaces: [{ url: around, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    })
    setting.origin.on('/.well-known/agent-card.json', reply(200, {}, card))
    const answer = await setting.ask('/.well-known/agent-card.json')
    expect(await answer.text()).toBe(card)
    // A client that follows it sends its token, and is not checked.
    const answered = await fetch(around, { method: 'POST', body: '{}' })
    expect(answered.status).toBe(200)
  })

  it('can have its card from another origin', async () => {
    cards.on('/agent/card.json', reply(200, {}, '{"name":"Words"}'))
    const answer = await setting.ask('/agent/card.json')
    expect(await answer.text()).toBe('{"name":"Words"}')
    expect(setting.origin.requests).toEqual([])
  })
})

describe('gRPC-web and Connect', () => {
  it('have the method in the path, so a rule can be for one method', async () => {
    const ask = async (method: string) =>
      (await asked('words:read', 'POST', `/words.v1.Words/${method}`, {})).status
    expect(await ask('Get')).toBe(200)
    expect(await ask('Delete')).toBe(403)
  })
})
