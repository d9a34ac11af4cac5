import { createHash } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  TaskStatusNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { eventually } from '../kit/eventually.ts'
import { type McpOrigin, startMcpOrigin } from '../kit/mcp/server.ts'
import { createTaskHandler } from '../kit/mcp/task-extension.ts'
import { type TaskServers, taskServers } from '../kit/mcp/task-server.ts'
import { revoking } from './revoking.ts'
import { type Setting, startSetting } from './setting.ts'

const SEALED = /^[\w-]+\.[\w-]+\.[\w-]+$/
const RELATED = 'io.modelcontextprotocol/related-task'
const META = 'io.modelcontextprotocol/protocolVersion'
const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'kit', version: '1' },
}
const JSON_TYPE = { 'content-type': 'application/json' }

let servers: TaskServers
let origin: McpOrigin
let setting: Setting

beforeAll(async () => {
  servers = taskServers()
  origin = await startMcpOrigin({ create: servers.create, modern: createTaskHandler() })
  const ruleOf = (path: string, more: object = {}) => ({
    match: `GET,POST,DELETE ${path}`,
    scopes: [],
    mcp: { tools: { '*': [] }, ...more },
  })
  setting = await startSetting({
    gate: { origin: origin.url, assertion: 'body' },
    issuer: { admin: 'all' },
    routes: [
      ...['/mcp', '/stateless', '/raw'].map((path) => ruleOf(path)),
      { ...ruleOf('/other/stateless'), strip_prefix: '/other' },
      { ...ruleOf('/listing/mcp', { methods: ['tasks/list'] }), strip_prefix: '/listing' },
      ...['/extension', '/modern'].map((path) =>
        ruleOf(path, { methods: ['tasks/get', 'tasks/update', 'tasks/cancel'] }),
      ),
    ],
  })
})
afterAll(async () => {
  await Promise.all([setting.close(), origin.close()])
  servers.close()
})

const connect = async (path: string, claims: object = {}) => {
  const token = await setting.token({ ...claims })
  const heard: string[] = []
  const client = new Client(
    { name: 'kit', version: '1.0.0' },
    { capabilities: { elicitation: {}, tasks: {} } },
  )
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    heard.push(String((params._meta?.[RELATED] as { taskId?: string })?.taskId))
    return { action: 'accept', content: { name: 'Ada' } }
  })
  client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
    heard.push(params.taskId)
  })
  const transport = new StreamableHTTPClientTransport(new URL(setting.gate.url + path), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  })
  await client.connect(transport as Transport)
  const { tasks } = client.experimental
  return {
    client,
    tasks,
    heard,
    /** Begins a task, and gives the id that the client gets. */
    async begin(name: string): Promise<string> {
      for await (const told of tasks.callToolStream({ name }, CallToolResultSchema, {
        task: { ttl: 60_000 },
      })) {
        if (told.type === 'taskCreated') return told.task.taskId
        throw new Error(JSON.stringify(told))
      }
      throw new Error('nothing came')
    },
  }
}

/** The server's own id of the newest task. */
const newest = () => servers.ids().at(-1) ?? ''

describe.each(['/mcp', '/stateless'])(
  'tasks of 2025-11-25 at %s, by the client of the SDK',
  (path) => {
    it('run to their result, under one id that is not the server’s', async () => {
      const { client, tasks } = await connect(path)
      const told = []
      const stream = tasks.callToolStream({ name: 'greet' }, CallToolResultSchema, {
        task: { ttl: 60_000 },
      })
      for await (const one of stream) told.push(one)
      const ids = told.flatMap((one) => ('task' in one ? one.task.taskId : []))
      expect(told.at(-1)).toMatchObject({
        type: 'result',
        result: { content: [{ text: 'hello' }], _meta: { [RELATED]: { taskId: ids[0] } } },
      })
      expect(ids[0]).toMatch(SEALED)
      expect(ids[0]).not.toContain(newest())
      expect(new Set(ids).size).toBe(1)
      await client.close()
    })

    it('are cancelled', async () => {
      const { client, tasks, begin } = await connect(path)
      const task = await begin('wait')
      expect(await tasks.cancelTask(task)).toMatchObject({ taskId: task, status: 'cancelled' })
      expect(await tasks.getTask(task)).toMatchObject({ taskId: task, status: 'cancelled' })
      await expect(tasks.cancelTask(task)).rejects.toMatchObject({ code: -32602 })
      await client.close()
    })
  },
)

