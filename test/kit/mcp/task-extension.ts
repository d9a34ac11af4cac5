import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import {
  acceptedContent,
  createMcpHandler,
  fromJsonSchema,
  inputRequired,
  type McpHttpHandler,
  ProtocolError,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { text } from './everything-things.ts'

const EXTENSION = 'io.modelcontextprotocol/tasks'

/** A task: what `tasks/get` tells, and who waits for the client's answers. */
interface Task {
  readonly taskId: string
  readonly createdAt: string
  status: 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'
  lastUpdatedAt: string
  readonly ttlMs: number
  readonly pollIntervalMs: number
  inputRequests?: Record<string, object>
  result?: object
  error?: object
}

type Given = Readonly<Record<string, unknown>>
/** Asks the client, and resolves with its answers. */
type Ask = (requests: Record<string, object>) => Promise<Record<string, unknown>>
type Work = (given: Given, ask: Ask, context: ServerContext) => object | Promise<object>

const said = (content: string, more: object = {}) => ({ content: [text(content)], ...more })
const elicit = (message: string, name: string) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type: 'string' } } } as never,
  })

/** Tools that run as tasks; those that are `required` run as nothing else. */
const TOOLS: Readonly<Record<string, { readonly required?: boolean; readonly work: Work }>> = {
  slow_compute: {
    async work({ seconds }) {
      await wait(Number(seconds ?? 0) * 1000)
      return said('computed')
    },
  },
  failing_job: { required: true, work: () => said('It failed.', { isError: true }) },
  protocol_error_job: {
    work: () => {
      throw new Error('It broke.')
    },
  },
  confirm_delete: {
    async work(_given, ask) {
      return said(JSON.stringify(await ask({ confirm: elicit('Really?', 'confirm') })))
    },
  },
  multi_input: {
    async work(_given, ask) {
      const requests = { one: elicit('One?', 'one'), two: elicit('Two?', 'two') }
      return said(JSON.stringify(await ask(requests)))
    },
  },
  test_tool_with_task: {
    required: true,
    work: (_given, _ask, { mcpReq }) =>
      said(`Hello, ${acceptedContent<{ name: string }>(mcpReq.inputResponses, 'user_name')?.name}`),
  },
}

/** A server of 2026-07-28 with the extension for tasks, as the scenarios of the conformance suite ask for it. */
export const createTaskHandler = (): McpHttpHandler => {
  const tasks = new Map<string, Task>()
  const answers = new Map<string, (responses: Record<string, unknown>) => void>()

  const change = (task: Task, changes: Partial<Task>) => {
    // What has ended stays as it is.
    if (['completed', 'failed', 'cancelled'].includes(task.status)) return
    Object.assign(task, changes, { lastUpdatedAt: new Date().toISOString() })
  }
  const begin = (work: Work, given: Given, context: ServerContext): Task => {
    const now = new Date().toISOString()
    const task: Task = {
      taskId: randomUUID(),
      status: 'working',
      createdAt: now,
      lastUpdatedAt: now,
      ttlMs: 60_000,
      pollIntervalMs: 50,
    }
    tasks.set(task.taskId, task)
    const ask: Ask = async (requests) => {
      const all: Record<string, unknown> = {}
      const left = { ...requests }
      while (Object.keys(left).length > 0) {
        change(task, { status: 'input_required', inputRequests: { ...left } })
        const some = await new Promise<Record<string, unknown>>((done) => {
          answers.set(task.taskId, done)
        })
        for (const key of Object.keys(some)) {
          if (key in left) all[key] = some[key]
          delete left[key]
        }
      }
      delete task.inputRequests
      change(task, { status: 'working' })
      return all
    }
    const begun = { ...task }
    const run = async () => work(given, ask, context)
    run().then(
      (result) => change(task, { status: 'completed', result }),
      (error) =>
        change(task, { status: 'failed', error: { code: -32603, message: String(error) } }),
    )
    return begun
  }
  const found = (taskId: unknown): Task => {
    const task = tasks.get(String(taskId))
    if (!task) throw new ProtocolError(-32602, 'There is no such task')
    return task
  }
  const params = fromJsonSchema<{ taskId: string }>({
    type: 'object',
    properties: { taskId: { type: 'string' } },
    required: ['taskId'],
  } as never)
  const required = () =>
    new ProtocolError(-32021, 'The client lacks a capability', {
      requiredCapabilities: { extensions: { [EXTENSION]: {} } },
    })
  const negotiated = ({ mcpReq }: ServerContext): boolean => {
    const envelope = mcpReq.envelope as Readonly<Record<string, object>> | undefined
    const capabilities = envelope?.['io.modelcontextprotocol/clientCapabilities']
    const { extensions = {} } = { ...capabilities } as { readonly extensions?: object }
    return EXTENSION in extensions
  }

  return createMcpHandler(
    () => {
      const server = new Server(
        { name: 'tasks', version: '1.0.0' },
        { capabilities: { tools: {}, extensions: { [EXTENSION]: {} } } as never },
      )
      server.setRequestHandler('tools/list', () => ({
        tools: ['greet', ...Object.keys(TOOLS)].map((name) => ({
          name,
          inputSchema: { type: 'object' as const },
        })),
      }))
      server.setRequestHandler(
        'tools/call',
        async ({ params: { name, arguments: given = {} } }, context) => {
          if (name === 'greet') return said(`Hello, ${given.name}!`)
          const tool = TOOLS[name]
          if (!tool) throw new ProtocolError(-32602, `There is no tool ${name}`)
          const isAsked = name !== 'test_tool_with_task' || context.mcpReq.inputResponses
          if (!isAsked)
            return inputRequired({ inputRequests: { user_name: elicit('Who?', 'name') } })
          if (negotiated(context)) {
            return { resultType: 'task', ...begin(tool.work, given, context) } as never
          }
          if (tool.required) throw required()
          return (await tool.work(given, async () => ({}), context)) as never
        },
      )
      const on = (
        method: string,
        handle: (task: Task, responses: Record<string, unknown>) => object,
      ) =>
        server.setRequestHandler(
          method,
          { params } as never,
          ((asked: { taskId: string }, context: ServerContext) => {
            if (!negotiated(context)) throw required()
            return {
              resultType: 'complete',
              ...handle(found(asked.taskId), context.mcpReq.inputResponses ?? {}),
            }
          }) as never,
        )
      on('tasks/get', (task) => task)
      on('tasks/cancel', (task) => {
        change(task, { status: 'cancelled' })
        return {}
      })
      on('tasks/update', (task, responses) => {
        answers.get(task.taskId)?.(responses)
        return {}
      })
      return server
    },
    { legacy: 'reject' },
  )
}
