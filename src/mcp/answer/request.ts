import { MCP_HEADERS } from '../../core/model/mcp.ts'
import type { Operation } from '../../core/stages/operation.ts'
import { foldedName } from '../../core/text.ts'

/** Removes, in place, the caller's session id, and names that some servers would read as one of {@link MCP_HEADERS}. */
export function stripMcpHeaders(headers: Headers): void {
  for (const name of [...headers.keys()]) {
    const folded = foldedName(name)
    const isOther = MCP_HEADERS.includes(folded) && name !== folded
    if (isOther || folded === SESSION) headers.delete(name)
  }
}

/**
 * Sets, in place, what an MCP server is told of an operation, after {@link stripMcpHeaders}: its own session id, and
 * of what mirrors the body only what the revision has, since no other was held against the body (MCP 2026-07-28,
 * Streamable HTTP). A name in several headers becomes one: some servers would read the first alone, or the last.
 */
export function setMcpHeaders(headers: Headers, operation: Operation): void {
  if (operation.kind !== 'mcp') return
  if (operation.revision === '2026-07-28') {
    const name = headers.get('mcp-name')
    if (name !== null) headers.set('Mcp-Name', name)
  } else {
    for (const name of MIRRORING) headers.delete(name)
  }
  if (operation.session !== undefined) headers.set('Mcp-Session-Id', operation.session)
}

const SESSION = 'mcp-session-id'
/** Headers that repeat what the body says. */
const MIRRORING = ['mcp-method', 'mcp-name']
