import { messageSpans, replaceTexts, type Span, spansAt } from '../../base/json-ranges.ts'
import type { Passed } from '../../guard/guard.ts'
import { RELATED_TASK } from '../../guard/operation/mcp/headers.ts'
import { taskHolder } from '../../model/mcp.ts'
import type { Filtered } from './lists.ts'

/** Where a server's message names tasks of the server (MCP 2025-11-25, Tasks; tasks extension of 2026-07-28). */
const PATHS = [
  ['result', 'taskId'],
  ['result', 'task', 'taskId'],
  ['result', 'tasks', '*', 'taskId'],
  ['result', ...RELATED_TASK],
  ['params', ...RELATED_TASK],
]
const IN_STATUS = ['params', 'taskId']

/**
 * Seals the ids of tasks in filtered text for the caller; the id that the caller sent stays the one it sent. Returns a
 * promise only if the text may contain ids. Rejects with a TypeError where a server's id cannot be sealed, and while there is no key.
 */
export function sealTasks(
  text: string,
  told: Filtered,
  decision: Passed,
): Filtered | Promise<Filtered> {
  const isKept = told.outcome === 'same' || told.outcome === 'changed'
  const kept = told.outcome === 'changed' ? told.text : text
  return isKept && kept.includes('taskId') ? sealedIn(kept, told, decision) : told
}

const sealedIn = async (
  text: string,
  told: Filtered,
  { known: { operation, agent, route }, ports: { sessions } }: Passed,
): Promise<Filtered> => {
  const holder = taskHolder(agent, route)
  const sent = operation.kind === 'mcp' ? operation.tasks : undefined
  const sealed = await replaceTexts(text, spansIn(text), async (id) =>
    typeof id === 'string' ? (sent?.get(id) ?? sessions.seal(id, holder)) : undefined,
  )
  return sealed === text ? told : { outcome: 'changed', text: sealed }
}

/** The spans of the ids in a text; empty for text that is not JSON. */
const spansIn = (text: string): readonly Span[] => {
  try {
    JSON.parse(text)
  } catch {
    return []
  }
  return messageSpans(text).flatMap((message) => {
    const [method] = [...spansAt(text, message, ['method'])].map((span) =>
      String(JSON.parse(text.slice(...span))),
    )
    const paths = method?.startsWith('notifications/tasks') ? [IN_STATUS, ...PATHS] : PATHS
    return paths.flatMap((path) => [...spansAt(text, message, path)])
  })
}
