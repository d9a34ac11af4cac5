import type { McpKind } from './mcp.ts'

/** Methods of the base protocol that need no rule: what lists answer is filtered. */
export const BASE_METHODS: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
])

/** Methods that use one thing by name, and what kind of thing. */
export const USING_METHODS: ReadonlyMap<string, McpKind> = new Map([
  ['tools/call', 'tools'],
  ['prompts/get', 'prompts'],
  ['resources/read', 'resources'],
  ['resources/subscribe', 'resources'],
  ['resources/unsubscribe', 'resources'],
])

/** Methods that name what they are about in ways of their own, and are judged by it. */
export const REFERRING_METHODS: ReadonlySet<string> = new Set([
  'completion/complete',
  'subscriptions/listen',
])

const METHOD = /^[A-Za-z0-9_$./-]{1,128}$/

/** Whether a text is one that a method may have for its name. */
export function isMethodName(text: string): boolean {
  return METHOD.test(text)
}

const NOTIFICATION = /^notifications(?:\/[A-Za-z_]+)+$/

/** Whether a method is one of a notification: of a message without an id it needs no rule. */
export function isNotification(method: string): boolean {
  return NOTIFICATION.test(method)
}

/** Whether a method is judged without being named in `methods`, which it then may not be. */
export function isBuiltIn(method: string): boolean {
  return (
    BASE_METHODS.has(method) ||
    USING_METHODS.has(method) ||
    REFERRING_METHODS.has(method) ||
    isNotification(method)
  )
}
