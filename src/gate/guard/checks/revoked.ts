import { denials } from '../../base/denial.ts'
import {
  type AgentPins,
  hasExpired,
  isCovered,
  type Revocation,
  THROTTLE,
} from '../../model/revocation.ts'
import type { Intent } from '../../model/token.ts'
import { type StandingFacts, standingCheck } from './check.ts'

/** The denials of this check, also for other users of the revocation set. */
export const revokedDenials = denials({
  token_revoked: [
    'invalidToken',
    'The token, or the agent or key behind it, has been revoked',
    'Stop using this token; a new one helps only if the agent itself was not revoked',
  ],
  step_up_required: [
    'stepUp',
    'Something about the user has changed since the token was issued',
    'Authenticate the user again, with the acr_values and max_age of the challenge, then use the new token (RFC 9470)',
  ],
  agent_suspended: [
    'forbidden',
    'The agent, or one that it acts with, is suspended',
    'Ask the operator why; once the agent is resumed, the same token works again',
  ],
  agent_retired: [
    'forbidden',
    'The agent, or one that it acts with, is retired',
    'Use another agent; a retired agent is not meant to return',
  ],
  agent_not_approved: [
    'forbidden',
    'Only approved agents may use this route, and this agent is not approved',
    'Ask the operator to approve the agent in the registry of agents',
  ],
  agent_checksum_changed: [
    'forbidden',
    "The agent's code is not the code that was approved",
    'Ask an owner of the agent to approve the new checksum; then the same token works',
  ],
  agent_registration_changed: [
    'forbidden',
    "The agent's registration is not the one that was approved",
    "Use the agent's approved registration, or ask an owner to approve this one",
  ],
  agent_key_changed: [
    'forbidden',
    "The agent's key is not the one that was approved",
    "Use the agent's approved key, or ask an owner to approve this one",
  ],
  revocations_unavailable: [
    'unavailable',
    'The gate cannot find out at the moment whether the token was revoked',
    'Keep the token and try again after Retry-After',
  ],
})

/**
 * Checks that no entry revokes the token, and the standings of its agent and actors in the registry of agents. Ignores
 * entries that the policy lifts. One lookup gives the entries and the standings.
 */
export const revoked = standingCheck({
  denials: revokedDenials,
  ask: ({ subjects }, { revocations }, terms) => revocations.lookup(subjects, terms),
  unavailable: (error) => revokedDenials('revocations_unavailable', { error: String(error) }),
  judge(entries: readonly Revocation[], { policy, route, access, agent, intent }, now) {
    const { clockTolerance: tolerance, lift } = policy.gate
    const token = { issuedAt: access.issuedAt, now: Math.floor(now / 1000), tolerance }
    const covering = entries.filter((one) => !lift.has(one.id) && isCovered(one, token))
    const entry = covering.find(({ mode }) => mode !== 'step-up')
    if (entry) return revokedDenials('token_revoked', { id: entry.id, kind: entry.kind })
    const said = entries.filter((one) => !lift.has(one.id) && !hasExpired(one, token.now))
    for (const { id, mode } of said) {
      if (mode === 'suspended') return revokedDenials('agent_suspended', { id })
      if (mode === 'retired') return revokedDenials('agent_retired', { id })
    }
    const approval = said.find(
      ({ mode, issuer, value }) =>
        mode === 'approved' && issuer === access.issuer && value === agent.id,
    )
    const holds = access.entry.agentic && access.entry.changed !== 'alert'
    const changed = holds && approval?.pins && changedIn(approval.pins, intent)
    if (changed) return revokedDenials(changed, { ...intent })
    const wanted = route.agents ?? access.entry.agents ?? policy.gate.agents
    if (wanted === 'approved' && !route.endpoint && !approval) {
      return revokedDenials('agent_not_approved')
    }
    const [first] = covering
    if (first) return stepUp(first, route, token.now)
    return said.filter(({ mode }) => mode === THROTTLE)
  },
})

/** The user must have been authenticated after the entry's moment, and as the rule asks. */
const stepUp = (
  { id, kind, at = 0 }: Revocation,
  { authentication = {} }: StandingFacts['route'],
  now: number,
) => {
  const { acrValues, maxAge = now } = authentication
  const params = {
    maxAge: Math.max(0, Math.min(maxAge, now - at)),
    ...(acrValues && { acrValues }),
  }
  return revokedDenials('step_up_required', { id, kind }, params)
}

/** The facts of an Agentic JWT that are compared with the agent's approval, in order. */
const PINNED = [
  ['agent_registration_changed', 'registrations', 'registration'],
  ['agent_key_changed', 'keys', 'jkt'],
  ['agent_checksum_changed', 'checksums', 'checksum'],
] as const

/** The denial code of the first fact that is not approved; `undefined` if all are. */
const changedIn = (pins: AgentPins, intent: Intent) =>
  PINNED.find(([, list, name]) => {
    const approved = pins[list]
    return approved && !isOneOf(approved, intent[name] ?? '')
  })?.[0]

/** Compares the value with each approved one, in a time that does not depend on the values. */
const isOneOf = (approved: readonly string[], value: string): boolean => {
  let found = 0
  for (const one of approved) found |= isEqual(one, value) ? 1 : 0
  return found === 1
}

const isEqual = (one: string, other: string): boolean => {
  let difference = one.length ^ other.length
  for (let i = 0; i < other.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i)
  return difference === 0
}
