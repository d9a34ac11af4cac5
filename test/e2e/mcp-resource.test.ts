import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { COMMANDS } from './commands-setting.ts'
import { askGate, outcome, RESOURCE, type Setting, sharedSetting } from './setting.ts'

const MCP = `${RESOURCE}/echo`
const METADATA = '/.well-known/oauth-protected-resource'
const JSON_TYPE = { 'content-type': 'application/json' }
const DOCUMENT = JSON.stringify({ authorization_servers: ['https://evil.example'] })

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(COMMANDS)
})
beforeEach(() => setting.origin.clear())

const post = async (path: string, token: string, message: object, headers: object = {}) =>
  outcome(
    await setting.ask(path, {
      method: 'POST',
      token,
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
    }),
  )

describe('the audience of a token for an MCP server', () => {
  const ping = (aud: unknown, path = '/echo') =>
    setting.token({ aud }).then((token) => post(path, token, { method: 'ping' }))

  it.each([
    ['the resource', MCP],
    ['the resource among others', ['https://other.example', MCP]],
  ])('is %s', async (_, aud) => {
    expect((await ping(aud)).status).toBe(200)
  })

  it.each([
    ['the API it is part of', RESOURCE],
    ['another server', 'https://other.example/mcp'],
    ['a longer path', `${MCP}/x`],
    ['another case', `${RESOURCE}/ECHO`],
    ['a slash at its end', `${MCP}/`],
    ['nothing', []],
  ])('is not %s', async (_, aud) => {
    expect(await ping(aud)).toMatchObject({ status: 401, code: 'audience_mismatch' })
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is judged before the page that a request comes from', async () => {
    const origin = 'https://evil.example'
    const asked = async (aud: string) =>
      post('/echo', await setting.token({ aud }), { method: 'ping' }, { origin })
    expect(await asked(RESOURCE)).toMatchObject({ status: 401, code: 'audience_mismatch' })
    expect((await asked(MCP)).status).toBe(403)
  })

  it('of the server is not that of the API', async () => {
    const token = await setting.token({ aud: MCP })
    expect(await outcome(await setting.ask('/api/x', { token }))).toMatchObject({
      status: 401,
      code: 'audience_mismatch',
    })
  })

  it('cannot be another one by what its issuer is told', async () => {
    const [gate] = setting.gate.beside as [Gate]
    const token = await setting.token({ aud: RESOURCE })
    const answer = await askGate(gate, '/echo', { method: 'POST', token })
    expect(await outcome(answer)).toMatchObject({ status: 503, code: 'policy_invalid' })
  })
})

describe("the server's own documents", () => {
  it.each([
    `/sub${METADATA}`,
    `/sub${METADATA}/mcp`,
    '/sub/.well-known/oauth-authorization-server',
    '/sub/x/.well-known/openid-configuration',
    '/echo/.well-known/openid-configuration',
    `/api${METADATA}`,
  ])('do not reach a client at %s', async (path) => {
    setting.origin.on(path.replace(/^\/(?:sub|api)/, ''), reply(200, JSON_TYPE, DOCUMENT))
    const token = await setting.token({ aud: path.startsWith('/api') ? RESOURCE : MCP })
    const answer = await outcome(await setting.ask(path, { token }))
    expect(answer).toMatchObject({ status: 404, code: 'route_unknown' })
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('leave the rest of the path alone', async () => {
    const token = await setting.token({ aud: MCP })
    expect((await setting.ask('/sub/x', { token })).status).toBe(200)
    expect(setting.origin.requests.map(({ url }) => url)).toEqual(['/x'])
  })
})

describe('a rule of older revisions only', () => {
  const initialize = (protocolVersion: string) => ({
    method: 'initialize',
    params: {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'a', version: '1' },
    },
  })

  it('lets the server settle what is spoken, and goes by what then is', async () => {
    const token = await setting.token({ aud: MCP })
    for (const wanted of ['2025-11-25', '2025-06-18', '2024-11-05']) {
      expect((await post('/narrow', token, initialize(wanted))).status).toBe(200)
    }
    expect(setting.origin.requests).toHaveLength(3)
    const ping = (version: string) =>
      post('/narrow', token, { method: 'ping' }, { 'mcp-protocol-version': version })
    expect((await ping('2025-06-18')).status).toBe(200)
    expect((await ping('2025-11-25')).status).toBe(400)
    expect((await post('/narrow', token, { method: 'ping' })).status).toBe(400)
    expect(setting.origin.requests).toHaveLength(4)
  })
})