it('a task with a session asks the client, and tells it of each status, under the same id', async () => {
  const { client, tasks, begin, heard } = await connect('/mcp')
  const task = await begin('ask')
  await eventually(async () => expect((await tasks.getTask(task)).status).toBe('input_required'))
  const result = await tasks.getTaskResult(task, CallToolResultSchema)
  expect(result.content).toMatchObject([{ text: 'hello Ada' }])
  // One of the request for input, and one of each change.
  await eventually(() => expect(heard.length).toBeGreaterThan(2))
  expect(new Set(heard)).toEqual(new Set([task]))
  await client.close()
})

interface Sent {
  readonly path?: string
  readonly token?: string
  readonly version?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends text as it is. */
const post = async (
  body: string,
  { path = '/stateless', token, version = '2025-11-25', headers }: Sent = {},
) =>
  setting.ask(path, {
    method: 'POST',
    body,
    token: token ?? (await setting.token()),
    headers: {
      ...JSON_TYPE,
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version,
      ...headers,
    },
  })

const message = (method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })

/** The message of an answer, whatever it came as. */
const answered = async (response: Response) => {
  const text = await response.text()
  return {
    status: response.status,
    ...JSON.parse(text.replace(/^(?:event|id): .*\n|^data: /gm, '')),
  }
}

const send = async (method: string, params: object, sent?: Sent) =>
  answered(await post(message(method, params), sent))

const begin = async (sent?: Sent) => {
  const { result } = await send('tools/call', { name: 'wait', task: { ttl: 60_000 } }, sent)
  return { sealed: result.task.taskId as string, own: newest() }
}

const UNKNOWN = {
  status: 200,
  id: 1,
  error: { code: -32602, data: { code: 'task_unknown', hint: expect.any(String) } },
}

