import { expect, it } from 'vitest'
import { mcpAccess } from '../../../../src/gate/guard/stages/mcp-access.ts'
import type { McpMessage, McpNamed, McpOperation, McpRule } from '../../../../src/gate/model/mcp.ts'
import type { AgentIdentity } from '../../../../src/gate/model/token.ts'
import { agentOf, codeOf, routeOf } from '../../../kit/facts.ts'
import { callOf, mcpFacts, operationOf } from '../../../kit/mcp-facts.ts'
import { mcpOf } from './support.ts'

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

interface Setting {
  readonly agent?: Partial<AgentIdentity>
  readonly mcp?: McpRule
  readonly operation?: Partial<McpOperation>
}

const run = (messages: readonly McpMessage[], { agent, mcp, operation }: Setting = {}) =>
  mcpAccess.run(
    {
      route: mcp ? { mcp } : route,
      operation: operationOf(messages, operation),
      agent: agentOf(agent),
    },
    undefined,
  )

/** The patterns that the messages use, or the code of the denial. */
const patterns = async (messages: readonly McpMessage[], setting?: Setting) => {
  const outcome = await run(messages, setting)
  return outcome.ok ? outcome.value.uses?.map(({ use }) => use.pattern) : outcome.reason.code
}

const asked = (method: string, kind: McpNamed['kind'], name: string): McpMessage => ({
  id: 1,
  method,
  use: { kind, name, arguments: {} },
})
const read = (uri: string) => asked('resources/read', 'resources', uri)
const subscribed = (uri: string) => asked('resources/subscribe', 'resources', uri)
const completed = (kind: McpNamed['kind'], name: string) => asked('completion/complete', kind, name)
const listen = (...uris: readonly string[]): McpMessage => {
  const [use, ...more] = uris.map((name) => ({ kind: 'resources', name, arguments: {} }) as const)
  return { id: 1, method: 'subscriptions/listen', ...(use && { use, more }) }
}

it.each<[string, McpMessage, string | readonly string[]]>([
  ['a tool', callOf('get_weather'), ['get_weather']],
  ['a tool of a pattern', callOf('files_read'), ['files_*']],
  ['a tool in another case', callOf('Get_weather'), 'tool_not_allowed'],
  ['a tool that looks like another', callOf('ɡet_weather'), 'tool_not_allowed'],
  ['a tool with an invisible character', callOf('get_weather\u200b'), 'tool_not_allowed'],
  ['a longer name', callOf('get_weather_2'), 'tool_not_allowed'],
  ['a shorter name', callOf('files'), 'tool_not_allowed'],
  ['a member of every object', callOf('constructor'), 'tool_not_allowed'],
  ['a tool for another type of agent', callOf('files_write'), 'tool_not_allowed'],
  ['a prompt', asked('prompts/get', 'prompts', 'greeting'), ['greeting']],
  ['another prompt', asked('prompts/get', 'prompts', 'get_weather'), 'prompt_not_allowed'],
  ['the completion of a prompt', completed('prompts', 'greeting'), ['greeting']],
  ['that of another', completed('prompts', 'other'), 'prompt_not_allowed'],
  ['a resource', read('docs://public/7'), ['docs://public/*']],
  ['a resource above', read('docs://public/../private/7'), 'resource_not_allowed'],
  ['a resource for another type', read('docs://public/secret'), 'resource_not_allowed'],
  ['a subscription', subscribed('docs://public/7'), ['docs://public/*']],
  ['that of another resource', subscribed('docs://x'), 'resource_not_allowed'],
  ['listening', listen('docs://public/1', 'docs://public/2'), Array(2).fill('docs://public/*')],
  ['listening to one more', listen('docs://public/1', 'docs://x/3'), 'resource_not_allowed'],
  // What a method uses is of its kind, whatever has the name besides.
  ['a prompt as a tool', asked('tools/call', 'prompts', 'greeting'), 'tool_not_allowed'],
  ['no tool', { id: 1, method: 'tools/call' }, 'tool_not_allowed'],
  ['no prompt', { id: 1, method: 'prompts/get' }, 'prompt_not_allowed'],
  ['no resource', { id: 1, method: 'resources/read' }, 'resource_not_allowed'],
  ['no reference', { id: 1, method: 'completion/complete' }, 'mcp_method_not_allowed'],
  ['an answer', { id: 7 }, []],
])('judges %s', async (_, message, expected) => {
  expect(await patterns([message])).toEqual(expected)
})

