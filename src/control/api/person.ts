import { type Admin, refuse } from '../../gate/app/context.ts'
import { denials } from '../../gate/base/denial.ts'
import type { AgentEntry } from '../../gate/model/agents.ts'
import type { SignedPerson } from '../../gate/model/approval.ts'

export const decidingDenials = denials({
  approval_request_invalid: [
    'badRequest',
    'The request does not describe a decision or a list of approvals',
    'Correct what `problems` names; nothing was decided',
  ],
  approval_reason_missing: [
    'badRequest',
    'A refusal and a standing approval need a reason',
    'Say why: the agent is told why a call is refused; nothing was decided',
  ],
  approval_person_needed: [
    'forbidden',
    'Only a person who has signed in at the console may do this',
    'Sign in at the console as a person; a token, a key or a sign-in code is not enough',
  ],
  approval_sign_in_old: [
    'forbidden',
    'The person authenticated more than an hour ago',
    'Sign in again as a person, then repeat this',
  ],
  approval_own: [
    'forbidden',
    'The agent acts for the person who would decide',
    'Let somebody else decide',
  ],
  approval_not_yours: [
    'forbidden',
    'This person may not decide on the call',
    'Let an operator with the scope edgewarden:approve decide, or an owner of the agent where the rule asks owners',
  ],
  approval_changed: [
    'conflict',
    'The decision is not about what the call shows',
    'Read the approval again, and decide by what it shows; nothing was decided',
  ],
  approval_not_granted: [
    'conflict',
    'There is no granted approval to end',
    'Read `approval`: refuse a call that waits; an approval that is over needs nothing; nothing was changed',
  ],
  approvals_standing_full: [
    'tooMany',
    'Too many standing approvals are not over',
    'End one of them, or approve only this call; nothing was decided',
  ],
  approval_decided: [
    'conflict',
    'The call no longer waits for a decision',
    'Read `approval`: it says who has decided, or how it ended; nothing was changed',
  ],
})

/** Seconds for which a person may decide after they authenticated. */
const FRESH = 3_600

/** The person who is signed in. Refuses everybody else, and a person who authenticated too long ago. */
export function mustBePerson(c: Admin): SignedPerson {
  const { person } = c.env
  const why = whyNoPerson(c)
  return person && !why ? person : refuse(c, decidingDenials(why ?? 'approval_person_needed'))
}

/** Why the caller is no person who may act as one: the code; `undefined` if they are. */
export function whyNoPerson(c: Admin) {
  const { person } = c.env
  const issuer = person && c.get('policy').issuers.get(person.issuer)
  if (!person || !issuer?.person || issuer.keys.kind === 'inline') return 'approval_person_needed'
  const age = c.get('ports').clock.now() / 1000 - person.at
  return age > FRESH ? 'approval_sign_in_old' : undefined
}

/**
 * Refuses a new owner of the form `ISSUER SUBJECT` with an issuer of the policy, unless a person names them: such owners
 * may decide on calls of the agent, and whoever has a key must not choose who does. Also where nobody signs in at the
 * issuer yet: the policy may get `person` later. `known`: the agent as it is.
 */
export async function mustNameAsPerson(
  c: Admin,
  owners: readonly string[],
  known: () => Promise<Pick<AgentEntry, 'fields'> | undefined>,
): Promise<void> {
  const { issuers } = c.get('policy')
  const people = owners.filter((one) => {
    const [issuer = '', subject] = one.split(' ', 2)
    return subject !== undefined && issuers.has(issuer)
  })
  if (people.length === 0) return
  const before = (await known())?.fields.owners ?? []
  if (people.some((one) => !before.includes(one))) mustBePerson(c)
}
