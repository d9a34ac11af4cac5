import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'

/** Servers made with the SDK whose tools run as tasks, over one store of tasks. */
export interface TaskServers {
  readonly create: () => Server
  /** The server's own ids of all tasks, the oldest first. */
  ids(): readonly string[]
  close(): void
}

const schema = { type: 'object' as const }

/**
 * Tools of 2025-11-25 that run as tasks: `greet` is done at once, `wait` never by itself, and `ask` has the client
 * asked for a name.
 */
export function taskServers(): TaskServers {
  const taskStore = new InMemoryTaskStore()
  const taskMessageQueue = new InMemoryTaskMessageQueue()
  const create = () => {
    const tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } }
    const server = new Server(
      { name: 'tasks', version: '1.0.0' },
      { capabilities: { tools: {}, tasks }, taskStore, taskMessageQueue },
    )
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: ['greet', 'wait', 'ask'].map((name) => ({
        name,
        inputSchema: schema,
        execution: { taskSupport: 'optional' as const },
      })),
    }))
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const done = (text: string) => ({ content: [{ type: 'text' as const, text }] })
      const store = extra.taskStore
      if (!params.task || !store) return done('hello')
      const task = await store.createTask({ ttl: params.task.ttl ?? 60_000, pollInterval: 20 })
      const { taskId } = task
      const finish = (text: string) => store.storeTaskResult(taskId, 'completed', done(text))
      const asking = async () => {
        const requestedSchema = {
          type: 'object' as const,
          properties: { name: { type: 'string' as const } },
        }
        const { content } = await extra.sendRequest(
          { method: 'elicitation/create', params: { message: 'Who is it?', requestedSchema } },
          ElicitResultSchema,
          { relatedTask: { taskId } } as object,
        )
        await finish(`hello ${content?.name}`)
      }
      if (params.name === 'greet') await finish('hello')
      if (params.name === 'ask') asking().catch(() => {})
      return { task }
    })
    return server
  }
  return {
    create,
    ids: () => taskStore.getAllTasks().map(({ taskId }) => taskId),
    close: () => taskStore.cleanup(),
  }
}