describe('a task of one agent', () => {
  it.each(['tasks/get', 'tasks/result', 'tasks/cancel'])(
    'does not exist for others who %s it',
    async (method) => {
      const { sealed, own } = await begin()
      const session = await post(message('initialize', INITIALIZE), { path: '/mcp' })
      const before = origin.requests.length
      const [header = '', claims = '', signature = ''] = sealed.split('.')
      const text = (part: string) => Buffer.from(part, 'base64url').toString()
      const forged = Buffer.from(text(claims).replace('agent-1', 'thief')).toString('base64url')
      for (const [taskId, sent] of [
        [sealed, { token: await setting.token({ client_id: 'thief' }) }],
        [sealed, { token: await setting.token({ sub: 'another user' }) }],
        [sealed, { path: '/other/stateless' }],
        [own, {}],
        ['never-there', {}],
        [`${sealed}x`, {}],
        [
          [header, forged, signature].join('.'),
          { token: await setting.token({ client_id: 'thief' }) },
        ],
        [session.headers.get('mcp-session-id'), {}],
        [await setting.token(), {}],
      ] as const) {
        expect(await send(method, { taskId }, sent)).toMatchObject(UNKNOWN)
      }
      expect(origin.requests).toHaveLength(before)
      const { result } = await send('tasks/get', { taskId: sealed })
      expect(result).toMatchObject({ taskId: sealed, status: 'working' })
    },
  )

  it('is not reached by a message that readers read differently', async () => {
    const { sealed, own } = await begin()
    const before = origin.requests.length
    const params = (inner: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":${inner}}`
    for (const [inner, code] of [
      [`{"taskId":"${sealed}","TaskId":"${own}"}`, 'params_ambiguous'],
      [`{"taskId":"${sealed}","_meta":{"${RELATED}":{"taskId":"${own}"}}}`, 'task_unknown'],
      [`{"task_id":"${own}"}`, 'params_ambiguous'],
      ['{}', 'task_unknown'],
      [`{"_meta":{"${RELATED}":{"taskId":"${sealed}"}}}`, 'task_unknown'],
    ] as const) {
      expect((await answered(await post(params(inner)))).error.data.code).toBe(code)
    }
    expect(origin.requests).toHaveLength(before)
    const escaped = params(`{"task\\u0049d":"${sealed}"}`)
    expect((await answered(await post(escaped))).result.taskId).toBe(sealed)
  })

  it('ends with its agent, and stays another’s', async () => {
    const { revoke, lift } = revoking(setting, setting.gate)
    const [mine, theirs] = [
      { token: await setting.token({ client_id: 'revoked' }) },
      { token: await setting.token({ client_id: 'other' }) },
    ]
    const [one, other] = [await begin(mine), await begin(theirs)]
    const id = await revoke({ kind: 'agent', value: 'revoked' })
    const refused = await post(message('tasks/result', { taskId: one.sealed }), mine)
    expect(refused.status).toBe(401)
    expect(await refused.text()).toContain('token_revoked')
    const { result } = await send('tasks/get', { taskId: other.sealed }, theirs)
    expect(result).toMatchObject({ taskId: other.sealed, status: 'working' })
    await lift(id)
    // An answer that takes its time is watched by a copy of the set, which has the entry for a while.
    await eventually(async () =>
      expect(await send('tasks/get', { taskId: one.sealed }, mine)).toHaveProperty('result.status'),
    )
  })
})

describe('tasks/list', () => {
  it('has the ids under which the tasks were handed out', async () => {
    const { client, tasks, begin } = await connect('/listing/mcp')
    const own = [await begin('wait'), await begin('greet')]
    const { tasks: listed } = await tasks.listTasks()
    expect(listed.map(({ taskId }) => taskId)).toEqual(expect.arrayContaining(own))
    expect(listed.every(({ taskId }) => SEALED.test(taskId))).toBe(true)
    await client.close()
  })
})

describe('a body with another id', () => {
  it('is bound by the assertion as the server gets it, without the digest of the client', async () => {
    const { sealed, own } = await begin()
    const body = ` {"method":"tasks/get" , "jsonrpc":"2.0","id":1,"params":{"taskId":"${sealed}"}}`
    const digest = createHash('sha256').update(body).digest('base64')
    await post(body, { headers: { 'content-digest': `sha-256=:${digest}:` } })
    const got = origin.requests.at(-1)
    expect(got?.body).toBe(body.replace(sealed, own))
    expect(got?.header('content-digest')).toBeUndefined()
    const { bdh } = decodeJwt(got?.header('x-agent-assertion') ?? '')
    expect(bdh).toBe(
      createHash('sha256')
        .update(got?.body ?? '')
        .digest('base64url'),
    )
  })
})

describe('an answer', () => {
  const task = (taskId: unknown) =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, result: { task: { taskId, status: 'working' } } })

  it.each(['', 'a b'])('with a task id that is none (%s) is 502', async (id) => {
    origin.on('/raw', reply(200, JSON_TYPE, task(id)))
    expect(await send('tools/call', { name: 'wait', task: {} }, { path: '/raw' })).toMatchObject({
      status: 502,
      error: { data: { code: 'mcp_answer_invalid' } },
    })
    const event = { 'content-type': 'text/event-stream' }
    origin.on('/raw', reply(200, event, `data: ${task(id)}\n\n`))
    const broken = await post(message('tools/call', { name: 'wait', task: {} }), { path: '/raw' })
    await expect(broken.text()).rejects.toThrow()
  })

  it('keeps what only looks like a task, and ids of the client’s own tasks', async () => {
    const texts = [
      task(7),
      '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\"taskId\\":\\"x\\""}]}}',
      '{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"of-the-client"}}',
      '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"taskId":"x"}}}',
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"taskId"}}',
    ]
    for (const text of texts) {
      origin.on('/raw', reply(200, JSON_TYPE, text))
      const got = await post(message('tools/call', { name: 'wait' }), { path: '/raw' })
      expect(await got.text()).toBe(text)
    }
    const own = { jsonrpc: '2.0', method: 'notifications/tasks/status', params: { taskId: 'mine' } }
    const said = { jsonrpc: '2.0', id: 4, result: { _meta: { [RELATED]: { taskId: 'mine' } } } }
    for (const body of [own, said].map((one) => JSON.stringify(one))) {
      await post(body, { path: '/raw' })
      expect(origin.requests.at(-1)?.body).toBe(body)
    }
  })
})

