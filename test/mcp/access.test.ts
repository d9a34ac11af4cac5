import { describe, expect, it } from 'vitest'
import { mcpAccess } from '../../src/gate/guard/stages/mcp-access.ts'
import type { McpMessage, McpNamed } from '../../src/gate/model/mcp.ts'
import type { AgentIdentity } from '../../src/gate/model/token.ts'
import { agentOf, codeOf, routeOf } from '../kit/facts.ts'
import { callOf, mcpFacts, operationOf } from '../kit/mcp-facts.ts'
import { mcpOf } from './operation/support.ts'

const { route } = mcpFacts({
  tools: {
    get_weather: ['weather:read'],
    'files_*': ['files:read'],
    files_write: { scopes: ['files:write'], agent_types: ['writer'] },
  },
  prompts: { greeting: [] },
  resources: {
    'docs://public/*': ['docs:read'],
    'docs://public/secret': { scopes: [], agent_types: ['x'] },
  },
  methods: ['logging/setLevel'],
})

const run = (messages: readonly McpMessage[], agent: Partial<AgentIdentity> = {}) =>
  mcpAccess.run({ route, operation: operationOf(messages), agent: agentOf(agent) }, undefined)

const asked = (method: string, kind: McpNamed['kind'], name: string): McpMessage => ({
  id: 1,
  method,
  use: { kind, name, arguments: {} },
})
const read = (uri: string) => asked('resources/read', 'resources', uri)

const patterns = (outcome: Awaited<ReturnType<typeof run>>) =>
  outcome.ok ? outcome.value.uses?.map(({ use }) => use.pattern) : outcome.reason.code

it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])(
  '%s is not a method of 2026-07-28',
  async (method) => {
    const { route } = mcpFacts({ resources: { '*': [] }, methods: ['logging/setLevel'] })
    const operation = operationOf([{ id: 1, method }], { revision: '2026-07-28' })
    const outcome = await mcpAccess.run({ route, operation, agent: agentOf() }, undefined)
    expect(codeOf(outcome)).toBe('mcp_method_not_allowed')
  },
)

