/** Tables `mcp` and messages to MCP servers. */
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec } from './shapes.ts'

const NEED = (dice: Dice): Json =>
  dice.pick<Json>([
    [],
    ['docs:read'],
    { any: ['docs:read', 'files:all'] },
    { scopes: ['docs:write'], agent_types: ['planner', 'crawler'] },
    { scopes: [], when: 'arguments.amount <= 100' },
    { scopes: { any: ['admin:all', 'files:all'] }, when: 'has(arguments.path)' },
    ['docs:read:{arguments.path}'],
    { scopes: [], agent_types: ['ci'] },
    { scopes: [], when: 'token.tenant == "blue"' },
  ])

export function mcpTable(dice: Dice): JsonObject {
  const named = (names: string[]) =>
    Object.fromEntries(dice.some(names, 0.6).map((name) => [name, NEED(dice)]))
  const plain = (names: string[]) =>
    Object.fromEntries(
      dice
        .some(names, 0.6)
        .map((name) => [
          name,
          dice.pick<Json>([[], ['docs:read'], { any: ['docs:read', 'admin:all'] }]),
        ]),
    )
  return {
    tools: named(['search', 'files_*', 'files_write', 'transfer', 'Search']),
    ...(dice.chance(0.5) && { prompts: named(['summarize', 'sum_*']) }),
    ...(dice.chance(0.5) && {
      resources: plain(['file:///docs/*', 'file:///docs/secret', 'https://x.example/a']),
    }),
    ...(dice.chance(0.2) && {
      methods: dice.some(['logging/setLevel', 'custom/do', 'tasks/list', 'tasks/get'], 0.7),
    }),
    ...(dice.chance(0.2) && {
      revisions: dice.pick([
        ['2025-11-25'],
        ['2026-07-28'],
        ['2025-06-18', '2026-07-28'],
        ['2025-03-26'],
      ]),
    }),
    ...(dice.chance(0.2) && { origins: ['https://app.example'] }),
    ...(dice.chance(0.1) && { max_body: 1024 }),
    ...(dice.chance(0.15) && { refusals: dice.pick(['auto', 'http', 'json-rpc']) }),
    ...(dice.chance(0.15) && { list: dice.pick(['allowed', 'obtainable']) }),
    ...(dice.chance(0.15) && { offered_scopes: ['docs:read'] }),
  }
}

const TOOLS = [
  ...['search', 'files_read', 'files_write', 'transfer', 'Search', 'SEARCH', 'files_WRITE'],
  ...['nobody', ''],
]
const URIS = [
  ...['file:///docs/a', 'file:///docs/secret', 'file:///docs/SECRET', 'file:///docs/../x'],
  ...['file:///docs//x', 'https://x.example/a', 'https://x.example/a/', 'file:///docs/a%41', 'x'],
  'file:///docs/secret?x=1',
]

function messageOf(dice: Dice): JsonObject {
  const args = (): Json =>
    dice.pick<Json>([
      {},
      { path: 'a.b', amount: 7 },
      { amount: 7, to: { account: 'a', note: 'n' } },
      { to: ['a'], path: 'a.b' },
      { amount: 700 },
      { path: 'a/b' },
      { Path: 'x' },
      { amount: 'x' },
    ])
  const [method, params] = dice.pick<() => [string, Json | undefined]>([
    () => ['tools/call', { name: dice.pick(TOOLS), arguments: args() }],
    () => ['tools/call', { name: dice.pick(TOOLS), arguments: args() }],
    () => ['tools/call', { name: dice.pick(TOOLS.slice(0, 4)) }],
    () => ['tools/list', undefined],
    () => ['initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} }],
    () => ['ping', undefined],
    () => [
      'prompts/get',
      { name: dice.pick(['summarize', 'sum_x', 'Summarize']), arguments: args() },
    ],
    () => ['resources/read', { uri: dice.pick(URIS) }],
    () => ['resources/subscribe', { uri: dice.pick(URIS) }],
    () => ['logging/setLevel', { level: 'info' }],
    () => ['custom/do', {}],
    () => [dice.pick(['tasks/get', 'tasks/result', 'tasks/cancel']), { taskId: taskOf(dice) }],
    () => ['subscriptions/listen', { notifications: { taskIds: [taskOf(dice), 'mine-2'] } }],
    () => ['completion/complete', { ref: { type: 'ref/prompt', name: 'summarize' }, argument: {} }],
    () => [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: dice.pick(URIS) }, argument: {} },
    ],
    () => ['notifications/initialized', undefined],
    () => ['server/discover', {}],
    () => ['unknown', {}],
  ])()
  const isNotification = method.startsWith('notifications/')
  if (params && dice.chance(0.05)) {
    ;(params as JsonObject)._meta = {
      'io.modelcontextprotocol/related-task': { taskId: taskOf(dice) },
    }
  }
  return {
    jsonrpc: '2.0',
    ...((isNotification ? dice.chance(0.05) : dice.chance(0.97)) && {
      id: dice.pick<Json>([1, 'a', 2]),
    }),
    method,
    ...(params !== undefined && { params }),
  }
}

