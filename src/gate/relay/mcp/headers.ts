import { type Denial, denials } from '../../base/denial.ts'
import type { HeaderReader } from '../../base/request.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { foldedName } from '../../base/text.ts'
import type { Facts, Passed } from '../../guard/guard.ts'
import { mirroredText, mirroredValue } from '../../guard/operation/mcp/headers.ts'
import { signingDenials } from '../../guard/stages/assertion.ts'
import type { Operation } from '../../guard/stages/operation.ts'
import { isSessionId, MCP_HEADERS, sessionHolder } from '../../model/mcp.ts'
import type { Edit } from '../origin/headers.ts'

export const serverSessionDenials = denials({
  session_invalid: [
    'badOrigin',
    'The MCP server gave a session id that is not visible ASCII of at most 512 characters',
    'Your request is not at fault; tell the operator the request_id',
  ],
})

const SESSION = 'mcp-session-id'
const MIRRORING = ['mcp-method', 'mcp-name']

/** Removes, in place, the session id, and other spellings of {@link MCP_HEADERS} that some servers read. */
export function stripMcpHeaders(headers: Headers): void {
  for (const name of [...headers.keys()]) {
    const folded = foldedName(name)
    const isOther = MCP_HEADERS.includes(folded) && name !== folded
    if (isOther || folded === SESSION) headers.delete(name)
  }
}

/**
 * Sets, in place, the headers that an MCP server gets for an operation, after {@link stripMcpHeaders}: its own session
 * id, and the mirrored headers of the revision. Other headers were not compared with the body and are removed (MCP
 * 2026-07-28, Streamable HTTP). Repeated name headers become one, since some servers read only the first or the last.
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
  if (!operation.tasks) return
  // The forwarded body has the server's own ids, not those that the client sent.
  for (const name of VALIDATORS) headers.delete(name)
  const name = mirroredText(headers.get('mcp-name') ?? '')
  for (const [task, sealed] of operation.tasks) {
    if (name === sealed) headers.set('Mcp-Name', mirroredValue(task))
  }
}

/**
 * Edits that seal the session id of an answer with these header names. A sealed id that the caller sent stays
 * unchanged. So does the id sealed for this request, if a handler in the same process returns it. Revisions without
 * sessions get no session id.
 */
export async function sessionEdits(
  headers: Headers,
  names: readonly string[],
  sent: HeaderReader,
  decision: Pick<Passed, 'sealed' | 'ports'> & {
    readonly known: Pick<Facts, 'agent' | 'route' | 'operation'>
  },
): Promise<Result<readonly Edit[], Denial>> {
  const { operation, agent, route } = decision.known
  const edits = names.filter((name) => foldedName(name) === SESSION).map((name) => [name] as const)
  const session = names.includes(SESSION) ? headers.get(SESSION) : null
  const { revision, session: own } = operation.kind === 'mcp' ? operation : {}
  if (session === null || revision === '2026-07-28') return ok(edits)
  if (session === decision.sealed) return ok([...edits, [SESSION, session]])
  if (!isSessionId(session)) return fail(serverSessionDenials('session_invalid'))
  try {
    const given = sent.get(SESSION)
    // A handler in the same process has the server's own id, and may return it.
    const sealed =
      session === own && given !== own && given !== null
        ? given
        : await decision.ports.sessions.seal(session, sessionHolder(agent, route))
    decision.sealed = sealed
    return ok([...edits, [SESSION, sealed]])
  } catch (error) {
    return fail(signingDenials('assertion_unavailable', { error: String(error) }))
  }
}

/** Headers that validate one representation of a body. */
const VALIDATORS = ['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest']

/**
 * Edits for a body that is made for one caller: it must not be stored, and loses its validators, which belong to the
 * original body.
 */
export function privateEdits(headers: Headers, names: readonly string[]): readonly Edit[] {
  const edits: Edit[] = VALIDATORS.filter((name) => names.includes(name)).map((name) => [name])
  const control = names.includes('cache-control') ? headers.get('cache-control') : null
  if (control === null) edits.push(['Cache-Control', 'no-store'])
  else if (!/(?:^|,)\s*no-store\s*(?:,|$)/i.test(control)) {
    edits.push(['Cache-Control', `${control}, no-store`])
  }
  return edits
}
