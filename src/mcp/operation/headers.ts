import { utf8Decode } from '../../core/bytes.ts'
import { type JsonObject, own } from '../../core/json.ts'
import type { McpMessage, McpRevision } from '../../core/model/mcp.ts'

/** Member of `params._meta` that says the revision of each request, since 2026-07-28. */
export const REVISION_MEMBER = 'io.modelcontextprotocol/protocolVersion'

/** The member of params that `Mcp-Name` says (MCP 2026-07-28, and its tasks extension). */
const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Of other methods, which need no such header: what one may say that comes all the same. */
const NAMES = ['name', 'uri', 'taskId']

const ENCODED = /^=\?base64\?(.*)\?=$/
const VISIBLE = /^(?! )[\x20-\x7e]*(?<! )$/

/**
 * The text of a mirrored header, decoded once: `=?base64?…?=` is the canonical base64 of UTF-8
 * (RFC 4648 §4), anything else visible ASCII as it is. `undefined` for what is neither, and for what no one
 * header can be: one with a space at an end. Does not tell two headers that were joined from one with `, ` in it.
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

/** A header that does not say what the body says. */
export type Mismatch = 'mcp-protocol-version' | 'mcp-method' | 'mcp-name'

/**
 * The first header that a message contradicts. The revision a message claims is compared under every
 * revision, so that no server goes by another one than the gate; `Mcp-Method` and `Mcp-Name` only where
 * they are mirrored. A request must have them, a notification may. Whether a revision is claimed at all is
 * not judged, nor whether a name came in one header or in several that were joined: it has to go on as one.
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
