/** Topics about messages to MCP servers. */
import type { Json, JsonObject } from '../reference/types.ts'
import { consoleTable, peopleTable, SHOWS } from './asking.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec } from './shapes.ts'
import type { Topic } from './topics.ts'

const VERSION = 'io.modelcontextprotocol/protocolVersion'
const RELATED = 'io.modelcontextprotocol/related-task'
const OLD = '2025-11-25'
const NEW = '2026-07-28'

/** A rule for an MCP server. */
const server = (mcp: JsonObject, more: JsonObject = {}): JsonObject => ({
  match: 'POST /mcp',
  scopes: [],
  ...more,
  mcp,
})

const call = (method: string, params?: JsonObject, id: Json = 1): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params && { params }),
})

/** Makes a request one with these messages, in one of the revisions. */
function tell(
  request: RequestSpec,
  revision: string,
  body: Json,
  more: [name: string, value: string][] = [],
): void {
  request.method = 'POST'
  request.headers = request.headers.filter(([name]) => !/^(?:mcp-|content-|origin$)/i.test(name))
  request.headers.push(['Content-Type', 'application/json'], ['MCP-Protocol-Version', revision])
  request.headers.push(...more)
  request.body = JSON.stringify(body)
}

/** A message of the newest revision, which names itself in `_meta`. */
const newest = (method: string, params: JsonObject = {}): JsonObject =>
  call(method, { ...params, _meta: { [VERSION]: NEW, ...(params._meta as JsonObject) } })

const URIS = ['file:///docs/a', 'file:///docs/secret', 'file:///other', 'https://x.example/a']

const RESOURCES: Topic = {
  policy: (dice) => ({
    rules: [
      server({
        resources: {
          'file:///docs/*': dice.pick([[], ['docs:read']]),
          'file:///docs/secret': ['admin:all'],
          ...(dice.chance(0.5) && { 'file:///*': ['docs:write'] }),
        },
      }),
    ],
  }),
  request(dice, request) {
    const uri = () => dice.pick(URIS)
    const template = dice.pick(['file:///docs/{id}', 'file:///{id}', 'file:///docs/s{id}', uri()])
    const [method, params] = dice.pick<() => [string, JsonObject]>([
      () => ['subscriptions/listen', { notifications: { resourceSubscriptions: [uri(), uri()] } }],
      () => [
        'completion/complete',
        { ref: { type: 'ref/resource', uri: template }, argument: { name: 'id', value: 'a' } },
      ],
      () => ['resources/read', { uri: uri() }],
    ])()
    tell(request, OLD, call(method, params))
  },
}

/** A task or a session: of whoever asks, of some subjects, of the server, or of nobody. */
const sealed = (dice: Dice) => dice.pick(['mine-1', 'mine-2', 'alice-1', 'bob-1', 'own-1', 'x'])

const TASKS: Topic = {
  policy: () => ({
    rules: [server({ tools: { search: [] }, methods: ['tasks/update', 'custom/do'] })],
  }),
  request(dice, request) {
    const task = dice.pick<JsonObject>([
      ...[{ taskId: sealed(dice) }, { taskId: sealed(dice) }, {}, { task_id: sealed(dice) }],
      { taskId: sealed(dice), [dice.pick(['task_id', 'TaskId', 'meta'])]: 'x' },
    ])
    const method = dice.pick(['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update'])
    const related = { _meta: { [RELATED]: { taskId: sealed(dice) } } }
    dice.pick([
      () => tell(request, OLD, call(method, task)),
      () => tell(request, OLD, call('tools/call', { name: 'search', ...related })),
      () => tell(request, OLD, { jsonrpc: '2.0', method: 'notifications/x', params: related }),
      () => {
        const notifications = { taskIds: [sealed(dice)], ...(dice.chance(0.2) && { task_ids: [] }) }
        tell(request, OLD, call('subscriptions/listen', { notifications }))
      },
      () => {
        const name = dice.chance(0.8) ? String(task.taskId ?? 'x') : 'x'
        const written = dice.chance(0.3) ? `=?base64?${btoa(name)}?=` : name
        const headers: [string, string][] = [
          ['Mcp-Method', 'tasks/update'],
          ['Mcp-Name', written],
        ]
        tell(request, NEW, newest('tasks/update', task), headers)
      },
    ])()
  },
}

