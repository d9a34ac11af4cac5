import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { createKey, type Members, type SigningKey, sign } from '../kit/signing.ts'
import { type Setting, startSetting } from './setting.ts'

const GITHUB = 'https://token.actions.githubusercontent.com'
const RESOURCE = 'https://api.example.com'
const OWNED = { repository_owner_id: '456' }

/** What is granted; each by its claims alone. */
const GRANTS: readonly Members[] = [
  {
    issuer: 'github',
    claims: { repository_id: '123', ref: 'refs/heads/main' },
    scopes: ['documents:read'],
    agent_type: 'ci',
    agent_id: 'repo:{repository_id}',
  },
  { issuer: 'github', claims: { environment: 'production' }, scopes: ['documents:write'] },
  { issuer: 'github', claims: { event_name: 'schedule' }, scopes: [], agent_type: 'cron' },
  { issuer: 'acme', claims: { groups: 'readers' }, scopes: ['documents:read'] },
]

const ROUTES: readonly Members[] = [
  { match: 'GET /v1/documents', scopes: ['documents:read'] },
  { match: 'PUT /v1/documents', scopes: ['documents:write'] },
  {
    match: 'POST /mcp',
    scopes: ['documents:read'],
    mcp: { tools: { look: [], change: ['documents:write'] } },
  },
]

let setting: Setting
let key: SigningKey
const issuers = () => ({
  github: {
    issuer: GITHUB,
    jwks: { keys: [key.jwk] },
    profile: 'generic',
    agent_id: 'sub',
    agent_prefix: 'gh/',
    claims: OWNED,
    scopes_from: 'grants',
  },
})
beforeAll(async () => {
  key = await createKey('RS256')
  const more = { ISSUERS_GITHUB: issuers(), GRANTS }
  const issuer = { agent_prefix: 'acme/', admin: 'own', scopes_from: 'both' }
  setting = await startSetting({ issuer, routes: ROUTES, more })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting?.close())

/** A token of a job, as GitHub's documentation has it, with these claims laid over it. */
const job = (claims: Members = {}): Promise<string> => {
  const now = Math.floor(Date.now() / 1000)
  const repository = { repository_id: '123', repository: 'octo-org/octo-repo', ...OWNED }
  const run = { run_id: '7', event_name: 'workflow_dispatch', ref: 'refs/heads/main' }
  const sub = 'repo:octo-org/octo-repo:ref:refs/heads/main'
  const times = { iat: now, nbf: now - 5, exp: now + 300 }
  const all = { iss: GITHUB, aud: RESOURCE, sub, ...repository, ...run, ...times, ...claims }
  return sign({ typ: 'JWT', kid: key.kid }, all, key)
}

const ask = async (path: string, claims: Members = {}, method = 'GET') =>
  setting.ask(path, { method, token: await job(claims) })

describe('a job’s token', () => {
  it('has the scopes of all grants that fit', async () => {
    const claims = { environment: 'production' }
    expect((await ask('/v1/documents', claims, 'PUT')).status).toBe(200)
    const [request] = setting.origin.requests
    expect(request?.header('x-agent-scope')).toBe('documents:read documents:write')
    expect(request?.header('x-agent-grant')).toBe('documents:write')
  })

  it('sees and calls only the tools of an MCP server that its grants allow', async () => {
    const send = async (method: string, params: Members, claims: Members = {}) => {
      const headers = {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': '2025-11-25',
      }
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      return setting.ask('/mcp', { method: 'POST', headers, body, token: await job(claims) })
    }
    const tools = ['look', 'change'].map((name) => ({ name, inputSchema: { type: 'object' } }))
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools } })
    const names = async (claims: Members) => {
      setting.origin.on('/mcp', reply(200, { 'content-type': 'application/json' }, list))
      const { result } = (await (await send('tools/list', {}, claims)).json()) as {
        result: { tools: readonly { name: string }[] }
      }
      return result.tools.map(({ name }) => name)
    }
    expect(await names({})).toEqual(['look'])
    expect(await names({ environment: 'production' })).toEqual(['look', 'change'])
    setting.origin.clear()
    const answer = await send('tools/call', { name: 'change', arguments: {} })
    expect(JSON.stringify(await answer.json())).toContain('"code":"grant_missing"')
    expect(setting.origin.requests).toEqual([])
    const granted = { environment: 'production' }
    const passed = await send('tools/call', { name: 'change', arguments: {} }, granted)
    expect(passed.status).toBe(200)
  })

  it('has the grants in its line of the journal, also where it is refused', async () => {
    const line = async (id: string, claims: Members) => {
      const headers = { 'x-request-id': id }
      await setting.ask('/v1/documents', { headers, token: await job(claims) })
      return setting.gate.journalLine(({ request_id: one }) => one === id)
    }
    expect(await line('grants-1', { environment: 'production' })).toMatchObject({
      decision: 'allowed',
      granted_by: ['GRANTS[0]', 'GRANTS[1]'],
      agent: 'repo:123',
    })
    expect(await line('grants-2', { event_name: 'schedule' })).toMatchObject({
      code: 'grant_conflict',
      granted_by: ['GRANTS[0]', 'GRANTS[2]'],
    })
    expect(await line('grants-3', { ref: 'x' })).not.toHaveProperty('granted_by')
  })
})
