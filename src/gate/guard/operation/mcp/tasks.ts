import { utf8Decode, utf8Encode } from '../../../base/bytes.ts'
import { denials } from '../../../base/denial.ts'
import { own } from '../../../base/json.ts'
import { messageSpans, replaceTexts, type Span, spansAt } from '../../../base/json-ranges.ts'
import { fail, ok } from '../../../base/result.ts'
import {
  type McpMessage,
  type McpOperation,
  type McpRule,
  type Sessions,
  taskHolder,
} from '../../../model/mcp.ts'
import { isNotification, isTaskCall } from '../../../model/mcp-methods.ts'
import type { Asking } from '../operation-types.ts'
import { RELATED_MEMBER, RELATED_TASK } from './headers.ts'
import { sessionDenials } from './session.ts'

export const taskDenials = denials({
  task_unknown: [
    'badRequest',
    'There is no such task of this agent at this endpoint',
    'Send the taskId exactly as this endpoint gave it to this agent; if the task is gone, call the tool again',
  ],
})

/** Where a message of a client names tasks of the server. */
const pathsOf = (
  { method, params = {} }: McpMessage,
  isOfTask: boolean,
): readonly (readonly string[])[] => {
  if (method === undefined) return [['result', ...RELATED_TASK]]
  const isRelated = Object.hasOwn((own(params, '_meta') ?? {}) as object, RELATED_MEMBER)
  return [
    ...(isOfTask ? [['params', 'taskId']] : []),
    ...(method === 'subscriptions/listen' ? [['params', 'notifications', 'taskIds', '*']] : []),
    ...(isRelated ? [['params', ...RELATED_TASK]] : []),
  ]
}

/**
 * Replaces the sealed ids of tasks in a body by the server's own; all else stays byte for byte. All but notifications and
 * responses may name only tasks that were sealed for this agent, issuer, subject and rule, and a method of tasks must
 * name one. In notifications and responses an unsealed id stays: it names a task of the client. The result has the
 * sealed ids by the server's own; `undefined` where nothing changes.
 */
export async function openTasks(
  body: Uint8Array,
  { messages, revision }: Pick<McpOperation, 'messages' | 'revision'>,
  { route, agent }: Asking,
  mcp: McpRule,
  sessions: Pick<Sessions, 'open'>,
) {
  const asked = messages.map((message) => {
    const isOfTask = isTaskCall(message.method, revision, mcp)
    const { method, params = {} } = message
    const isStrict = method !== undefined && !isNotification(method)
    const isNameless = isOfTask && !Object.hasOwn(params, 'taskId')
    return { paths: pathsOf(message, isOfTask), isStrict, isNameless }
  })
  if (asked.every(({ paths }) => paths.length === 0)) return ok(undefined)
  const text = utf8Decode(body) ?? ''
  const strict = new Set<Span>()
  const spans = messageSpans(text).flatMap((message, i) => {
    const { paths = [], isStrict } = asked[i] ?? {}
    const found = paths.flatMap((path) => [...spansAt(text, message, path)])
    if (isStrict) for (const span of found) strict.add(span)
    return found
  })
  const holder = taskHolder(agent, route)
  const tasks = new Map<string, string>()
  let isUnknown = asked.some(({ isNameless }) => isNameless)
  try {
    const opened = await replaceTexts(text, spans, async (sent, span) => {
      // What is unknown is not forwarded, so nothing more is verified.
      const isOpened = !isUnknown && typeof sent === 'string'
      const task = isOpened ? await sessions.open(sent, holder) : undefined
      if (task === undefined) isUnknown ||= strict.has(span)
      else tasks.set(task, sent as string)
      return task
    })
    if (isUnknown) return fail(taskDenials('task_unknown', undefined, { ofCall: true }))
    return ok(tasks.size > 0 ? { bytes: utf8Encode(opened), tasks } : undefined)
  } catch (error) {
    return fail(sessionDenials('session_unavailable', { error: String(error) }))
  }
}