/** An id of a task, mostly one that was given to who asks. */
const taskOf = (dice: Dice) => dice.pick(['mine-1', 'mine-2', 'alice-1', 'own-1', 'x'])

/** Makes a request one to an MCP server. */
export function mcpRequest(dice: Dice, request: RequestSpec): void {
  const revision = dice.pick([
    '2025-03-26',
    '2025-06-18',
    '2025-11-25',
    '2025-11-25',
    '2026-07-28',
    '2026-07-28',
  ])
  const message = messageOf(dice)
  const isNewest = revision === '2026-07-28'
  request.method = dice.pick(['POST', 'POST', 'POST', 'POST', 'POST', 'GET', 'DELETE'])
  if (dice.chance(0.93))
    request.headers.push(['MCP-Protocol-Version', dice.chance(0.05) ? 'x' : revision])
  if (!isNewest && dice.chance(0.3)) {
    request.headers.push(['Mcp-Session-Id', dice.pick(['mine-1', 'mine-1', 'alice-1', 'unknown'])])
  }
  if (dice.chance(0.05))
    request.headers.push(['Origin', dice.pick(['https://app.example', 'https://x.example'])])
  if (request.method !== 'POST') return
  request.headers.push([
    'Content-Type',
    dice.chance(0.95)
      ? 'application/json'
      : dice.pick([
          'text/plain',
          'application/json; charset=utf-8',
          'application/json; charset=latin1',
        ]),
  ])
  if (isNewest) {
    const params = (message.params ?? {}) as JsonObject
    if (dice.chance(0.95))
      request.headers.push(['Mcp-Method', dice.chance(0.95) ? String(message.method) : 'ping'])
    const name = params.name ?? params.uri ?? params.taskId
    const isNamed = /^(?:tools\/call|prompts\/get|resources\/read|tasks\/(?:get|cancel))$/.test(
      String(message.method),
    )
    if (name !== undefined && isNamed && dice.chance(0.95))
      request.headers.push(['Mcp-Name', String(name)])
    if (dice.chance(0.2) && message.params) {
      ;(message.params as JsonObject)._meta = {
        ...(message.params as { _meta?: object })._meta,
        'io.modelcontextprotocol/protocolVersion': dice.pick([revision, '2025-11-25']),
      }
    }
  }
  const batch = dice.chance(0.08)
  const body: Json = batch
    ? [message, ...Array.from({ length: dice.below(3) }, () => messageOf(dice))]
    : message
  if (dice.chance(0.05)) {
    message[dice.pick(['jsonrpc', 'id', 'extra', 'Method', 'result', 'params'])] = dice.pick<Json>([
      'x',
      null,
      1.5,
      {},
      '2.0',
    ])
  }
  request.body = dice.chance(0.03)
    ? dice.pick(['', '{', '[]', 'null', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}'])
    : JSON.stringify(body)
}