describe('tasks of the extension of 2026-07-28', () => {
  const _meta = {
    [META]: '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
  }
  const modern = (method: string, name: string, more: object, path: string, token?: string) =>
    send(
      method,
      { _meta, ...more },
      {
        path,
        version: '2026-07-28',
        headers: { 'mcp-method': method, ...(name && { 'mcp-name': name }) },
        ...(token !== undefined && { token }),
      },
    )

  it('belong to their agent, at a server that has them', async () => {
    const given = { name: 'multi_input', arguments: {} }
    const { result } = await modern('tools/call', given.name, given, '/modern')
    const { taskId } = result
    expect(result).toMatchObject({ resultType: 'task', taskId: expect.stringMatching(SEALED) })
    const ask = (method: string, more: object = {}, token?: string) =>
      modern(method, taskId, { taskId, ...more }, '/modern', token)
    const thief = await setting.token({ client_id: 'thief' })
    const before = origin.requests.length
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      expect(await ask(method, { inputResponses: {} }, thief)).toMatchObject(UNKNOWN)
    }
    expect(origin.requests).toHaveLength(before)
    const status = async () => (await ask('tasks/get')).result
    await eventually(async () => expect(await status()).toMatchObject({ status: 'input_required' }))
    expect(await ask('tasks/cancel')).toMatchObject({ result: { resultType: 'complete' } })
    expect(await status()).toMatchObject({ taskId, status: 'cancelled' })
  })

  it('have sealed ids, in the header as well', async () => {
    const flat = (taskId: string) => ({ resultType: 'task', taskId, status: 'working' })
    origin.on(
      '/extension',
      reply(200, JSON_TYPE, JSON.stringify({ jsonrpc: '2.0', id: 1, result: flat('7 of 9') })),
    )
    expect(await modern('tools/call', 'wait', { name: 'wait' }, '/extension')).toMatchObject({
      status: 502,
    })
    origin.on(
      '/extension',
      reply(200, JSON_TYPE, JSON.stringify({ jsonrpc: '2.0', id: 1, result: flat('7-of-9') })),
    )
    const { result } = await modern('tools/call', 'wait', { name: 'wait' }, '/extension')
    const { taskId } = result
    expect(taskId).toMatch(SEALED)
    const got = await modern('tasks/get', taskId, { taskId }, '/extension')
    expect(got.result.taskId).toBe(taskId)
    const [request] = origin.requests.slice(-1)
    expect(request?.header('mcp-name')).toBe('7-of-9')
    expect(JSON.parse(request?.body ?? '').params.taskId).toBe('7-of-9')
    expect(await modern('tasks/get', '7-of-9', { taskId: '7-of-9' }, '/extension')).toMatchObject({
      error: { data: { code: 'task_unknown' } },
    })
    const listen = (ids: unknown) =>
      modern('subscriptions/listen', '', { notifications: { taskIds: ids } }, '/extension')
    expect(await listen(['7-of-9'])).toMatchObject({ error: { data: { code: 'task_unknown' } } })
    await listen([taskId])
    expect(origin.requests.at(-1)?.body).toContain('"taskIds":["7-of-9"]')
    const before = origin.requests.length
    expect(await listen('7-of-9')).toMatchObject({ error: { data: { code: 'params_invalid' } } })
    const related = { _meta: { ..._meta, [RELATED]: { taskId: '7-of-9' } } }
    expect(await modern('subscriptions/listen', '', related, '/extension')).toMatchObject(UNKNOWN)
    expect(origin.requests).toHaveLength(before)
  })
})
