import { signingDenials } from '../../assertion/stage.ts'
import { denials } from '../../core/denial.ts'
import type { Facts, Passed } from '../../core/guard.ts'
import { isSessionId, sessionHolder } from '../../core/model/mcp.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { foldedName } from '../../core/text.ts'
import type { ForwardFault } from '../../gateway/relay/forward.ts'

const deny = denials({
  session_invalid: [
    'badOrigin',
    'The MCP server gave a session id that is not visible ASCII of at most 512 characters',
    'Your request is not at fault; tell the operator the request_id',
  ],
})

export const serverSessionDenials = deny

const SESSION = 'mcp-session-id'

/**
 * Seals the session id that a server has answered with, in place. One that the caller has sealed already
 * stays as they have it, and one that was sealed for this request, where a handler in the same process passes an
 * answer on. Revisions without sessions get none, whatever the server says.
 */
export async function sealSession(
  headers: Headers,
  sent: Headers,
  decision: Pick<Passed, 'sealed' | 'ports'> & {
    readonly known: Pick<Facts, 'agent' | 'route' | 'operation'>
  },
): Promise<Result<undefined, ForwardFault>> {
  const { operation, agent, route } = decision.known
  const session = headers.get(SESSION)
  for (const name of [...headers.keys()]) if (foldedName(name) === SESSION) headers.delete(name)
  const { revision, session: own } = operation.kind === 'mcp' ? operation : {}
  if (session === null || revision === '2026-07-28') return ok(undefined)
  if (session === decision.sealed) {
    headers.set(SESSION, session)
    return ok(undefined)
  }
  if (!isSessionId(session)) return fail({ denial: deny('session_invalid') })
  try {
    const given = sent.get(SESSION)
    // A handler in the same process has the server's own id, and may send on what it was given.
    const sealed =
      session === own && given !== own
        ? given
        : await decision.ports.sessions.seal(session, sessionHolder(agent, route))
    if (sealed !== null) {
      headers.set(SESSION, sealed)
      decision.sealed = sealed
    }
    return ok(undefined)
  } catch (error) {
    return fail({ denial: signingDenials('assertion_unavailable', { error: String(error) }) })
  }
}
