import { type CodeOf, type Denial, denials } from '../../../base/denial.ts'
import { fail, ok, type Result } from '../../../base/result.ts'
import { type Sessions, sessionHolder } from '../../../model/mcp.ts'
import type { Asking } from '../operation-types.ts'

const deny = denials({
  session_missing: [
    'badRequest',
    'A session can only be ended by its id',
    'Send the Mcp-Session-Id that came with the answer to initialize',
  ],
  session_unknown: [
    'notFound',
    'There is no such session of this agent at this endpoint',
    'Begin a new session with initialize, without Mcp-Session-Id',
  ],
  session_unavailable: [
    'unavailable',
    'Sessions and tasks cannot be checked at the moment',
    'Keep token, session and task and try again after Retry-After',
  ],
})

export const sessionDenials = deny

/**
 * Opens the sealed session id of a request, if it was sealed for this agent, issuer, subject and rule; `undefined`
 * without one. Whether the session still exists is for the server to check.
 */
export async function readSession(
  { request: { method, headers }, route, agent }: Asking,
  sessions: Pick<Sessions, 'open'>,
): Promise<Result<string | undefined, Denial<CodeOf<typeof deny>>>> {
  const sealed = headers.get('mcp-session-id')
  if (sealed === null) return method === 'DELETE' ? fail(deny('session_missing')) : ok(undefined)
  try {
    const session = await sessions.open(sealed, sessionHolder(agent, route))
    return session === undefined ? fail(deny('session_unknown')) : ok(session)
  } catch (error) {
    return fail(deny('session_unavailable', { error: String(error) }))
  }
}
