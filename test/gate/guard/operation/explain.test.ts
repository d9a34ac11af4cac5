import { expect, it } from 'vitest'
import { type AskedOfMcp, toExplain } from '../../../../src/gate/answer/mcp-explain.ts'
import { parseJsonObject } from '../../../../src/gate/base/json.ts'
import { createGuard } from '../../../../src/gate/guard/guard.ts'
import type { McpRevision } from '../../../../src/gate/model/mcp.ts'
import type { Policy } from '../../../../src/gate/model/policy.ts'
import {
  anyRooms,
  clock,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  RESOURCE,
} from '../../../kit/facts.ts'
import { mcpFacts } from '../../../kit/mcp-facts.ts'
import type { Members } from '../../../kit/signing.ts'
import { keys, minted } from '../../../line-cases.ts'

const MCP: Members = {
  tools: { get_weather: [], 'files_*': ['files:read:{arguments.path}'] },
  prompts: { greeting: [] },
  resources: { 'docs://*': [] },
  methods: ['logging/setLevel'],
}
const ACME = { ISSUERS: { acme: { issuer: 'https://auth.example.com' } } }
const factsOf = (mcp: Members = {}) => mcpFacts({ ...MCP, ...mcp }, {}, ACME)

const post = (headers: Record<string, string> = {}) => ({
  method: 'POST',
  url: `${RESOURCE}/mcp`,
  headers: new Headers({
    authorization: `Bearer ${minted({ scope: 'mcp:connect files:read:a' })}`,
    ...headers,
  }),
})

const decide = async (policy: Policy, asked?: AskedOfMcp, headers?: Record<string, string>) => {
  const guard = createGuard(policy, {
    clock,
    keys,
    tokens: noTokens,
    revocations: { lookup: async () => [] },
    limits: noLimits,
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
    onError: (_, error) => {
      throw error
    },
  })
  const { request, note } = toExplain(policy, post(headers), asked)
  const decision = await guard(request)
  const code = decision.outcome === 'denied' ? decision.denial.code : decision.outcome
  return { code, note, known: decision.known }
}

const REVISIONS: readonly McpRevision[] = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']

type Row = readonly [string, string | undefined, string, (Members | undefined)?]
const call = (name: string, code: string, given?: Members): Row => ['tools/call', name, code, given]

it.each(REVISIONS)('explains a request as a client of %s sends it', async (revision) => {
  const { policy } = factsOf()
  const isNewest = revision === '2026-07-28'
  const rows: readonly Row[] = [
    call('get_weather', 'passed'),
    call('wetter_für_ö', 'tool_not_allowed'),
    call('=?base64?x?=', 'tool_not_allowed'),
    call('files_read', 'passed', { path: 'a' }),
    call('files_read', 'scope_missing', { path: 'b' }),
    call('files_read', 'scope_value_invalid', { path: '../a' }),
    ['prompts/get', 'greeting', 'passed'],
    ['resources/read', 'docs://7', 'passed'],
    ['resources/read', 'x://7', 'resource_not_allowed'],
    ['completion/complete', 'greeting', 'passed'],
    ['completion/complete', 'x://{a}', 'resource_not_allowed'],
    ['subscriptions/listen', 'x://7', 'resource_not_allowed'],
    ['subscriptions/listen', undefined, 'passed'],
    ['notifications/initialized', undefined, 'passed'],
    ['logging/setLevel', undefined, isNewest ? 'mcp_method_not_allowed' : 'passed'],
    ['tasks/get', 'task-1', isNewest ? 'mcp_method_not_allowed' : 'task_unknown'],
  ]
  for (const [method, name, code, given] of rows) {
    const asked = { revision, method, ...(name && { name }), ...(given && { arguments: given }) }
    expect([method, name, (await decide(policy, asked)).code]).toEqual([method, name, code])
  }
})

it('explains a request with its bytes at last, and no argument as a value', async () => {
  const given = { path: 'a', more: ['held-as-text'] }
  const asked = { method: 'tools/call', name: 'files_read', arguments: given }
  const { known } = await decide(factsOf().policy, asked)
  expect(new TextDecoder().decode(known.held?.bytes)).toContain('held-as-text')
  expect(known.uses).toMatchObject([{ named: { name: 'files_read', arguments: {} } }])
  const values = JSON.stringify([known.operation, known.uses, known.evaluatedUses])
  expect(values).not.toContain('held-as')
})

const [PROMPTS, RESOURCES] = [{ 'team:*': [] }, { 'team:*': [] }]
it.each<[string, Members, string?]>([
  ['a prompt is named so', { prompts: { 'team:greet': [] } }, 'prompts'],
  ['prompts are, and all resources', { prompts: PROMPTS, resources: { '*': [] } }, 'prompts'],
  ['all prompts are', { prompts: { '*': [] } }, 'prompts'],
  ['no prompt is', {}],
  ['resources are, and all prompts', { prompts: { '*': [] }, resources: RESOURCES }, 'resources'],
])('explains the completion of a name with a colon where %s', async (_name, mcp, kind) => {
  const asked = { method: 'completion/complete', name: 'team:greet' }
  const { code, known } = await decide(factsOf(mcp).policy, asked)
  expect(code).toBe(kind ? 'passed' : 'resource_not_allowed')
  if (kind) expect(known.uses).toMatchObject([{ named: { kind } }])
})

it('sends the newest revision of the rule, and initialize in one that has sessions', async () => {
  const asked = { method: 'tools/call', name: 'get_weather' }
  for (const revisions of [['2025-06-18'], ['2025-06-18', '2026-07-28'], REVISIONS]) {
    const { known, code } = await decide(factsOf({ revisions }).policy, asked)
    expect([code, known.operation]).toMatchObject(['passed', { revision: revisions.at(-1) }])
    // Without a method the connection is explained, and the answer says so.
    const connection = await decide(factsOf({ revisions }).policy)
    expect([connection.code, connection.known.uses]).toEqual(['passed', []])
    expect(connection.note).toMatch(/connection without a message/)
  }
  const newest = factsOf({ revisions: ['2026-07-28'] }).policy
  const old = { ...asked, revision: '2025-03-26' } as const
  expect((await decide(newest, old)).code).toBe('revision_unsupported')
  const { code, known } = await decide(factsOf().policy, { method: 'initialize' })
  expect(code).toBe('passed')
  const sent = JSON.parse(new TextDecoder().decode(known.held?.bytes))
  expect(sent.params.protocolVersion).toBe('2025-11-25')
})

it('explains a number that is not exact as one, not as none', async () => {
  const when = 'arguments.amount == null || arguments.amount < 9.0'
  const { policy } = factsOf({ tools: { pay: { scopes: [], when } } })
  const pay = async (amount: string) => {
    const given = parseJsonObject(`{"amount": ${amount}}`)
    return (await decide(policy, { method: 'tools/call', name: 'pay', arguments: given })).code
  }
  expect(await pay('8.5')).toBe('passed')
  for (const amount of ['1e400', '8.9999999999999999', '9007199254740993'])
    expect(await pay(amount)).toBe('condition_error')
})

it('leaves a request to any other rule as it is, and says where mcp is for nothing', () => {
  const { policy } = factsOf()
  const elsewhere = { ...post(), url: `${RESOURCE}/nowhere` }
  expect(toExplain(policy, elsewhere, undefined)).toEqual({ request: elsewhere })
  expect(toExplain(policy, elsewhere, { method: 'ping' }).note).toMatch(/no mcp/)
  const stream = { ...post(), method: 'GET' }
  expect(toExplain(policy, stream, undefined).request).toBe(stream)
})
