import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outcome, type Setting, startSetting } from './setting.ts'

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    issuer: { profile: 'generic', scope: ['scope', 'resource_access.api.roles'] },
    routes: [
      { match: 'GET /v1/documents', scopes: ['documents:read', 'documents:list'] },
      { match: 'GET /v1/documents/{id}', scopes: ['documents:read', 'documents:read:{id}'] },
      { match: 'PUT /v1/documents/{id}', scopes: { any: ['documents:{id}', 'documents:write'] } },
      { match: 'GET /v1/reports/*', scopes: ['reports:read'] },
    ],
    more: {
      SCOPES: {
        'documents:admin': ['documents:*'],
        'documents:*': ['documents:*'],
        'documents:list': ['documents:read'],
      },
    },
  })
})
afterAll(() => setting?.close())

const send = async (path: string, claims: object, method = 'GET') =>
  setting.ask(path, { method, token: await setting.token({ ...claims }) })

describe('a token', () => {
  it.each([
    ['documents:admin', '/v1/documents/7', 'documents:admin'],
    ['documents:*', '/v1/documents/7', 'documents:*'],
    ['documents:*', '/v1/documents', 'documents:*'],
    ['documents:list', '/v1/documents', 'documents:list'],
    ['documents:list documents:read:7', '/v1/documents/7', 'documents:list documents:read:7'],
  ])('with %s may use %s', async (scope, path, granted) => {
    setting.origin.clear()
    expect((await send(path, { scope })).status).toBe(200)
    expect(setting.origin.requests[0]?.header('x-agent-grant')).toBe(granted)
  })

  it.each([
    ['documents:list', '/v1/documents/7'],
    ['documents:read documents:read:8', '/v1/documents/7'],
    ['documents:', '/v1/documents'],
    ['reports:*', '/v1/reports/1'],
    ['*', '/v1/reports/1'],
    ['documents:*', '/v1/reports/1'],
  ])('with %s may not use %s', async (scope, path) => {
    expect(await outcome(await send(path, { scope }))).toEqual({
      status: 403,
      code: 'scope_missing',
    })
  })

  it('may have its scopes as roles, where the entry says so', async () => {
    const roles = { resource_access: { api: { roles: ['documents:list'] }, other: { roles: [] } } }
    expect((await send('/v1/documents', roles)).status).toBe(200)
    const elsewhere = { resource_access: { other: { roles: ['documents:list'] } } }
    expect((await send('/v1/documents', elsewhere)).status).toBe(403)
  })
})

describe('the challenge names every scope that is needed', () => {
  it.each([
    ['GET', '/v1/documents', '', 'documents:read documents:list'],
    // Also those the token has, so that the next one has all of them.
    ['GET', '/v1/documents', 'documents:read', 'documents:read documents:list'],
    ['GET', '/v1/documents/7', 'documents:list', 'documents:read documents:read:7'],
    ['PUT', '/v1/documents/7', 'documents:list', 'documents:7'],
  ])('%s %s with %j', async (method, path, scope, needed) => {
    const answer = await send(path, { scope }, method)
    expect(answer.headers.get('www-authenticate')).toContain(
      `error="insufficient_scope", error_description="The token lacks a scope this route needs", scope="${needed}", resource_metadata=`,
    )
    const body = (await answer.json()) as Readonly<Record<string, unknown>>
    const alternatives = ['documents:7', 'documents:write']
    expect(body).toMatchObject(
      method === 'PUT' ? { any_of: alternatives } : { required_scopes: needed.split(' ') },
    )
  })
})
