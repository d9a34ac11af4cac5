import { describe, expect, it } from 'vitest'
import { type AskedOfMcp, toExplain } from '../../src/gate/answer/mcp-explain.ts'
import { parseJsonObject } from '../../src/gate/base/json.ts'
import { createGuard } from '../../src/gate/guard/guard.ts'
import type { McpRevision } from '../../src/gate/model/mcp.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import {
  anyRooms,
  clock,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  RESOURCE,
} from '../kit/facts.ts'
import { mcpFacts } from '../kit/mcp-facts.ts'
import type { Members } from '../kit/signing.ts'
import { keys, minted } from '../line-cases.ts'

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

describe('a request to an MCP server that is explained', () => {
  it.each(REVISIONS)('is judged as a client of %s sends it', async (revision) => {
    const { policy } = factsOf()
    const ask = async (asked: AskedOfMcp) => (await decide(policy, { revision, ...asked })).code
    const call = (name: string, given?: Members) =>
      ask({ method: 'tools/call', name, arguments: given })
    expect(await call('get_weather')).toBe('passed')
    expect(await call('forbidden')).toBe('tool_not_allowed')
    expect(await call('wetter_für_ö')).toBe('tool_not_allowed')
    expect(await call('=?base64?x?=')).toBe('tool_not_allowed')
    expect(await call('files_read', { path: 'a' })).toBe('passed')
    expect(await call('files_read', { path: 'b' })).toBe('scope_missing')
    expect(await call('files_read', { path: '../a' })).toBe('scope_value_invalid')
    expect(await ask({ method: 'prompts/get', name: 'greeting' })).toBe('passed')
    expect(await ask({ method: 'resources/read', name: 'docs://7' })).toBe('passed')
    expect(await ask({ method: 'resources/read', name: 'x://7' })).toBe('resource_not_allowed')
    expect(await ask({ method: 'completion/complete', name: 'greeting' })).toBe('passed')
    expect(await ask({ method: 'completion/complete', name: 'x://{a}' })).toBe(
      'resource_not_allowed',
    )
    expect(await ask({ method: 'subscriptions/listen', name: 'x://7' })).toBe(
      'resource_not_allowed',
    )
    expect(await ask({ method: 'subscriptions/listen' })).toBe('passed')
    expect(await ask({ method: 'notifications/initialized' })).toBe('passed')
    expect(await ask({ method: 'logging/setLevel', arguments: { level: 'info' } })).toBe(
      revision === '2026-07-28' ? 'mcp_method_not_allowed' : 'passed',
    )
    expect(await ask({ method: 'tasks/list' })).toBe('mcp_method_not_allowed')
    expect(await ask({ method: 'tasks/get', name: 'task-1' })).toBe(
      revision === '2026-07-28' ? 'mcp_method_not_allowed' : 'task_unknown',
    )
  })

  it('has its bytes at last, and not what they say as values', async () => {
    const given = { path: 'a', more: ['held-as-text'] }
    const asked = { method: 'tools/call', name: 'files_read', arguments: given }
    const { known } = await decide(factsOf().policy, asked)
    expect(new TextDecoder().decode(known.held?.bytes)).toContain('held-as-text')
    expect(known.uses).toMatchObject([{ named: { name: 'files_read', arguments: {} } }])
    expect(JSON.stringify([known.operation, known.uses, known.evaluatedUses])).not.toContain(
      'held-as',
    )
  })

  it.each<[string, Members, string?]>([
    ['a prompt is named so', { prompts: { 'team:greet': [] } }, 'prompts'],
    [
      'prompts are, and all resources',
      { prompts: { 'team:*': [] }, resources: { '*': [] } },
      'prompts',
    ],
    ['all prompts are', { prompts: { '*': [] } }, 'prompts'],
    ['no prompt is', {}],
    ['resources are', { resources: { 'team:*': [] } }, 'resources'],
    [
      'resources are, and all prompts',
      { prompts: { '*': [] }, resources: { 'team:*': [] } },
      'resources',
    ],
  ])('completes a name with a colon where %s', async (_name, mcp, kind) => {
    const asked = { method: 'completion/complete', name: 'team:greet' }
    const { code, known } = await decide(factsOf(mcp).policy, asked)
    expect(code).toBe(kind ? 'passed' : 'resource_not_allowed')
    if (kind) expect(known.uses).toMatchObject([{ named: { kind } }])
  })

  it('says the newest revision that the rule has', async () => {
    const asked = { method: 'tools/call', name: 'get_weather' }
    for (const revisions of [['2025-06-18'], ['2025-06-18', '2026-07-28'], REVISIONS]) {
      const { known, code } = await decide(factsOf({ revisions }).policy, asked)
      expect(code).toBe('passed')
      expect(known.operation).toMatchObject({ revision: revisions.at(-1) })
    }
    const old = { ...asked, revision: '2025-03-26' } as const
    expect((await decide(factsOf({ revisions: ['2026-07-28'] }).policy, old)).code).toBe(
      'revision_unsupported',
    )
  })

  it('begins a session in a revision that has them', async () => {
    const initialize = { method: 'initialize' }
    const { code, known } = await decide(factsOf().policy, initialize)
    expect(code).toBe('passed')
    const sent = JSON.parse(new TextDecoder().decode(known.held?.bytes))
    expect(sent.params.protocolVersion).toBe('2025-11-25')
    for (const revision of REVISIONS.slice(0, -1)) {
      expect((await decide(factsOf().policy, { ...initialize, revision })).code).toBe('passed')
    }
  })

  it('is explained for the connection where it is not told what is asked, and says so', async () => {
    for (const revisions of [['2026-07-28'], ['2025-11-25'], REVISIONS]) {
      const { code, note, known } = await decide(factsOf({ revisions }).policy)
      expect(code).toBe('passed')
      expect(note).toMatch(/connection without a message/)
      expect(known.uses).toEqual([])
    }
  })

  it('has the headers that it is told to have, fitting or not', async () => {
    const { policy } = factsOf()
    const asked = { method: 'tools/call', name: 'get_weather' }
    expect((await decide(policy, asked, { 'mcp-name': 'other' })).code).toBe('header_mismatch')
    expect((await decide(policy, asked, { 'content-encoding': 'gzip' })).code).toBe(
      'message_type_unsupported',
    )
  })

  it('has a number that is not exact as one, not as none', async () => {
    const when = 'arguments.amount == null || arguments.amount < 9.0'
    const { policy } = factsOf({ tools: { pay: { scopes: [], when } } })
    const pay = (amount: string) =>
      decide(policy, {
        method: 'tools/call',
        name: 'pay',
        arguments: parseJsonObject(`{"amount": ${amount}}`),
      })
    expect((await pay('8.5')).code).toBe('passed')
    for (const amount of ['1e400', '8.9999999999999999', '9007199254740993'])
      expect((await pay(amount)).code).toBe('condition_error')
  })

  it('stays as it is at any other rule, and says where mcp is for nothing', () => {
    const { policy } = factsOf()
    const elsewhere = { ...post(), url: `${RESOURCE}/nowhere` }
    expect(toExplain(policy, elsewhere, undefined)).toEqual({ request: elsewhere })
    expect(toExplain(policy, elsewhere, { method: 'ping' }).note).toMatch(/no mcp/)
    const stream = { ...post(), method: 'GET' }
    expect(toExplain(policy, stream, undefined).request).toBe(stream)
  })
})