it.each([
  ...['initialize', 'ping', 'server/discover', 'tools/list', 'prompts/list', 'resources/list'],
  ...['resources/templates/list', 'subscriptions/listen', 'logging/setLevel'],
  ...['tasks/get', 'tasks/result', 'tasks/cancel'],
])('lets %s be called without a name', async (method) => {
  expect(await patterns([{ id: 1, method }])).toEqual([])
})

it.each(['tasks/list', 'tasks/other', 'Ping', 'notifications', 'logging/setlevel', 'x', ''])(
  'does not let %j be called',
  async (method) => {
    expect(await patterns([{ id: 1, method }])).toBe('mcp_method_not_allowed')
  },
)

it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])(
  'does not let %s be called in 2026-07-28',
  async (method) => {
    const operation = { revision: '2026-07-28' } as const
    expect(await patterns([{ id: 1, method }], { operation })).toBe('mcp_method_not_allowed')
  },
)

it('lets notifications of the protocol be sent', async () => {
  const methods = ['notifications/initialized', 'notifications/anything/else']
  expect(await patterns(methods.map((method) => ({ method })))).toEqual([])
})

it.each([
  ...['notifications/../tools/call', 'notifications/./x', 'notifications//x', 'notifications/x/'],
  ...['notifications/', 'notifications/x.y', 'notifications/a ', 'Notifications/initialized'],
])('takes %j for no notification of the protocol', async (method) => {
  expect(await patterns([{ method }])).toBe('mcp_method_not_allowed')
})

it('takes the closest name, and its types of agents', async () => {
  const types = { type: 'service writer', types: ['service', 'writer'] }
  for (const agent of [{ type: 'writer' }, types]) {
    expect(await patterns([callOf('files_write')], { agent })).toEqual(['files_write'])
  }
  for (const type of ['Writer', 'service writer']) {
    expect(await patterns([callOf('files_write')], { agent: { type } })).toBe('tool_not_allowed')
  }
})

it('says the same of what is not named and of what is not for this agent', async () => {
  const when = 'arguments.amount < 100.0'
  const { mcp } = mcpFacts({ tools: { pay: { scopes: [], when, agent_types: ['payer'] } } }).route
  const [unnamed, foreign] = await Promise.all(
    ['nothing', 'pay'].map((name) => run([callOf(name, { amount: 1, AMOUNT: 1 })], { mcp })),
  )
  if (!unnamed || unnamed.ok || !foreign || foreign.ok) throw new Error('let pass')
  const { detail: _, ...told } = unnamed.reason
  const { detail, ...same } = foreign.reason
  expect(same).toEqual(told)
  expect(detail).toEqual({ method: 'tools/call', tool: 'pay', pattern: 'pay' })
})

// `files_*` needs a scope with the path in it, and `pay` has a condition on its arguments.
it.each<[string, object, string]>([
  ['files_read', { path: 'a', Path: 'b' }, 'arguments_ambiguous'],
  ['files_read', { path: 'a', at: [{ x: { 'k\u212a': 1, kk: 2 } }] }, 'arguments_ambiguous'],
  ['files_read', { path: 'a', PATHS: 1, x: [{ a: 1 }, { A: 1 }] }, 'ok'],
  ['pay', { amount: 1, 'amount\u0000': 1_000 }, 'arguments_ambiguous'],
  ['pay', { AMOUNT: 1_000 }, 'arguments_ambiguous'],
  ['pay', { amount: 1, currency: { Amount: 1 } }, 'ok'],
  ['echo', { Path: 'a', path: 'b' }, 'ok'],
])('reads the arguments of %s as all others do: %j is %s', async (name, given, code) => {
  expect(codeOf(await run([callOf(name, { ...given })], { mcp: mcpOf() }))).toBe(code)
})

