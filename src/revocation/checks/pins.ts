import type { AgentPins } from '../../core/model/revocation.ts'
import type { Intent } from '../../core/model/token.ts'

/** What is compared of an Agentic JWT with the agent's approval, in order. */
const PINNED = [
  ['agent_registration_changed', 'registrations', 'registration'],
  ['agent_key_changed', 'keys', 'jkt'],
  ['agent_checksum_changed', 'checksums', 'checksum'],
] as const

/** The denial code for what a token has that is not approved; `undefined` if all is approved. */
export function changedIn(pins: AgentPins, intent: Intent) {
  return PINNED.find(([, list, name]) => {
    const approved = pins[list]
    return approved && !isOneOf(approved, intent[name] ?? '')
  })?.[0]
}

/** Compares with each in constant time. */
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
