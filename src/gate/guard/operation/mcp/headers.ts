import { utf8Decode, utf8Encode } from '../../../base/bytes.ts'
import { type JsonObject, own } from '../../../base/json.ts'
import type { McpMessage, McpRevision } from '../../../model/mcp.ts'

/** The member of `params._meta` with the revision of a request, since 2026-07-28. */
export const REVISION_MEMBER = 'io.modelcontextprotocol/protocolVersion'

/** The member of `_meta` with the task that a message belongs to (MCP 2025-11-25, Tasks). */
export const RELATED_MEMBER = 'io.modelcontextprotocol/related-task'

/** The path of the id of that task, in params or in a result. */
export const RELATED_TASK = ['_meta', RELATED_MEMBER, 'taskId']

/** The member of params that `Mcp-Name` mirrors (MCP 2026-07-28, and its tasks extension). */
const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Members that an `Mcp-Name` of other methods, which is optional, may mirror. */
const NAMES = ['name', 'uri', 'taskId']

const ENCODED = /^=\?base64\?(.*)\?=$/
const VISIBLE = /^(?! )[\x20-\x7e]*(?<! )$/

/**
 * Decodes a mirrored header once: `=?base64?…?=` is canonical base64 (RFC 4648 §4) of UTF-8, other text is visible
 * ASCII. `undefined` for other values, and for spaces at an end. Does not detect two headers that were joined by `, `.
 * @example mirroredText('=?base64?WsO2?=') // 'Zö'
 */
export function mirroredText(value: string): string | undefined {
  if (!VISIBLE.test(value)) return undefined
  const [, base64] = ENCODED.exec(value) ?? []
  if (base64 === undefined) return value
  try {
    const binary = atob(base64)
    if (btoa(binary) !== base64) return undefined
    return utf8Decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)))
  } catch {
    return undefined
  }
}

/**
 * A mirrored header: visible ASCII unchanged, other text and text that looks encoded as base64 (MCP 2026-07-28).
 * @example mirroredValue('Zö') // '=?base64?WsO2?='
 */
export function mirroredValue(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) && !text.startsWith('=?base64?')
    ? text
    : `=?base64?${btoa(String.fromCharCode(...utf8Encode(text)))}?=`
}

/** A header that differs from the body. */
export type Mismatch = 'mcp-protocol-version' | 'mcp-method' | 'mcp-name'

/**
 * The first header that differs from the message. The revision in a message is compared under every revision, so that
 * gate and server use the same. `Mcp-Method` and `Mcp-Name` are compared only where the revision mirrors them: required
 * for requests, optional for notifications. Does not check that a revision is present, nor that a name was sent in only
 * one header.
 */
export function mismatch(
  { id, method = '', params = {} }: McpMessage,
  headers: Pick<Headers, 'get'>,
  { revision, mirrored }: { readonly revision?: McpRevision; readonly mirrored: boolean },
): Mismatch | undefined {
  const isRequest = id !== undefined
  const claimed = own((own(params, '_meta') ?? {}) as JsonObject, REVISION_MEMBER)
  if (claimed !== undefined && claimed !== revision) return 'mcp-protocol-version'
  if (!mirrored) return undefined
  const said = headers.get('mcp-method')
  if (said === null ? isRequest : said !== method) return 'mcp-method'
  const name = headers.get('mcp-name')
  const members = Object.hasOwn(NAMED_BY, method) ? [NAMED_BY[method] ?? ''] : NAMES
  const named = members.map((member) => own(params, member))
  if (name === null) return isRequest && members !== NAMES ? 'mcp-name' : undefined
  const text = mirroredText(name)
  return text !== undefined && named.includes(text) ? undefined : 'mcp-name'
}