const AMBIGUOUS = 'arguments_ambiguous'
it.each<[string, object, string]>([
  ['!has(arguments.options.force)', { options: { Force: true } }, AMBIGUOUS],
  ['!has(arguments.options.force)', { options: { forces: true }, other: { Force: 1 } }, 'ok'],
  ['!("force" in arguments)', { FORCE: 1 }, AMBIGUOUS],
  ['arguments["options"]["force"] != true', { options: { Force: 1 } }, AMBIGUOUS],
  ['arguments.items.all(i, !has(i.force))', { items: [[{ Force: 1 }]] }, AMBIGUOUS],
  ['!has(arguments.a.b) || !has(arguments.a.b.c)', { a: { b: { x: { C: 1 } } } }, AMBIGUOUS],
  ['["force"].all(n, arguments.options[n] == 1.0)', { options: { Force: 1 } }, AMBIGUOUS],
  // The condition is an error over a map: no name is looked up.
  ['arguments.options.all(k, k != "force")', { options: { Force: 1 } }, 'ok'],
  ['!has(arguments.a.Id) && !has(arguments.b.id)', { a: { Id: 1 }, b: { id: 1 } }, 'ok'],
  // Names of claims, and texts that no member is looked up by.
  ['token.org.Id == "x" && arguments.at.key == "y"', { at: { id: 1, key: 'y' } }, 'ok'],
  ['"Admin" in agent.types && arguments.at.x == 1.0', { at: { admin: 1 } }, 'ok'],
  ['arguments.at.kind == "Pod"', { at: { kind: 'Pod', pod: {} } }, 'ok'],
])('reads what is inside of arguments as all do: %s of %j is %s', async (when, given, code) => {
  const { mcp } = mcpFacts({ tools: { run: { scopes: [], when } } }).route
  expect(codeOf(await run([callOf('run', { ...given })], { mcp }))).toBe(code)
})

it.each<[string, string, string | readonly string[]]>([
  ['file:///docs/{+path}', 'x', ['/*', '/secret/*', '/hidden', '/open/{id}']],
  ['file:///docs/{+path}', 'y', 'resource_not_allowed'],
  ['file:///docs/other/{+path}', 'y', ['/*']],
  ['file:///docs/open/{id}', 'y', ['/open/{id}']],
  ['file:///{+path}', 'x', 'resource_not_allowed'],
  ['file:///docs/../{x}', 'x', 'resource_not_allowed'],
  ['file:///docs/%2e%2e/{x}', 'x', 'resource_not_allowed'],
  ['file:///docs/%c0%ae/{x}', 'x', 'resource_not_allowed'],
  ['file://localhost/docs/{x}', 'x', 'resource_not_allowed'],
])('asks for the completion of %s by %s what all needs that it may make', async (uri, type, of) => {
  const { mcp } = mcpFacts({
    resources: {
      'file:///docs/*': ['docs'],
      'file:///docs/secret/*': ['secret'],
      'file:///docs/hidden': { scopes: [], agent_types: ['x'] },
      'file:///docs/open/{id}': ['open'],
    },
  }).route
  const expected = typeof of === 'string' ? of : of.map((path) => `file:///docs${path}`)
  expect(await patterns([completed('resources', uri)], { mcp, agent: { type } })).toEqual(expected)
  expect(await patterns([read('file:///docs/{+path}')], { mcp })).toBe('resource_not_allowed')
})

it('judges each message of a batch', async () => {
  const good = callOf('get_weather')
  expect(await patterns([good, read('docs://public/1')])).toEqual([
    'get_weather',
    'docs://public/*',
  ])
  expect(await patterns([good, callOf('forbidden_tool', {}, 2)])).toBe('tool_not_allowed')
  expect(await patterns([good, { method: 'notifications/x.y' }])).toBe('mcp_method_not_allowed')
})

it('asks nothing of a stream and of another rule, and refuses a message that was not read', async () => {
  expect(await patterns([], { operation: { method: 'GET' } })).toEqual([])
  expect(await patterns([])).toBe('mcp_method_not_allowed')
  const facts = { operation: { kind: 'http', method: 'POST' }, agent: agentOf() } as const
  expect(codeOf(await mcpAccess.run({ ...facts, route }, undefined))).toBe('mcp_method_not_allowed')
  const elsewhere = await mcpAccess.run({ ...facts, route: routeOf('POST /x') }, undefined)
  expect(elsewhere).toEqual({ ok: true, value: { uses: [] } })
})
