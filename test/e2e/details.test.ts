import { beforeAll, expect, it } from 'vitest'
import { type Answers, answersOf } from './answers-setting.ts'
import { outcome, RESOURCE } from './setting.ts'

let setting: Answers
beforeAll(async () => {
  setting = await answersOf('details')
})

const missing = { status: 403, code: 'authorization_details_missing' }
const allowed = { status: 200, code: undefined }

/** The answer to a token with these details. */
const asked = async (path: string, details: unknown, method = 'GET', claims: object = {}) =>
  outcome(
    await setting.ask(path, {
      method,
      token: await setting.token({ authorization_details: details, ...claims }),
    }),
  )

const of = (id: string, ...actions: readonly string[]) => ({
  type: 'document',
  actions,
  identifier: `documents/${id}`,
})

it('one detail of a token opens one document, for what it names', async () => {
  const token = [of('7', 'read'), { type: 'unheard-of', amount: 3 }]
  expect(await asked('/v1/documents/7', token)).toEqual(allowed)
  expect(await asked('/v1/documents/%37', token)).toEqual(allowed)
  expect(await asked('/v1/documents/8', token)).toEqual(missing)
  expect(await asked('/v1/documents/7', [of('7', 'write')])).toEqual(missing)
  expect(await asked('/v1/documents/7', [of('8', 'read'), of('7', 'write')])).toEqual(missing)
  expect(await asked('/v1/documents/7', [])).toEqual(missing)
  expect(await asked('/v1/documents/7', undefined)).toEqual(missing)
})

it('each thing a rule asks for needs its own, beside the scopes', async () => {
  const scope = { scope: 'documents:write' }
  const both = [of('7', 'read', 'write'), { type: 'quota' }]
  expect(await asked('/v1/documents/7', both, 'PUT', scope)).toEqual(allowed)
  expect(await asked('/v1/documents/7', both.slice(0, 1), 'PUT', scope)).toEqual(missing)
  expect(await asked('/v1/documents/7', both.slice(1), 'PUT', scope)).toEqual(missing)
  expect(await asked('/v1/documents/7', both, 'PUT')).toEqual({
    status: 403,
    code: 'scope_missing',
  })
})

it('a detail for another place opens nothing here', async () => {
  const at = (...locations: readonly string[]) => [{ ...of('7', 'read'), locations }]
  expect(await asked('/v1/documents/7', at(RESOURCE))).toEqual(allowed)
  expect(await asked('/v1/documents/7', at('https://other.example', `${RESOURCE}/`))).toEqual(
    allowed,
  )
  expect(await asked('/v1/documents/7', at('https://other.example'))).toEqual(missing)
  const tool = [{ type: 'mcp_tool', actions: ['tools/call'], locations: [RESOURCE] }]
  const aud = { aud: `${RESOURCE}/mcp` }
  expect(await asked('/mcp', tool, 'POST', aud)).toEqual(missing)
  const [there] = tool.map((one) => ({ ...one, locations: [`${RESOURCE}/mcp`] }))
  expect(await asked('/mcp', [there], 'POST', aud)).toEqual(allowed)
})

it('the metadata of a resource names the types its rules ask for', async () => {
  const typesAt = async (path: string) => {
    const answer = await setting.ask(`/.well-known/oauth-protected-resource${path}`)
    const metadata = (await answer.json()) as Readonly<Record<string, unknown>>
    return metadata.authorization_details_types_supported
  }
  expect(await typesAt('')).toEqual(['document', 'quota'])
  expect(await typesAt('/mcp')).toEqual(['mcp_tool'])
})
