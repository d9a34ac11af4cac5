import { utf8Decode } from '../../../base/bytes.ts'
import { type CodeOf, type Denial, denials } from '../../../base/denial.ts'
import { isObject, type JsonObject, own, parseJson } from '../../../base/json.ts'
import { LIMITS } from '../../../base/limits.ts'
import { fail, ok, type Result } from '../../../base/result.ts'
import type { McpMessage } from '../../../model/mcp.ts'
import { isMethodName, isNotification } from '../../../model/mcp-methods.ts'
import type { RevisionRules } from './revision.ts'

const deny = denials({
  message_malformed: [
    'badRequest',
    'The body is not JSON that can be read in one way only',
    'Send one JSON object in UTF-8 without a byte order mark, each member once, not nested too deeply',
  ],
  message_invalid: [
    'badRequest',
    'The body is not a JSON-RPC 2.0 message of MCP',
    'Send jsonrpc, method, params as an object, an id unless it is a notification, and no other members',
  ],
  batch_not_allowed: [
    'badRequest',
    'Several messages in one body are not allowed here',
    'Send each message in a request of its own; initialize is always sent alone',
  ],
})

export const messageDenials = deny

type MessageDenial = Denial<CodeOf<typeof messageDenials>>

/** The JSON-RPC messages of a request body. */
export interface ReadMessages {
  readonly messages: readonly McpMessage[]
  /** Whether the body is an array. */
  readonly isBatch: boolean
}

/**
 * Reads the messages of a body: one, or a batch where the revision has batches. Strict where readers differ: UTF-8
 * without byte order mark, no duplicate members, only members of JSON-RPC (so that there can be no `Method` beside
 * `method`), an id in a request and none in a notification, and unique ids. Does not check params. `isCounted`: the
 * rule has a rate limit, so a body may contain only one message.
 */
export function readMessages(
  bytes: Uint8Array,
  rules: RevisionRules,
  isCounted = false,
): Result<ReadMessages, MessageDenial> {
  const value = parseJson(utf8Decode(bytes) ?? '', LIMITS.messageDepth)
  if (value === undefined) return fail(deny('message_malformed'))
  if (!Array.isArray(value)) {
    const message = messageOf(value, rules)
    return message ? ok({ messages: [message], isBatch: false }) : fail(deny('message_invalid'))
  }
  if (!rules.batch) return fail(deny('batch_not_allowed'))
  const { length } = value
  if (length === 0 || length > LIMITS.messagesPerBatch) {
    return fail(deny('message_invalid', { messages: length }))
  }
  if (isCounted && length > 1) return fail(deny('batch_not_allowed', { messages: length }))
  const messages: McpMessage[] = []
  const ids = new Set<unknown>()
  for (const each of value) {
    const message = messageOf(each, rules)
    if (!message) return fail(deny('message_invalid', { at: messages.length }))
    if (message.method === 'initialize') return fail(deny('batch_not_allowed'))
    const { id, method } = message
    if (method !== undefined && id !== undefined) {
      if (ids.has(id)) return fail(deny('message_invalid', { at: messages.length }))
      ids.add(id)
    }
    messages.push(message)
  }
  return ok({ messages, isBatch: true })
}

const CALL = new Set(['jsonrpc', 'id', 'method', 'params'])
const RESULT = new Set(['jsonrpc', 'id', 'result'])
const ERROR = new Set(['jsonrpc', 'id', 'error'])

const messageOf = (value: unknown, { answers }: RevisionRules): McpMessage | undefined => {
  if (!isObject(value) || own(value, 'jsonrpc') !== '2.0') return undefined
  if (Object.hasOwn(value, 'method')) return callOf(value)
  return answers ? answerOf(value) : undefined
}

const hasOnly = (value: JsonObject, names: ReadonlySet<string>): boolean =>
  Object.keys(value).every((name) => names.has(name))

const callOf = (value: JsonObject): McpMessage | undefined => {
  const [method, params, id] = [own(value, 'method'), own(value, 'params'), own(value, 'id')]
  if (!hasOnly(value, CALL) || typeof method !== 'string' || !isMethodName(method)) return undefined
  if (Object.hasOwn(value, 'params') && !isObject(params)) return undefined
  if (isNotification(method) ? id !== undefined : !isId(id)) return undefined
  return { ...(isId(id) && { id }), method, ...(isObject(params) && { params }) }
}

const answerOf = (value: JsonObject): McpMessage | undefined => {
  const [id, result, error] = [own(value, 'id'), own(value, 'result'), own(value, 'error')]
  const isAnswer =
    (hasOnly(value, RESULT) && isObject(result)) || (hasOnly(value, ERROR) && isObject(error))
  return isAnswer && isId(id) ? { id } : undefined
}

const isId = (id: unknown): id is string | number =>
  typeof id === 'string'
    ? id.length <= LIMITS.messageIdLength && id.isWellFormed()
    : Number.isSafeInteger(id)
