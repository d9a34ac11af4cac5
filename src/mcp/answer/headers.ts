import { signingDenials } from '../../assertion/stage.ts'
import { type Denial, denials } from '../../core/denial.ts'
import type { Facts, Passed } from '../../core/guard.ts'
import { isSessionId, MCP_HEADERS, sessionHolder } from '../../core/model/mcp.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Operation } from '../../core/stages/operation.ts'
import { foldedName } from '../../core/text.ts'

const deny = denials({
  session_invalid: [
    'badOrigin',
    'The MCP server gave a session id that is not visible ASCII of at most 512 characters',
    'Your request is not at fault; tell the operator the request_id',
  ],
})

export const serverSessionDenials = deny

const SESSION = 'mcp-session-id'
/** Headers that repeat what the body says. */
const MIRRORING = ['mcp-method', 'mcp-name']

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

/** A header of an answer that is set, or without a value taken away. */
export type HeaderEdit = readonly [name: string, value?: string]

/**
 * The edits that leave of an answer's headers, which have these names, the session id sealed for its caller. A
 * sealed id that the caller has sent stays as it is. So does the one that was sealed for this request, where a
 * handler in the same process passes an answer on. Revisions without sessions get none, whatever the server says.
 */
export async function sessionEdits(
  headers: Headers,
  names: readonly string[],
  sent: Headers,
  decision: Pick<Passed, 'sealed' | 'ports'> & {
    readonly known: Pick<Facts, 'agent' | 'route' | 'operation'>
  },
): Promise<Result<readonly HeaderEdit[], Denial>> {
  const { operation, agent, route } = decision.known
  const edits = names.filter((name) => foldedName(name) === SESSION).map((name) => [name] as const)
  const session = names.includes(SESSION) ? headers.get(SESSION) : null
  const { revision, session: own } = operation.kind === 'mcp' ? operation : {}
  if (session === null || revision === '2026-07-28') return ok(edits)
  if (session === decision.sealed) return ok([...edits, [SESSION, session]])
  if (!isSessionId(session)) return fail(deny('session_invalid'))
  try {
    const given = sent.get(SESSION)
    // A handler in the same process has the server's own id, and may send on what it was given.
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

/** Headers that name one representation of a body. */
const VALIDATORS = ['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest']

/**
 * The edits of an answer's headers, which have these names, for a body that is one caller's own view: nobody
 * keeps it, and it has no validator, since these are of another body.
 */
export function privateEdits(headers: Headers, names: readonly string[]): readonly HeaderEdit[] {
  const edits: HeaderEdit[] = VALIDATORS.filter((name) => names.includes(name)).map((name) => [
    name,
  ])
  const control = names.includes('cache-control') ? headers.get('cache-control') : null
  if (control === null) edits.push(['Cache-Control', 'no-store'])
  else if (!/(?:^|,)\s*no-store\s*(?:,|$)/i.test(control)) {
    edits.push(['Cache-Control', `${control}, no-store`])
  }
  return edits
}
