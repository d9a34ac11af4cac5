import { denials } from '../base/denial.ts'
import { approvalDenials } from '../guard/stages/approval.ts'
import { mayAsk } from '../model/approval.ts'
import { type RevocationSubject, subjectKey } from '../model/revocation.ts'
import { type Admin, answer, called, refuse } from './context.ts'

export const approvalReadDenials = denials({
  approval_unknown: [
    'notFound',
    'There is no such approval, or another agent asked for it',
    'Send the call again: the answer names its approval',
  ],
})

const ID = /^[0-9a-f-]{36}$/

/** `GET /approvals/ID`: the state of an approval, for the agent that asked. The guard has checked the token. */
export async function approvalState(c: Admin): Promise<Response> {
  const id = c.req.param('id') ?? ''
  const { issuer, id: agent } = c.get('agent')
  const get = async () => (ID.test(id) ? c.get('ports').approvals?.get(id) : undefined)
  const found = await called(c, get, (error) =>
    approvalDenials('approval_unavailable', { error: String(error) }),
  )
  if (found?.issuer !== issuer || found.agent !== agent) {
    return refuse(c, approvalReadDenials('approval_unknown'))
  }
  const { state, expires, decision } = found
  return answer(c, {
    id,
    state,
    expires: new Date(expires).toISOString(),
    ...(decision?.reason !== undefined && { reason: decision.reason }),
  })
}

/**
 * Ends the approvals of calls that a change of these subjects covers, so that none is left once the change is lifted.
 * If that fails, it is only logged: the change itself refuses the calls.
 */
export async function endApprovals(c: Admin, subjects: readonly RevocationSubject[]) {
  const { approvals, onError } = c.get('ports')
  if (!approvals || !c.get('policy').routes.some(mayAsk)) return
  await approvals.end(subjects.map(subjectKey)).catch((error) => onError('approvals', error))
}