const MIRRORED: Topic = {
  policy: () => ({ rules: [server({ tools: { search: [], other: [] } })] }),
  request(dice, request) {
    const methods = ['tools/call', 'tools/list', 'notifications/x', 'notifications/initialized']
    const method = dice.pick(methods)
    const params = method === 'tools/call' ? { name: dice.pick(['search', 'other']) } : {}
    const { id, ...told } = dice.chance(0.6) ? newest(method, params) : call(method, params)
    const isTold = method.startsWith('notifications/')
    const headers: [string, string][] = []
    if (dice.chance(0.7))
      headers.push(['Mcp-Method', dice.chance(0.7) ? method : dice.pick(methods)])
    if (dice.chance(0.5)) headers.push(['Mcp-Name', dice.pick(['search', 'other'])])
    tell(request, dice.pick([OLD, NEW, NEW]), { ...told, ...(!isTold && { id }) }, headers)
  },
}

const SESSIONS: Topic = {
  policy: () => ({ rules: [server({ tools: { search: [] } })] }),
  request: (dice, request) => tell(request, OLD, call('ping'), [['Mcp-Session-Id', sealed(dice)]]),
}

const TOOLS: Topic = {
  policy: (dice) => ({
    rules: [
      server(
        {
          tools: {
            search: dice.pick<Json>([[], ['docs:read']]),
            transfer: { scopes: [], when: 'arguments.amount <= 100' },
            write: {
              scopes: ['docs:write'],
              when: { condition: '!("x-tier" in request.headers)', headers: ['x-tier'] },
            },
          },
        },
        { scopes: dice.pick([[], ['mcp:connect']]) },
      ),
    ],
  }),
  request(dice, request) {
    const one = (id: number) =>
      call(
        'tools/call',
        {
          name: dice.pick(['search', 'transfer', 'write']),
          arguments: {
            amount: dice.pick([7, 100, 101]),
            ...(dice.chance(0.2) && { Amount: 7 }),
          },
        },
        id,
      )
    const tiers = Array.from({ length: dice.pick([0, 0, 1, 2]) }, (): [string, string] => [
      dice.pick(['x-tier', 'x_tier']),
      'gold',
    ])
    if (dice.chance(0.5)) tell(request, '2025-03-26', [one(1), one(2)], tiers)
    else tell(request, OLD, one(1), tiers)
  },
}

/** Calls like one for which there is a standing approval, and calls nearly like it. */
const SHOWN: Topic = {
  policy: (dice) => ({
    gate: { console: consoleTable() },
    others: { people: peopleTable() },
    rules: [
      server({ tools: { pay: { scopes: [], approval: { shows: dice.pick(SHOWS.slice(2)) } } } }),
    ],
  }),
  token: (_, { claims }) => Object.assign(claims, { client_id: 'planner', sub: 'alice' }),
  request(dice, request) {
    const account = { account: 'a', note: dice.pick(['n', 'm']) }
    const to = dice.pick<Json>([account, account, ['a'], ['a'], ['b'], ['b'], 'a'])
    const args = { amount: dice.pick([7, 7, 8]), path: dice.pick(['a.b', 'x']), to }
    tell(request, '2025-03-26', call('tools/call', { name: 'pay', arguments: args }))
  },
}

export const MCP_TOPICS: Topic[] = [
  RESOURCES,
  RESOURCES,
  TASKS,
  TASKS,
  MIRRORED,
  SESSIONS,
  TOOLS,
  TOOLS,
  SHOWN,
  SHOWN,
  SHOWN,
]
