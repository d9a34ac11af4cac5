/** Tasks that messages name, and the server's own ids in their place. docs/mcp/sessions.md */
import { isObject } from './json.ts'
import { TASKS } from './mcp-access.ts'
import { RELATED } from './mcp-message.ts'
import { type McpTable, NEWEST, type Operation } from './mcp-types.ts'
import type { Json, JsonObject, Unseal } from './types.ts'

/** A member with the id of a task: of a table, or of a list by its number. */
interface Place {
  of: JsonObject
  name: string
  /** Whether it may be a task of the client: "Ids of the client's own tasks are not sealed." */
  mayBeOfClient: boolean
}

const tableIn = (of: Json | undefined, name: string): JsonObject => {
  const value = isObject(of) ? of[name] : undefined
  return isObject(value) ? value : {}
}

/** Where messages name tasks: a method of tasks, a subscription, and the related task. */
function placesIn(messages: Json[], revision: string, table: McpTable): Place[] {
  return messages.flatMap((message) => {
    if (!isObject(message)) return []
    const { method = '', params, result } = message as { method?: string } & JsonObject
    const mayBeOfClient = method === '' || method.startsWith('notifications/')
    const place = (of: JsonObject, name = 'taskId'): Place => ({ of, name, mayBeOfClient })
    const isServed = revision !== NEWEST || table.methods?.includes(method) === true
    const { taskIds } = method === 'subscriptions/listen' ? tableIn(params, 'notifications') : {}
    const listed = Array.isArray(taskIds) ? taskIds : []
    const related = [params, result].map((of) => tableIn(tableIn(of, '_meta'), RELATED))
    return [
      ...(TASKS.includes(method) && isServed ? [place(isObject(params) ? params : {})] : []),
      ...listed.map((_, at) => place(listed as unknown as JsonObject, String(at))),
      ...related.filter(({ taskId }) => taskId !== undefined).map((one) => place(one)),
    ]
  })
}

/** Opens the ids of tasks that a body names. */
export function openTasks(
  { messages, text }: { messages: Json[]; text: string },
  { revision }: Operation,
  table: McpTable,
  open: (id: string) => ReturnType<Unseal>,
): Pick<Operation, 'tasks' | 'taskCode' | 'body'> {
  const tasks = new Map<Json | undefined, string>()
  let taskCode: string | undefined
  for (const { of, name, mayBeOfClient } of placesIn(messages, revision, table)) {
    const id = of[name]
    const task = typeof id === 'string' ? open(id) : 'unknown'
    if (typeof task === 'object') tasks.set(id, task.own)
    else if (task === 'unavailable') taskCode ??= 'session_unavailable'
    else if (!mayBeOfClient) taskCode ??= 'task_unknown'
  }
  if (taskCode !== undefined) return { tasks, taskCode }
  if (tasks.size === 0) return { tasks }
  const body = JSON.parse(text)
  for (const { of, name } of placesIn([body].flat(), revision, table)) {
    of[name] = tasks.get(of[name]) ?? of[name]
  }
  return { tasks, body: JSON.stringify(body) }
}
