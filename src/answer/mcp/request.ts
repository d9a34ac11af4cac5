import { foldedName } from '../../base/text.ts'
import type { Operation } from '../../model/token.ts'

/** Names that an MCP server reads, in no other spelling. */
const MCP_HEADERS = [
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'last-event-id',
]

/**
 * Turns the headers that MCP has, in place, into those for its server: its own session id, and of what mirrors
 * the body only what the revision has, since no other was held against the body (MCP 2026-07-28, Streamable HTTP).
 * A name in several headers becomes one: some servers would read the first alone, or the last.
 */
export const setMcpHeaders = (headers: Headers, operation: Operation): void => {
  if (operation.kind !== 'mcp') return
  const isMirrored = operation.revision === '2026-07-28'
  for (const name of [...headers.keys()]) {
    const folded = foldedName(name)
    const goes =
      folded === 'mcp-session-id' ||
      (MCP_HEADERS.includes(folded) && name !== folded) ||
      (!isMirrored && (folded === 'mcp-method' || folded === 'mcp-name'))
    if (goes) headers.delete(name)
  }
  const name = headers.get('mcp-name')
  if (name !== null) headers.set('Mcp-Name', name)
  if (operation.session !== undefined) headers.set('Mcp-Session-Id', operation.session)
}