describe('mcp_access', () => {
  it('asks nothing where there is no MCP server', async () => {
    const facts = { operation: { kind: 'http', method: 'POST' }, agent: agentOf() } as const
    const outcome = await mcpAccess.run({ ...facts, route: routeOf('POST /x') }, undefined)
    expect(outcome).toEqual({ ok: true, value: { uses: [] } })
    expect(mcpAccess.found?.({ ...facts, route: routeOf('POST /x'), uses: [] })).toEqual({})
  })

  it.each<[string, readonly string[]]>([
    ['get_weather', ['get_weather']],
    ['files_read', ['files_*']],
    ['files_', ['files_*']],
  ])('lets %s be called', async (name, used) => {
    expect(patterns(await run([callOf(name)]))).toEqual(used)
  })

  it.each([
    'forbidden_tool',
    'Get_weather',
    'get_weather ',
    'get_weather\u200b',
    'ɡet_weather',
    'get_weather_2',
    'files',
    'Files_read',
    'constructor',
    '__proto__',
    'toString',
  ])('does not let %j be called', async (name) => {
    expect(codeOf(await run([callOf(name)]))).toBe('tool_not_allowed')
  })

  it('takes the nearest rule, and its types of agents', async () => {
    expect(patterns(await run([callOf('files_write')], { type: 'writer' }))).toEqual([
      'files_write',
    ])
    const types = { type: 'service writer', types: ['service', 'writer'] }
    expect(patterns(await run([callOf('files_write')], types))).toEqual(['files_write'])
    for (const type of [undefined, 'reader', 'Writer', 'service writer']) {
      const outcome = await run([callOf('files_write')], type === undefined ? {} : { type })
      expect(codeOf(outcome)).toBe('tool_not_allowed')
    }
  })

  it('says the same of what is not named and what is not for this agent', async () => {
    const [unnamed, foreign] = await Promise.all(
      ['nothing', 'files_write'].map((name) => run([callOf(name)])),
    )
    if (!unnamed || unnamed.ok || !foreign || foreign.ok) throw new Error('let pass')
    const { detail: _, ...told } = unnamed.reason
    const { detail, ...same } = foreign.reason
    expect(same).toEqual(told)
    expect(detail).toEqual({ method: 'tools/call', tool: 'files_write', pattern: 'files_write' })
  })

  it.each<[McpMessage, string | readonly string[]]>([
    [asked('prompts/get', 'prompts', 'greeting'), ['greeting']],
    [asked('prompts/get', 'prompts', 'get_weather'), 'prompt_not_allowed'],
    [asked('completion/complete', 'prompts', 'greeting'), ['greeting']],
    [asked('completion/complete', 'prompts', 'other'), 'prompt_not_allowed'],
    [asked('completion/complete', 'resources', 'docs://public/a/{id}'), ['docs://public/*']],
    // It may be of what is for others.
    [asked('completion/complete', 'resources', 'docs://public/{id}'), 'resource_not_allowed'],
    [asked('completion/complete', 'resources', 'docs://other/{id}'), 'resource_not_allowed'],
    [read('docs://public/7'), ['docs://public/*']],
    [read('docs://private/7'), 'resource_not_allowed'],
    [read('DOCS://public/7'), 'resource_not_allowed'],
    [read('docs://public/../private/7'), 'resource_not_allowed'],
    [read('docs://public/%2e%2e/private'), 'resource_not_allowed'],
    [read('docs://public/secret'), 'resource_not_allowed'],
    [asked('resources/subscribe', 'resources', 'docs://public/7'), ['docs://public/*']],
    [asked('resources/subscribe', 'resources', 'docs://x'), 'resource_not_allowed'],
    [asked('resources/unsubscribe', 'resources', 'docs://x'), 'resource_not_allowed'],
    // What a method uses is of its kind, whatever has the name besides.
    [asked('tools/call', 'prompts', 'greeting'), 'tool_not_allowed'],
    [{ id: 1, method: 'tools/call' }, 'tool_not_allowed'],
    [{ method: 'tools/call' }, 'tool_not_allowed'],
    [{ id: 1, method: 'prompts/get' }, 'prompt_not_allowed'],
    [{ id: 1, method: 'resources/read' }, 'resource_not_allowed'],
    [{ id: 1, method: 'completion/complete' }, 'mcp_method_not_allowed'],
  ])('%j: %j', async (message, expected) => {
    expect(patterns(await run([message]))).toEqual(expected)
  })

  it.each([
    'initialize',
    'ping',
    'server/discover',
    'tools/list',
    'prompts/list',
    'resources/list',
    'resources/templates/list',
    'subscriptions/listen',
    'logging/setLevel',
    'tasks/get',
    'tasks/result',
    'tasks/cancel',
  ])('lets %s be called without a rule', async (method) => {
    expect(patterns(await run([{ id: 1, method }]))).toEqual([])
  })

  it.each([
    'tasks/list',
    'tasks/other',
    'Ping',
    'tools/List',
    'notifications',
    'logging/setlevel',
    'x',
    '',
  ])('does not let %j be called', async (method) => {
    expect(codeOf(await run([{ id: 1, method }]))).toBe('mcp_method_not_allowed')
  })

  it.each(['notifications/initialized', 'notifications/anything/else'])(
    'lets %s be sent without a rule',
    async (method) => {
      expect(patterns(await run([{ method }]))).toEqual([])
    },
  )

  it.each([
    'notifications/../tools/call',
    'notifications/./x',
    'notifications//x',
    'notifications/x/',
    'notifications/',
    'notifications/x.y',
    'notifications/tools/call ',
    'Notifications/initialized',
  ])('takes %j for no notification of the protocol', async (method) => {
    expect(codeOf(await run([{ method }]))).toBe('mcp_method_not_allowed')
  })

  // `files_*` needs a scope with the path in it, and `pay` has a condition on its arguments.
  it.each<[string, object, string]>([
    ['files_read', { path: 'a', Path: 'b' }, 'arguments_ambiguous'],
    ['files_read', { path: 'a', at: [{ x: { 'k\u212a': 1, kk: 2 } }] }, 'arguments_ambiguous'],
    ['files_read', { path: 'a', PATHS: 1, x: [{ a: 1 }, { A: 1 }] }, 'ok'],
    ['pay', { amount: 1, Amount: 1_000 }, 'arguments_ambiguous'],
    ['pay', { amount: 1, 'amount\u0000': 1_000 }, 'arguments_ambiguous'],
    ['files_read', { Path: 'a' }, 'arguments_ambiguous'],
    ['pay', { AMOUNT: 1_000 }, 'arguments_ambiguous'],
    ['pay', { amount: 1, currency: { Amount: 1 } }, 'ok'],
    ['echo', { Path: 'a', path: 'b' }, 'ok'],
    ['nothing', { Path: 'a', path: 'b' }, 'tool_not_allowed'],
  ])('reads arguments as all others do: %s %j is %s', async (name, given, code) => {
    const facts = { operation: operationOf([callOf(name, { ...given })]), agent: agentOf() }
    expect(codeOf(await mcpAccess.run({ route: { mcp: mcpOf() }, ...facts }, undefined))).toBe(code)
  })

  it.each<[string, object, string]>([
    ['!has(arguments.options.force)', { options: { Force: true } }, 'arguments_ambiguous'],
    ['!has(arguments.options.force)', { options: { force: true } }, 'ok'],
    ['!has(arguments.options.force)', { options: { forces: true }, other: { Force: 1 } }, 'ok'],
    ['!("force" in arguments)', { FORCE: 1 }, 'arguments_ambiguous'],
    ['arguments["options"]["force"] != true', { options: { Force: 1 } }, 'arguments_ambiguous'],
    ['arguments.items.all(i, !has(i.force))', { items: [[{ Force: 1 }]] }, 'arguments_ambiguous'],
    ['!has(arguments.a.b.c)', { a: { B: { c: 1 } } }, 'arguments_ambiguous'],
    [
      '!has(arguments.a.b) || !has(arguments.a.b.c)',
      { a: { b: { x: { C: 1 } } } },
      'arguments_ambiguous',
    ],
    [
      '["force"].all(n, arguments.options[n] == 1.0)',
      { options: { Force: 1 } },
      'arguments_ambiguous',
    ],
    // The condition is an error over a map: no name is looked up.
    ['arguments.options.all(k, k != "force")', { options: { Force: 1 } }, 'ok'],
    ['!("force" in arguments.options)', { options: { FORCE: 1 } }, 'ok'],
    ['!has(arguments.a.Id) && !has(arguments.b.id)', { a: { Id: 1 }, b: { id: 1 } }, 'ok'],
    // Names of claims, and texts that no member is looked up by.
    ['token.org.Id == "x" && arguments.at.key == "y"', { at: { id: 1, key: 'y' } }, 'ok'],
    ['token.l.exists(t, t.Id == "Key") && arguments.at.x == 1.0', { at: { id: 1, key: 1 } }, 'ok'],
    ['"Admin" in agent.types && arguments.at.x == 1.0', { at: { admin: 1 } }, 'ok'],
    ['arguments.at.kind == "Pod"', { at: { kind: 'Pod', pod: {} } }, 'ok'],
    ['arguments.l.all(i, i.kind in ["Pod"])', { l: [{ kind: 'Pod', pod: {} }] }, 'ok'],
  ])(
    'reads what is inside of arguments as all others do: %s of %j is %s',
    async (when, given, code) => {
      const { route: nested } = mcpFacts({ tools: { run: { scopes: [], when } } })
      const facts = { operation: operationOf([callOf('run', { ...given })]), agent: agentOf() }
      expect(codeOf(await mcpAccess.run({ route: nested, ...facts }, undefined))).toBe(code)
    },
  )

  it('says no more of a tool for others whatever its arguments are', async () => {
    const { route: closed } = mcpFacts({
      tools: { pay: { scopes: [], when: 'arguments.amount < 100.0', agent_types: ['payer'] } },
    })
    const outcomes = await Promise.all(
      ['pay', 'nothing'].map(async (name) => {
        const operation = operationOf([callOf(name, { amount: 1, AMOUNT: 1 })])
        const outcome = await mcpAccess.run(
          { route: closed, operation, agent: agentOf() },
          undefined,
        )
        return outcome.ok ? 'ok' : { ...outcome.reason, detail: undefined }
      }),
    )
    expect(outcomes[0]).toMatchObject({ code: 'tool_not_allowed' })
    expect(outcomes[0]).toEqual(outcomes[1])
  })

  it('asks of the completion of a template what all needs that it may make', async () => {
    const { route: docs } = mcpFacts({
      resources: {
        'file:///docs/*': ['docs'],
        'file:///docs/secret/*': ['secret'],
        'file:///docs/hidden': { scopes: [], agent_types: ['x'] },
        'file:///docs/open/{id}': ['open'],
      },
    })
    const of = async (uri: string, type = 'x') => {
      const operation = operationOf([asked('completion/complete', 'resources', uri)])
      const agent = agentOf({ type })
      return patterns(await mcpAccess.run({ route: docs, operation, agent }, undefined))
    }
    expect(await of('file:///docs/{+path}')).toEqual([
      'file:///docs/*',
      'file:///docs/secret/*',
      'file:///docs/hidden',
      'file:///docs/open/{id}',
    ])
    expect(await of('file:///docs/{+path}', 'y')).toBe('resource_not_allowed')
    expect(await of('file:///docs/other/{+path}', 'y')).toEqual(['file:///docs/*'])
    expect(await of('file:///docs/open/{id}', 'y')).toEqual(['file:///docs/open/{id}'])
    for (const uri of [
      'file:///{+path}',
      'file:///docs/../{x}',
      'file:///docs/%2e%2e/{x}',
      'file:///docs/%61/{x}',
      'file:///docs/%c0%ae/{x}',
      'file://localhost/docs/{x}',
    ]) {
      expect(await of(uri)).toBe('resource_not_allowed')
    }
    const operation = operationOf([asked('resources/read', 'resources', 'file:///docs/{+path}')])
    expect(
      codeOf(
        await mcpAccess.run({ route: docs, operation, agent: agentOf({ type: 'x' }) }, undefined),
      ),
    ).toBe('resource_not_allowed')
  })

  it('judges each message of a batch', async () => {
    const good = callOf('get_weather')
    expect(patterns(await run([good, read('docs://public/1')]))).toEqual([
      'get_weather',
      'docs://public/*',
    ])
    expect(codeOf(await run([good, callOf('forbidden_tool', {}, 2)]))).toBe('tool_not_allowed')
    expect(codeOf(await run([good, { method: 'notifications/x.y' }]))).toBe(
      'mcp_method_not_allowed',
    )
  })

  it('judges each resource of a subscription', async () => {
    const listen = (...uris: readonly string[]): McpMessage => {
      const [use, ...more] = uris.map(
        (name) => ({ kind: 'resources', name, arguments: {} }) as const,
      )
      return { id: 1, method: 'subscriptions/listen', ...(use && { use, more }) }
    }
    expect(patterns(await run([listen('docs://public/1', 'docs://public/2')]))).toHaveLength(2)
    const other = listen('docs://public/1', 'docs://public/2', 'docs://private/3')
    expect(codeOf(await run([other]))).toBe('resource_not_allowed')
  })

  it('asks nothing of a stream, the end of a session, and an answer', async () => {
    for (const method of ['GET', 'DELETE']) {
      const operation = operationOf([], { method })
      const outcome = await mcpAccess.run({ route, operation, agent: agentOf() }, undefined)
      expect(outcome).toEqual({ ok: true, value: { uses: [] } })
    }
    expect(patterns(await run([{ id: 7 }]))).toEqual([])
  })

  it('denies what it does not know', async () => {
    expect(codeOf(await run([]))).toBe('mcp_method_not_allowed')
    const operation = { kind: 'http', method: 'POST' } as const
    const outcome = await mcpAccess.run({ route, operation, agent: agentOf() }, undefined)
    expect(codeOf(outcome)).toBe('mcp_method_not_allowed')
  })
})
