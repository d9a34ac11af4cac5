import type { Next } from 'hono'
import { denials } from '../base/denial.ts'
import { approvalDenials } from '../guard/stages/approval.ts'
import type { Approval, Approvals } from '../model/approval.ts'
import { type Admin, answer, called, refuse } from './context.ts'

export const approvalReadDenials = denials({
  approval_unknown: [
    'notFound',
    'There is no such approval, or the caller may not see it',
    'Send the call again: the answer names its approval',
  ],
})

const ID = /^[0-9a-f-]{36}$/

/** Asks the store of approvals. If that fails, the request is refused. */
export function askApprovals<Value>(
  c: Admin,
  call: (approvals: Approvals) => Promise<Value>,
): Promise<Value> {
  const { approvals } = c.get('ports')
  return called(
    c,
    async () => {
      if (!approvals) throw new Error('nobody can be asked')
      return call(approvals)
    },
    (error) => approvalDenials('approval_unavailable', { error: String(error) }),
  )
}

/** The approval that the path names. Refuses the request where there is none. */
export async function findApproval(c: Admin): Promise<Approval> {
  const id = c.req.param('id') ?? ''
  const found = ID.test(id) ? await askApprovals(c, (all) => all.get(id)) : undefined
  return found ?? refuse(c, approvalReadDenials('approval_unknown'))
}

/**
 * `GET /approvals/ID`: the state of an approval, for the agent that asked. The guard has checked the token. For all
 * others the next handler answers.
 */
export async function approvalState(c: Admin, next: Next): Promise<Response | undefined> {
  const { issuer, id: agent } = c.get('agent')
  const found = await findApproval(c)
  if (c.env.person || found.issuer !== issuer || found.agent !== agent) {
    await next()
    return undefined
  }
  const { id, state, expires, decision } = found
  return answer(c, {
    id,
    state,
    expires: new Date(expires).toISOString(),
    ...(decision?.reason !== undefined && { reason: decision.reason }),
  })
}
