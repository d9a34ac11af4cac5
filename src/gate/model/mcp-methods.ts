import type { McpKind, McpRevision } from './mcp.ts'

/** Methods of the base protocol that need no rule; the answers of lists are filtered. */
export const BASE_METHODS: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
])

/** Methods that use one tool, prompt or resource by name, and its kind. */
export const USING_METHODS: ReadonlyMap<string, McpKind> = new Map([
  ['tools/call', 'tools'],
  ['prompts/get', 'prompts'],
  ['resources/read', 'resources'],
  ['resources/subscribe', 'resources'],
  ['resources/unsubscribe', 'resources'],
])

/** Methods that name their target in other parameters. The gate checks such a call by its target. */
export const REFERRING_METHODS: ReadonlySet<string> = new Set([
  'completion/complete',
  'subscriptions/listen',
])

/** Methods that name a task: those of 2025-11-25, and those of the tasks extension of 2026-07-28. */
export const TASK_METHODS: ReadonlySet<string> = new Set([
  'tasks/get',
  'tasks/result',
  'tasks/cancel',
  'tasks/update',
])

/** Methods that 2026-07-28 no longer has. */
const REMOVED: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
])

/**
 * Whether a revision no longer has a method.
 * @example isRemoved('initialize', '2026-07-28') // true
 */
export function isRemoved(method: string, revision: McpRevision | undefined): boolean {
  return revision === '2026-07-28' && REMOVED.has(method)
}

const METHOD = /^[A-Za-z0-9_$./-]{1,128}$/

/** Whether a text can be the name of a method. */
export function isMethodName(text: string): boolean {
  return METHOD.test(text)
}

/** Whether a message with this method is a notification: it has no id, and any other call has one. */
export function isNotification(method: string): boolean {
  return method.startsWith('notifications/')
}

/** Notifications of the protocol, which need no rule. */
const NOTIFICATIONS = /^notifications(?:\/[A-Za-z_]+)+$/

/** Whether the gate checks a method itself; `methods` must not list such a method. */
export function isBuiltIn(method: string): boolean {
  return (
    BASE_METHODS.has(method) ||
    USING_METHODS.has(method) ||
    REFERRING_METHODS.has(method) ||
    NOTIFICATIONS.test(method)
  )
}

/** Whether a rule allows a method of tasks. Under 2026-07-28 they are an extension, which the rule must list. */
export function isTaskCall(
  method: string | undefined,
  revision: McpRevision | undefined,
  { methods }: { readonly methods: ReadonlySet<string> },
): method is string {
  if (method === undefined || !TASK_METHODS.has(method)) return false
  return revision !== '2026-07-28' || methods.has(method)
}
